"""Acts: strategies, orders, ledger, alerts, store. `core.service` is the only door for those above."""
