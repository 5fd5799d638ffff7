"""`quarterdeck alert-test`: a test over every channel of the settings, whether the bot runs or not."""

from __future__ import annotations

from collections.abc import Callable

from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.channels.building import channels_beside_telegram
from bot.channels.telegram import bare
from core.alerts.audience import EveryOne
from core.alerts.channel import Channel, ChannelDown, Message
from core.alerts.trial import trial_message, try_all
from core.clock import SystemClock
from core.settings import Settings


class PlainTelegram:
    """Telegram without the rest of the bot: bare text to a person's private chat."""

    name = "telegram"

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return once Telegram has it. Raises `ChannelDown`, whatever the reason: here nothing waits."""
        try:
            sent = await self._bot.send_message(int(recipient), bare(message))
        except TelegramError as error:
            raise ChannelDown(error.message) from None
        return str(sent.message_id)


async def alert_test(settings: Settings, say: Callable[[str], None]) -> bool:
    """Try everything that is set up, say how it went; whether all was accepted."""
    clock = SystemClock()
    request = HTTPXRequest(connect_timeout=10, read_timeout=15)
    telegram = settings.telegram
    bot = Bot(
        telegram.token.get_secret_value(), base_url=telegram.base_url, base_file_url=telegram.base_file_url,
        request=request, get_updates_request=request,
    )  # fmt: skip
    try:
        beside = channels_beside_telegram(settings, lambda: settings.users, clock)
        channels: dict[str, Channel] = {each.name: each for each in (PlainTelegram(bot), *beside)}
        places = [
            (channels[name], recipient, listener.actor.name)
            for listener in EveryOne(settings, lambda: settings.users).listeners()
            for name, recipient in listener.addresses
        ]
        trials = await try_all(places, trial_message("the command line", clock.now()))
    finally:
        await request.shutdown()
    for trial in trials:
        say(trial.line)
    return not any(trial.trouble for trial in trials)
