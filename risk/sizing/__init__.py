"""Sizing methods, one a file. `risk.sizer` says what they share; a new file here is found by itself."""
