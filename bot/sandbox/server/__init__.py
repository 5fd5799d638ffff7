"""An embedded Telegram Bot API server with a chat page, as strict as Telegram.

Any Bot API client can use it: `SandboxServer(...).bot_base_url` and `.file_base_url` replace Telegram's
addresses. People act through the page at `.url` or through the JSON API that `control` describes.
"""

from bot.sandbox.server.app import SandboxServer
from bot.sandbox.server.errors import PortInUse
from bot.sandbox.server.faults import Faults
from bot.sandbox.server.limits import Limits
from bot.sandbox.server.model import ADMIN, STRANGER, TRADER, USERS, VIEWER, Chat, User

__all__ = [
    "ADMIN", "STRANGER", "TRADER", "USERS", "VIEWER",
    "Chat", "Faults", "Limits", "PortInUse", "SandboxServer", "User",
]  # fmt: skip
