"""What people are told of prices: that there are none, or again, from where they come, and what came too late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.market.bar_ends import BarEnd
from core.market.feed import Feed
from core.market.live import Lack, Lane, News

log = structlog.get_logger(__name__)

# A feed that is away for so long is told of even if another one counts: there is one less in need.
_SPARE_SECONDS = 300.0


class PriceTelling:
    """Makes alerts of the news of a live market; each once, until it is over."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._told_late = False
        self._told_away: set[str] = set()

    async def of(self, news: News) -> None:
        """Of another feed that counts, or of prices or a history that are missing, or there again."""
        if news.before is not None:
            await self._change(news.lane, news.before)
        elif news.lack is Lack.HISTORY:
            await self._history(news)
        else:
            await self._prices(news)

    async def _history(self, news: News) -> None:
        if news.is_over:
            title, severity, body = f"The history of {_subject(news)} is there", Severity.INFO, "Strategies go on."
        else:
            title, severity = f"There is no history of {', '.join(news.lane.unserved)}", Severity.WARNING
            body = (
                "The venue does not tell it. Strategies wait; prices, stops and targets go on. It is asked for again."
            )
        await self._alerts.add(Alert("prices", severity, title, body))

    async def _prices(self, news: News) -> None:
        lane, name = news.lane, _subject(news)
        key = f"{news.lack}:{name}"
        if news.is_over:
            await self._alerts.close(key, f"{lane.feed.name} gives {news.lack} again")
            return
        feeds = [lane.feed] if news.symbol else lane.feeds
        why = "\n".join(f"{feed.name}: {feed.why}" for feed in feeds)
        body = f"{why}\nNothing new trades on prices that nobody knows; stops and targets here see no price either."
        title = f"There are no prices of {name}"
        await self._alerts.add(Alert("prices", Severity.CRITICAL, title, body, account=lane.account, key=key))

    async def _change(self, lane: Lane, before: Feed) -> None:
        """Another feed counts."""
        is_back = lane.feeds.index(lane.feed) < lane.feeds.index(before)
        if is_back:
            title, severity = f"Prices come from {lane.feed.name} again", Severity.INFO
            body = f"{lane.name}: it has been well for a while."
        else:
            title, severity = f"Prices come from {lane.feed.name} now", Severity.WARNING
            body = f"{lane.name}: {before.name}: {before.why}."
        await self._alerts.add(Alert("prices", severity, title, body))

    async def of_feeds(self, feeds: Iterable[Feed]) -> None:
        """Of those that are not there when they are needed, once."""
        for feed in feeds:
            if not feed.away_for:
                self._told_away.discard(feed.name)
            elif feed.name not in self._told_away and feed.is_own and feed.is_misconfigured:
                await self._away(feed, f"{feed.name} cannot give prices with these settings")
            elif feed.name not in self._told_away and feed.is_own and feed.away_for > _SPARE_SECONDS:
                await self._away(feed, f"{feed.name} has been away for {feed.away_for / 60:.0f} min")

    async def _away(self, feed: Feed, title: str) -> None:
        body = f"{feed.problem or feed.why}\nIt is tried again; /brokers shows how it stands."
        await self._alerts.add(Alert("prices", Severity.WARNING, title, body))
        self._told_away.add(feed.name)

    async def of_late(self, ends: Sequence[BarEnd]) -> None:
        """Once, until bars come in time again."""
        late = [bar for end in ends if end.is_old for bar in end.bars.values()]
        for bar in late:
            log.warning("a bar came too late", symbol=bar.symbol, end=bar.at)
        if late and not self._told_late:
            many = f"{len(late)} bars" if len(late) > 1 else "A bar"
            symbols = ", ".join(sorted({bar.symbol for bar in late}))
            body = f"{symbols}, until {max(bar.at for bar in late):%H:%M} UTC: strategies see them as history only."
            await self._alerts.add(Alert("prices", Severity.WARNING, f"{many} came too late to trade on", body))
        if ends:
            self._told_late = ends[-1].is_old


def _subject(news: News) -> str:
    """What is missing, and for whom."""
    return (news.symbol or news.lane.name) + (f" for {news.lane.account}" if news.lane.account else "")
