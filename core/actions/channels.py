"""Alert channels: trying them."""

from __future__ import annotations

from collections.abc import Iterator

from core.access.roles import Actor
from core.actions.acting import Acting
from core.alerts.channel import Channel
from core.alerts.trial import trial_message, try_all
from core.views import ActionResult

_TELEGRAM = "telegram"


class ChannelActions(Acting):
    """What may be done to channels."""

    async def test_channels(self, actor: Actor) -> ActionResult:
        """Send a test over every channel: on Telegram to who asks, elsewhere to everybody."""
        trials = await try_all(self._places(actor), trial_message(actor.name, self._engine.clock.now()))
        lines = tuple(trial.line for trial in sorted(trials, key=lambda trial: not trial.trouble))
        failed = sum(bool(trial.trouble) for trial in trials)
        said = f"{failed} of {len(trials)} tests failed." if failed else f"All {len(trials)} tests were accepted."
        await self._engine.audit.record(actor, "test channels", "; ".join(lines)[:500], "failed" if failed else "ok")
        return ActionResult(not failed, said, lines)

    def _places(self, actor: Actor) -> Iterator[tuple[Channel, str, str]]:
        channels = self._engine.outbox.channels
        for listener in self._engine.alerts.listeners:
            for name, recipient in listener.addresses:
                if name in channels and (name != _TELEGRAM or recipient == actor.id):
                    yield channels[name], recipient, listener.actor.name
