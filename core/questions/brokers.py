"""How the connections to venues are doing: those of accounts, and those that only bring prices."""

from __future__ import annotations

from collections.abc import Collection

from core.market.feed import Feed
from core.questions.asking import Asking
from core.trading.desk import Desk
from core.views import BrokerView


class BrokerQuestions(Asking):
    """Who is connected, and how well."""

    async def brokers(self, accounts: Collection[str] | None = None) -> tuple[BrokerView, ...]:
        """The connection of every account that the reader may see, then the feeds that have one of their own."""
        engine = self._engine
        desks = [self._of_account(desk, accounts) for desk in engine.floor.chosen("", accounts)]
        return (*desks, *(self._of_feed(feed) for feed in engine.feeds if feed.is_own))

    def _of_account(self, desk: Desk, seen: Collection[str] | None) -> BrokerView:
        raw, broker = self._engine.settings.accounts[desk.account].broker, desk.broker
        return BrokerView(
            name=desk.account,
            adapter=self._engine.floor.adapter(desk.account),
            mode="paper" if broker.capabilities.simulated else str(raw.get("mode", "")),
            is_feed=False,
            is_live=broker.is_live,
            connected=broker.is_connected,
            health=broker.health,
            standby=self._engine.failover.words(desk.account, lambda each: seen is None or each in seen),
        )

    def _of_feed(self, feed: Feed) -> BrokerView:
        modes = {each.name: str(each.broker.get("mode", "")) for each in self._engine.settings.market.sources}
        return BrokerView(
            name=feed.name,
            adapter=feed.adapter,
            mode=modes.get(feed.name, ""),
            is_feed=True,
            is_live=False,
            connected=feed.broker.is_connected,
            health=feed.broker.health,
            problem=feed.problem,
        )
