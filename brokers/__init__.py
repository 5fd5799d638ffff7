"""The vocabulary of trading, the broker port, and the adapters. Imports nothing of ours."""
