"""By which rules a venue trades: as it said last, remembered, for it may be away at the next start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from brokers.instrument import Instrument
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store.database import transaction
from core.store.instruments import get_instruments, put_instruments

# What changes these makes something else of what is held.
_GRAVE = frozenset({"currency", "multiplier", "settlement"})
# What venues move with their volume, day by day, is no news.
_QUIET = frozenset({"max_quantity", "max_market_quantity"})


class InstrumentBook:
    """The instruments of one account, or of the feeds; `known` is filled here and read by others.

    `changed` is called when there is something new. What the venue does not name any more stays known: it may be held.
    """

    def __init__(
        self,
        whose: str,
        known: dict[str, Instrument],
        *,
        alerts: Alerts,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.known = known
        self._whose = whose
        self._alerts = alerts
        self._clock = clock
        self._changed = changed

    async def load(self) -> None:
        """Take up what is remembered."""
        self.known.update(await get_instruments(self._whose))
        self._changed()

    async def refresh(self, instruments: Iterable[Instrument]) -> bool:
        """The venue has told them anew: what is different counts from now on, and people hear of it."""
        news = [each for each in instruments if self.known.get(each.symbol) != each]
        if not news:
            return False
        async with transaction():
            await put_instruments(self._whose, news, self._clock.now())
            for each in news:
                if (before := self.known.get(each.symbol)) is not None:
                    await self._tell(before, each)
        self.known.update({each.symbol: each for each in news})
        self._changed()
        return True

    async def _tell(self, before: Instrument, after: Instrument) -> None:
        differences = dict(_differences(before, after))
        if differences.keys() <= _QUIET:
            return
        is_grave = bool(_GRAVE & differences.keys())
        severity = Severity.CRITICAL if is_grave else Severity.WARNING
        body = "\n".join(differences.values())
        if is_grave:
            body += "\nWhat is held of it is not what it was: look at it before anything trades."
        title = f"{after.symbol}: the venue has changed its rules"
        await self._alerts.add(Alert("instrument", severity, title, body, account=self._whose))


def _differences(before: Instrument, after: Instrument) -> Iterator[tuple[str, str]]:
    for each in fields(Instrument):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            yield each.name, f"{each.name.replace('_', ' ')}: {old} → {new}"
