"""One file a family of commands. `bot.command.discover` imports them all; nothing else does."""
