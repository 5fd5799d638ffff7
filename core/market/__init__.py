"""Market data: bars in order, where they are kept, and their replay at any speed."""
