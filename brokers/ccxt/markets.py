"""Which instruments a venue has, and their rules: asked for once for all accounts of a process there, and anew now and
then, for venues change lots and ticks while we run.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import structlog

from brokers.ccxt.apart import load_apart
from brokers.ccxt.calls import Raw
from brokers.ccxt.client import CONNECT, Client
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.parsing import Unreadable, decimal, needed
from brokers.ccxt.slimming import forgetful, once
from brokers.errors import ConfigurationError, Unavailable
from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.money import ZERO
from brokers.network import Network
from brokers.resilience.ticks import ticks

log = structlog.get_logger(__name__)

OLD_AT_CONNECT, OLD = 300.0, 43_200.0
"""Seconds: a new connection wants newer rules than one that stands, for reading thousands of them takes a while."""

_AGAIN_SECONDS = 60.0  # who has just asked does not ask again, whatever is refused
_SHARED = ("markets", "markets_by_id", "symbols", "ids", "currencies", "currencies_by_id", "codes")
_IN_STEPS = 4  # ccxt's TICK_SIZE


@dataclass(slots=True)
class Told:
    """What a venue has told of its markets, and when; `doubted`: it has refused what fits them."""

    markets: dict[str, Any] = field(default_factory=dict)
    doubted: bool = False
    _attributes: dict[str, Any] = field(default_factory=dict)
    _options: dict[str, Any] = field(default_factory=dict)
    _at: float = -math.inf
    _asked: float = -math.inf
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def renew(self, client: Client, older_than: float) -> None:
        """Ask the venue, if what is known is older than so many seconds, or doubted. One question for all who want it.

        Raises `Unavailable` where nothing is known; otherwise what was told last counts on.
        """
        async with self._turn:
            if not self._is_due(older_than):
                return
            self._asked = ticks()
            try:
                with client.twin() as reader, client.twin() as asker:
                    self._take(await self._loaded(client, reader, asker), client.dialect)
            except Unavailable as error:
                if not self.markets:
                    raise
                log.warning("the venue's rules cannot be asked again", venue=client.dialect.venue, reason=str(error))

    def lend(self, exchange: Any) -> None:
        """Give an exchange these markets, all at once."""
        exchange.options.update(self._options)
        for name, value in self._attributes.items():
            setattr(exchange, name, value)

    def is_gone(self, symbol: str) -> bool:
        """Whether it was listed once, and is not any more."""
        return bool(self.markets.get(symbol, {}).get("gone"))

    def _is_due(self, older_than: float) -> bool:
        now = ticks()
        if not self.markets:
            return True
        if now - self._asked < min(_AGAIN_SECONDS, older_than):
            return False
        return self.doubted or now - self._at >= older_than

    @staticmethod
    async def _loaded(client: Client, reader: Any, asker: Any) -> Any:
        """The reader, with its markets."""
        words = client.dialect.market_words
        forgetful(reader, words)

        async def loaded(_: Any) -> None:
            await load_apart(reader, asker, _nothing_more if words is None else once)

        await client.guarded(CONNECT, loaded)
        if not reader.markets:
            raise Unavailable(f"{client.dialect.venue} lists no markets")
        if reader.precisionMode != _IN_STEPS:  # else a tick of 8 would be eight, and not eight places
            raise Unavailable(f"{client.dialect.venue}: the rules of its markets are not told in steps")
        return reader

    def _take(self, exchange: Any, dialect: Dialect[Any]) -> None:
        self._keep_gone(exchange)
        self._attributes = {name: getattr(exchange, name) for name in _SHARED}
        self._options = {name: exchange.options.get(name) for name in dialect.shared_options}
        self.markets, self.doubted, self._at = exchange.markets, False, ticks()

    def _keep_gone(self, exchange: Any) -> None:
        """What is not listed any more stays known, closed: it may be held, and our library takes no strange symbol."""
        for symbol in self.markets.keys() - exchange.markets.keys():
            gone = {**self.markets[symbol], "active": False, "gone": True}
            exchange.markets[symbol] = gone
            exchange.markets_by_id.setdefault(gone["id"], []).append(gone)


def _nothing_more(_exchange: Any) -> None:
    """Every word of it is kept."""


_told: dict[Hashable, Told] = {}


def told_to(client: Client, network: Network) -> Told:
    """What all accounts here at `client`'s venue share."""
    return _told.setdefault((client.dialect.scope, network), Told())


def forget() -> None:
    """Load anew next time."""
    _told.clear()


def instruments_of(
    dialect: Dialect[Any], markets: Mapping[str, Raw], symbols: Sequence[str], place: str
) -> dict[str, Instrument]:
    """The instruments of `symbols`, without those that the venue does not list: a typo, or one that was delisted, takes
    nobody else away. Raises `ConfigurationError` if it lists none of them.
    """
    unknown, found = left_out(dialect, markets, symbols), dict[str, Instrument]()
    for symbol in symbols:
        if symbol in unknown:
            continue
        try:
            found[symbol] = dialect.instrument(markets[symbol])
        except (Unreadable, ValueError) as error:
            raise Unavailable(f"{dialect.venue} tells rules of {symbol} that make no sense: {error}") from error
    if unknown and not found:
        raise ConfigurationError("; ".join(f"{place}: {why}" for why in unknown.values()))
    if dialect.settings.has_keys:
        _check_coins(tuple(found.values()), dialect.settings.currency, place)
    return found


def left_out(dialect: Dialect[Any], markets: Mapping[str, Raw], symbols: Iterable[str]) -> dict[str, str]:
    """Those of `symbols` that the venue does not list, each with what is told of it: also another spelling."""
    unknown = [each for each in symbols if each not in markets or not dialect.lists(markets[each])]
    listed = [symbol for symbol, market in markets.items() if dialect.lists(market)] if unknown else []
    return {each: f"{dialect.venue} has no {each!r} here{_hint(each, listed)}" for each in unknown}


def _check_coins(instruments: Sequence[Instrument], kept_in: str, place: str) -> None:
    """A holding of a coin is the position of one instrument: not of two, and not money that something is paid in."""
    owners: dict[str, str] = {}
    for each in instruments:
        if each.base and owners.setdefault(each.base, each.symbol) != each.symbol:
            pair = f"{owners[each.base]} and {each.symbol}"
            raise ConfigurationError(f"{place}: {pair} are both a holding of {each.base}; keep one of them")
    for each in instruments:
        if owner := owners.get(each.currency):
            raise ConfigurationError(
                f"{place}: {each.symbol} is paid in {each.currency}, which is the position of {owner}; keep one of them"
            )
    if owner := owners.get(kept_in):
        raise ConfigurationError(
            f"{place}: the account is kept in {kept_in}, which is the position of {owner}; "
            f"leave {owner} out, or set currency to another"
        )


def _hint(symbol: str, known: Collection[str]) -> str:
    """Another spelling of it; another coin is none."""
    by_spelling = {each.upper(): each for each in known}
    of_contracts = {each.partition(":")[0].upper(): each for each in known}
    close = get_close_matches(symbol.upper(), list(by_spelling), n=1, cutoff=0.85)
    meant = by_spelling[close[0]] if close else of_contracts.get(symbol.upper())
    return f"; did you mean {meant!r}?" if meant else ""


def closed(markets: Mapping[str, Raw], symbols: Iterable[str]) -> list[str]:
    """Those of `symbols` that are listed, and not open for trading now."""
    return [each for each in symbols if each in markets and markets[each].get("active") is False]


def instrument_of(market: Raw, settlement: Settlement) -> Instrument:
    """An instrument with the rules of a market of ccxt (precision as steps, limits)."""
    precision, limits = market["precision"], market["limits"]
    is_future = settlement is Settlement.MARGINED
    return Instrument(
        str(market["symbol"]),
        str(market["settle"] if is_future else market["quote"]),
        AssetClass.CRYPTO,
        tick=_step(precision.get("price"), "tick"),
        lot=_step(precision.get("amount"), "lot"),
        min_quantity=_least(limits, "amount"),
        min_notional=_least(limits, "cost"),
        multiplier=(decimal(market.get("contractSize")) or Decimal(1)) if is_future else Decimal(1),
        settlement=settlement,
        base="" if is_future else str(market["base"]),
        max_quantity=most_of(limits, "amount"),
        max_market_quantity=most_of(limits, "market"),
    )


def _step(value: Any, what: str) -> Decimal:
    return plain(needed(value, what))


def _least(limits: Raw, name: str) -> Decimal:
    return plain(decimal((limits.get(name) or {}).get("min")) or ZERO)


def most_of(limits: Raw, name: str) -> Decimal | None:
    """The largest order by a limit; venues say zero, or nothing, for none."""
    told = decimal((limits.get(name) or {}).get("max"))
    return plain(told) if told else None


def plain(number: Decimal) -> Decimal:
    """Without zeros at the end and without an exponent: 1E-5 is 0.00001."""
    return Decimal(f"{number.normalize():f}")
