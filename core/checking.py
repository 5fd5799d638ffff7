"""Deep checks of settings: everything that can be known before anything starts, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from brokers.registry import validate
from core.errors import SettingsError
from core.market.series import MarketDataError
from core.rounds import archive_of
from core.settings import (
    MarketSettings,
    Settings,
    StrategySettings,
    parse_settings,
    read_settings,
)
from core.strategy.registry import StrategyConfigurationError, build_strategy
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
        *_market(settings),
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
        yield from validate(name, broker)


def _market(settings: Settings) -> Iterator[str]:
    try:
        known = archive_of(settings.market).symbols()
    except MarketDataError as error:
        yield f"market: {error}"
        return
    for symbol in settings.market.symbols:
        if symbol not in known:
            yield f"market.symbols: there is no history of {symbol}; there is: {', '.join(known)}"


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
