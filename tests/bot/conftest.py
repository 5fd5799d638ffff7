"""Pauses of milliseconds, measured by the loop in which Telegram's server runs, too; and pictures that are kept."""

from __future__ import annotations

from tests.bot.gallery import gallery
from tests.unhurried import unhurried, unhurried_loop

__all__ = ["gallery", "unhurried", "unhurried_loop"]
