"""The strategies that ship with the program: one file each, found by `core.strategy.registry`."""
