"""A simulated venue: a market (`source`), an engine (`engine`), a memory (`journal`), together a `venue`."""
