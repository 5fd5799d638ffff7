"""`quarterdeck init`: sets the bot up step by step in a terminal, and pairs the first admin."""
