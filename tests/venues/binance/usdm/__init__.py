"""USDT-M futures as ccxt calls them: orders, conditional orders (the Algo service), margin, income, streams."""
