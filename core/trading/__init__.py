"""The life of an order: pipeline, order manager, ledger, reconciliation."""
