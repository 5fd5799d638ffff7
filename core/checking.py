"""Deep checks of settings: everything that can be known before anything starts, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from brokers.errors import ConfigurationError
from brokers.registry import AdapterSettings, load_adapter, validate
from core.errors import SettingsError
from core.market.series import MarketDataError
from core.replay_rounds import archive_of
from core.settings import (
    FeedSettings,
    MarketSettings,
    Settings,
    StrategySettings,
    parse_settings,
    read_settings,
)
from core.strategy.registry import StrategyConfigurationError, build_strategy
from core.trading.real_money import MODE
from core.trading.real_money import check as check_real_money
from risk.sizer import build_sizer

M = TypeVar("M", bound=BaseModel)


def load_checked(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check everything in `folder` and the environment, deeply.

    Raises `SettingsError` with every problem at once: what is right by itself is looked into even if something
    else is wrong.
    """
    raw = read_settings(folder, environment)
    try:
        settings = parse_settings(raw)
    except SettingsError as error:
        raise SettingsError([*error.problems, *_of_sound_parts(raw)]) from error
    check_deeply(settings)
    return settings


def check_deeply(settings: Settings) -> None:
    """Raises `SettingsError` with every problem of brokers, market data, strategies and sizing."""
    problems = [
        *_data_dir(settings.data_dir),
        *_brokers({name: account.broker for name, account in settings.accounts.items()}),
        *_currencies(settings),
        *_real_money(settings),
        *_market(settings),
        *_places(settings),
        *_strategies(dict(enumerate(settings.strategies)), settings.market),
    ]
    if problems:
        raise SettingsError(problems)


def _of_sound_parts(raw: Mapping[str, Any]) -> Iterator[str]:
    """The deep problems of every strategy that has no shallow one, and of the brokers."""
    accounts, listed = raw.get("accounts"), raw.get("strategies")
    for name, each in accounts.items() if isinstance(accounts, dict) else ():
        if isinstance(each, dict) and isinstance(broker := each.get("broker"), dict):
            yield from _brokers({str(name): broker})
    given = enumerate(listed) if isinstance(listed, list) else ()
    strategies = {number: found for number, each in given if (found := _sound(StrategySettings, each))}
    yield from _strategies(strategies, _sound(MarketSettings, raw.get("market")))


def _sound(model: type[M], raw: Any) -> M | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _data_dir(folder: Path) -> Iterator[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield f"data_dir: {folder} cannot be used: {error.strerror}; name a directory that you may write to"


def _brokers(accounts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, broker in accounts.items():
        place = f"accounts.{name}.broker"
        problems = validate(name, broker, place)
        yield from problems or _keys(name, broker)


def _keys(name: str, broker: Mapping[str, Any]) -> Iterator[str]:
    """An account at a venue needs a key; without one there are prices only, and those belong to `market.feeds`."""
    if _trades_coins(broker) and not broker.get("api_key"):
        where = f"QUARTERDECK_ACCOUNTS__{name.upper()}__BROKER"
        yield f"accounts.{name}.broker: there is no key; put {where}__API_KEY and {where}__SECRET into .env"


def _currencies(settings: Settings) -> Iterator[str]:
    """An account at a venue must know what it pays in is worth: else it is halted as soon as it starts."""
    for name, account in settings.accounts.items():
        if not _trades_coins(account.broker):
            continue
        kept, symbols = account.currency, settings.symbols_of(name)
        for symbol in symbols:
            paid = symbol.rpartition(":")[2].rpartition("/")[2] if "/" in symbol else kept
            if paid != kept and paid not in account.fx and not {f"{paid}/{kept}", f"{kept}/{paid}"} & set(symbols):
                yield (
                    f"accounts.{name}: {symbol} is paid in {paid}, the account is kept in {kept}, and nothing says "
                    f"what one is worth in the other; set broker.currency to {paid}, or add the rate to fx"
                )


def _trades_coins(broker: Mapping[str, Any]) -> bool:
    """Whether its symbols are spelt BASE/QUOTE, as venues for coins have them."""
    kind = _settings_of(broker)
    return kind is not None and "api_key" in kind.model_fields


def _settings_of(broker: Mapping[str, Any]) -> type[AdapterSettings] | None:
    """What can be set of a broker; None for one that cannot be built, which is told elsewhere."""
    try:
        return load_adapter(str(broker.get("adapter"))).settings
    except ConfigurationError:
        return None


def _real_money(settings: Settings) -> Iterator[str]:
    """Real money is traded in an environment of that name only."""
    for name, account in settings.accounts.items():
        mode = str(account.broker.get("mode", ""))
        yield from check_real_money(name, mode, settings.environment, is_live=mode == MODE)


def _market(settings: Settings) -> Iterator[str]:
    if settings.market.is_live:
        for number, feed in enumerate(settings.market.sources, 1):
            place = f"market.feeds.{number} ({feed.name})"
            yield from _feed_of_account(place, feed, settings) if feed.account else _feed(place, feed)
        return
    try:
        known = archive_of(settings.market).symbols()
    except MarketDataError as error:
        yield f"market: {error}"
        return
    for symbol in settings.market.symbols:
        if symbol not in known:
            yield f"market.symbols: there is no history of {symbol}; there is: {', '.join(known)}"


def _feed(place: str, feed: FeedSettings) -> Iterator[str]:
    """A feed with a broker of its own."""
    problems = validate(feed.name, feed.broker, place)
    yield from problems
    if not problems and _lives_anywhere(feed.broker):
        yield f"{place}: {feed.broker['adapter']} has no prices of its own; name a venue, like binance"


def _feed_of_account(place: str, feed: FeedSettings, settings: Settings) -> Iterator[str]:
    if feed.account not in settings.accounts:
        yield f"{place}.account: there is no account {feed.account!r}; there is: {', '.join(settings.accounts)}"
        return
    if _lives_anywhere(settings.accounts[feed.account].broker):
        yield f"{place}.account: {feed.account} has no prices of its own; name an account at a venue"
    if foreign := sorted(set(feed.symbols) - set(settings.symbols_of(feed.account))):
        yield f"{place}.symbols: {feed.account} does not trade {', '.join(foreign)}; leave them out"


def _lives_anywhere(broker: Mapping[str, Any]) -> bool:
    """Whether it trades any market, a replayed one, too; of what cannot be built that is told elsewhere."""
    kind = _settings_of(broker)
    return kind is None or kind.on_any_market


def _places(settings: Settings) -> Iterator[str]:
    """What accounts trade is in the market, and is a market that they can trade."""
    for name, account in settings.accounts.items():
        if not settings.market.is_live and not _lives_anywhere(account.broker):
            kind = account.broker["adapter"]
            yield (
                f"accounts.{name}.broker: {kind} is a real venue and cannot trade replayed history; set "
                f"`market: {{source: live, feeds: [{{account: {name}}}], symbols: [...]}}`, or use adapter paper"
            )
        if foreign := sorted(set(account.symbols or ()) - set(settings.market.symbols)):
            yield f"accounts.{name}.symbols: {', '.join(foreign)} not in market.symbols; add it there"
    for number, each in enumerate(settings.strategies):
        home = settings.account_of(each)
        known = set(each.symbols) & set(settings.market.symbols)
        if absent := ", ".join(sorted(known - set(settings.symbols_of(home)))):
            yield f"strategies.{number} ({each.name}).symbols: {home} does not trade {absent}; add it to its symbols"
        yield from _standby(home, each, settings)


def _standby(home: str, strategy: StrategySettings, settings: Settings) -> Iterator[str]:
    """Who stands by for an account trades whatever its strategies trade."""
    standby = settings.accounts[home].standby
    if standby is None or standby.account not in settings.accounts:
        return
    known = set(strategy.symbols) & set(settings.symbols_of(home))
    if absent := ", ".join(sorted(known - set(settings.symbols_of(standby.account)))):
        yield (
            f"accounts.{home}.standby: {standby.account} does not trade {absent}, and {strategy.name} does; "
            f"add it to the symbols of {standby.account}"
        )


def _strategies(strategies: Mapping[int, StrategySettings], market: MarketSettings | None) -> Iterator[str]:
    for number, each in strategies.items():
        place = f"strategies.{number} ({each.name})"
        try:
            build_strategy(each.kind, each.name, each.symbols, each.parameters)
        except StrategyConfigurationError as error:
            yield from (
                _told(place, each.name, problem.place, problem.problem, problem.remedy) for problem in error.problems
            )
        try:
            build_sizer(each.sizing)
        except ValueError as error:
            yield f"{place}.sizing: {error}"
        for symbol in each.symbols if market else ():
            if market and symbol not in market.symbols:
                yield f"{place}.symbols: {symbol} is not in market.symbols; add it there"


def _told(place: str, name: str, where: str, problem: str, remedy: str) -> str:
    """The registry names the strategy first; the place has said that already."""
    step = where.removeprefix(name).removeprefix(".")
    return f"{place}{'.' * bool(step)}{step}: {problem}. {remedy}"
