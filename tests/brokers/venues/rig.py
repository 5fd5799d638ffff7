"""An account at a venue that answers with examples: the real adapter, unmodified ccxt, real HTTPS.

The examples are those of the venues' documentation, or were put together from its fields. Nothing was recorded.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from brokers.ccxt import markets
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.limits import Limits
from brokers.ccxt.streams.pace import Pace
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from brokers.registry import BrokerContext, BrokerFactory
from tests.brokers.venues.recorder import Asked, Recorder

DATA = Path(__file__).parent / "data"
OURS = ClientOrderId("qdA1B201HZXW3F8K9QX4T7M2N5P6R8S9")
"""As long as our ids are, and of their letters."""
KEYS = {"api_key": "key", "secret": "c2VjcmV0LXNlY3JldC1zZWNyZXQ="}
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def documented(venue: str) -> dict[str, Any]:
    """The file of a venue: `provenance`, `hosts`, `answers` by `METHOD /path`, and `cases`. `streams` of prices, and
    `private`, what the stream of the account answers.
    """
    return json.loads((DATA / f"{venue}.json").read_text(encoding="utf-8"))


@cache
def private_key() -> str:
    """A key that signs, for the venue that wants one; no file holds it."""
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain).decode()


def keys_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The keys of an account there."""
    keys = dict(facts.get("keys", KEYS))
    return {**keys, "secret": private_key()} if keys["secret"] == "EC" else keys


@dataclass
class Account:
    """A connected broker, and what it said to the venue."""

    broker: CcxtBroker
    venue: Recorder
    cases: Mapping[str, Any]
    count: int = field(default=0)

    @property
    def instrument(self) -> Instrument:
        return next(iter(self.broker._connected().instruments.values()))

    @property
    def dialect(self) -> Any:
        return self.broker._dialect

    def answer(self, line: str, payload: Any) -> None:
        """From now on, `METHOD /path` is answered so."""
        self.venue.answers[line] = payload

    def order(self, side: Side = Side.BUY, kind: OrderType = OrderType.LIMIT, **more: Any) -> OrderRequest:
        """An order of 0.02 (or 2 contracts): a buy at 50,000, a stop or target at `stop`."""
        if kind.has_limit:
            more.setdefault("limit_price", Decimal(50000))
        return OrderRequest(
            client_order_id=more.pop("oid", OURS),
            instrument=self.instrument,
            side=side,
            quantity=more.pop("quantity", Decimal(2) if self.instrument.lot >= 1 else Decimal("0.02")),
            type=kind,
            time_in_force=more.pop("tif", TimeInForce.GTC),
            **more,
        )

    async def sent(self, *args: Any, **more: Any) -> tuple[str, Any]:
        """Place an order; what went over the wire for it: `METHOD /path`, and what was said."""
        self.count += 1
        before = len(self.venue.asked)
        self.broker._connected().known.forget(more.get("oid", OURS))
        await self.broker.place_order(self.order(*args, **more))
        (asked,) = [each for each in self.venue.asked[before:] if each.method != "GET"]
        return asked.line, asked.said

    async def asked(self, work: Any) -> list[tuple[str, Any]]:
        """What went over the wire during `work`."""
        before = len(self.venue.asked)
        await work
        return [(each.line, each.said) for each in self.venue.asked[before:]]


async def _at_once(_limits: Limits, _cost: float | None = None) -> None:
    """No waiting: the limits have tests of their own."""


@asynccontextmanager
async def account(
    venue: str,
    folder: Path,
    *symbols: str,
    keys: bool = True,
    answers: Mapping[str, Any] | None = None,
    replies: Sequence[dict[str, Any]] = (),
    pace: Pace | None = None,
    asked: list[Asked] | None = None,
    **settings: Any,
) -> AsyncIterator[Account]:
    """An account at a venue that answers with examples, connected. `asked` is where its requests are written down."""
    markets.forget()
    facts = documented(venue)
    private = facts["private"] if keys else {}
    told = deepcopy({**facts["answers"], **private.get("answers", {}), **(answers or {})})
    says = [*replies, *private.get("replies", ())]
    async with Recorder(tuple(facts["hosts"]), told, says, asked=[] if asked is None else asked) as recorder:
        context = BrokerContext(
            data_dir=folder, now=lambda: NOW, symbols=symbols or ("BTC/USDT",), network=recorder.network
        )
        own = {"mode": "live", "poll_seconds": 60, **(keys_of(facts) if keys else {}), **settings}
        broker = BrokerFactory(context).build("acc", {"adapter": venue, **own})
        assert isinstance(broker, CcxtBroker)
        broker.pace = pace or broker.pace
        with patch.object(Limits, "throttle", _at_once):
            try:
                await broker.connect()
                yield Account(broker, recorder, facts["cases"])
            finally:
                await broker.disconnect()
                markets.forget()
