"""The Bot API's methods, by subject."""

from bot.sandbox.server.methods import account, callbacks, chats, commands, edits, media, polling, sending
from bot.sandbox.server.methods.call import METHODS, Call

__all__ = [
    "METHODS", "Call", "account", "callbacks", "chats", "commands", "edits", "media", "polling", "sending",
]  # fmt: skip
