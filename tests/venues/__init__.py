"""Servers that speak the documented protocols of real venues, and misbehave as those do."""
