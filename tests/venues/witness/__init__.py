"""Witnesses that none of us wrote: they look at what the venue server says. How: docs of this folder in `README.md`."""
