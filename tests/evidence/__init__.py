"""What every adapter can do, read from its code, and what that claim rests on: `python -m tests.evidence` writes
docs/brokers.md anew.
"""
