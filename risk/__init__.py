"""Judges: pure functions over frozen views. No I/O, no clock, no library but numpy and pydantic."""
