"""Binance as documented, on this machine: what ccxt calls, checked as Binance checks it, with faults on demand."""
