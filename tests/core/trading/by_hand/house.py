"""The service's room for trading by hand, over one real desk, without the rest of the program."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.access.audit import Audit
from core.access.roles import Actor, Role
from core.actions.manual import ManualTrading
from core.clock import Ids
from core.errors import UnknownName
from core.settings.manual import ManualSettings
from core.trading.by_hand.slip import Verb
from core.trading.floor import Floor, Place
from core.views import OrderPreview, Placed
from tests.core.trading.stage import Stage, Strategies

TESS = Actor("7", "Tess", Role.TRADER)
FREE = {"slippage": {"model": "none"}, "fees": {"maker_bps": 0, "taker_bps": 0}}


class Named(Strategies):
    """As the real manager: who is not a strategy is not known."""

    def get(self, name: str) -> Any:
        if name not in self.instances:
            raise UnknownName("strategy", name, self.instances)
        return self.instances[name]


class House(ManualTrading):
    """`say("buy ACME 10")` previews, `yes(preview)` confirms it."""

    def __init__(self, stage: Stage, **settings: Any) -> None:
        self.stage = stage
        self.over = settings
        self.rewire()

    def rewire(self) -> None:
        """After a restart of the stage."""
        stage = self.stage
        floor = Floor([Place(stage.desk, stage.pipeline, "paper", tuple(stage.strategies.instances))])
        self._engine = SimpleNamespace(  # type: ignore[assignment]
            floor=floor, market=stage.market, trading_clock=stage.market_clock, clock=stage.wall, ids=Ids(stage.wall),
            audit=Audit(stage.wall), settings=SimpleNamespace(manual=ManualSettings(**self.over)),
        )  # fmt: skip

    async def say(self, text: str) -> OrderPreview:
        verb, *words = text.split()
        return await self.preview_order(Verb(verb), words, TESS)

    async def yes(self, preview: OrderPreview) -> Placed:
        return await self.place_order(Verb(preview.verb), preview.words, preview.seen, TESS)

    async def trade(self, text: str) -> Placed:
        """Previewed and confirmed at once."""
        return await self.yes(await self.say(text))


async def house(build: Any, *names: str, price: object = 100, **options: Any) -> House:
    """A running desk with ACME at `price`."""
    over = options.pop("manual", {})
    stage = await build(strategies=Named(*names), **{**FREE, **options})
    await stage.start()
    await stage.tick(price)
    return House(stage, **over)
