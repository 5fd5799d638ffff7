"""Which instruments a venue has, and their rules: loaded once in a process and shared by every account there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from brokers.ccxt.calls import Raw
from brokers.ccxt.client import MARKET, Client
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.parsing import Unreadable, decimal, needed
from brokers.ccxt.slimming import forgetful, once
from brokers.errors import ConfigurationError, Unavailable
from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.money import ZERO
from brokers.network import Network

_SHARED = ("markets", "markets_by_id", "symbols", "ids", "currencies", "currencies_by_id", "codes")
_IN_STEPS = 4  # ccxt's TICK_SIZE
_cache: dict[Hashable, tuple[dict[str, Any], dict[str, Any]]] = {}


async def load(client: Client, network: Network, *, fresh: bool = False) -> None:
    """Give `client`'s exchange its markets: those that another account here has loaded, or the venue's."""
    key = (client.dialect.scope, network)
    if fresh or key not in _cache:

        async def loaded(exchange: Any) -> Any:
            forgetful(exchange, client.dialect.market_words)
            return await exchange.load_markets(fresh)

        await client.guarded(MARKET, loaded)
        exchange = client.exchange
        if not exchange.markets:
            raise Unavailable(f"{client.dialect.venue} lists no markets")
        if exchange.precisionMode != _IN_STEPS:  # else a tick of 8 would be eight, and not eight places
            raise Unavailable(f"{client.dialect.venue}: the rules of its markets are not told in steps")
        if client.dialect.market_words is not None:
            once(exchange)
        options = {name: exchange.options.get(name) for name in client.dialect.shared_options}
        _cache[key] = {name: getattr(exchange, name) for name in _SHARED}, options
        return
    shared, options = _cache[key]
    client.exchange.options.update(options)
    for name, value in shared.items():
        setattr(client.exchange, name, value)


def forget() -> None:
    """Load anew next time."""
    _cache.clear()


def instruments_of(
    dialect: Dialect[Any], markets: Mapping[str, Raw], symbols: Iterable[str], place: str
) -> dict[str, Instrument]:
    """The instruments of `symbols`. Raises `ConfigurationError` for one that the venue does not list, with a
    near hit.
    """
    listed = {symbol: market for symbol, market in markets.items() if dialect.lists(market)}
    found: dict[str, Instrument] = {}
    for symbol in symbols:
        if symbol not in listed:
            raise ConfigurationError(f"{place}: {dialect.venue} has no {symbol!r} here{_hint(symbol, listed)}")
        try:
            found[symbol] = dialect.instrument(listed[symbol])
        except (Unreadable, ValueError) as error:
            raise Unavailable(f"{dialect.venue} tells rules of {symbol} that make no sense: {error}") from error
    if dialect.settings.has_keys:
        _check_coins(tuple(found.values()), dialect.settings.currency, place)
    return found


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


def _hint(symbol: str, known: Iterable[str]) -> str:
    close = get_close_matches(symbol, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    )


def _step(value: Any, what: str) -> Decimal:
    return plain(needed(value, what))


def _least(limits: Raw, name: str) -> Decimal:
    return plain(decimal((limits.get(name) or {}).get("min")) or ZERO)


def plain(number: Decimal) -> Decimal:
    """Without zeros at the end and without an exponent: 1E-5 is 0.00001."""
    return Decimal(f"{number.normalize():f}")
