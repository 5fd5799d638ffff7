"""One module per venue, named like the adapter; `brokers.registry` imports only the ones in use."""
