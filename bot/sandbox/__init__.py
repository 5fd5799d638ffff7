"""The whole bot in a browser page: the same program, talking to an embedded Bot API server."""
