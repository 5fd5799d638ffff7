"""Deep checks of settings: everything that can be known before anything starts, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator

from brokers.registry import validate
from core.rounds import archive_of
from core.errors import SettingsError
from core.market.series import MarketDataError
from core.settings import Settings
from core.strategy.registry import StrategyConfigurationError, build_strategy
from risk.sizer import build_sizer


def check_deeply(settings: Settings) -> None:
    """Raises `SettingsError` with every problem of brokers, market data, strategies and sizing."""
    if problems := [*_accounts(settings), *_market(settings), *_strategies(settings)]:
        raise SettingsError(problems)


def _accounts(settings: Settings) -> Iterator[str]:
    for name, account in settings.accounts.items():
        yield from validate(name, account.broker)


def _market(settings: Settings) -> Iterator[str]:
    try:
        known = archive_of(settings.market).symbols()
    except MarketDataError as error:
        yield f"market: {error}"
        return
    for symbol in settings.market.symbols:
        if symbol not in known:
            yield f"market.symbols: there is no history of {symbol}; there is: {', '.join(known)}"


def _strategies(settings: Settings) -> Iterator[str]:
    for number, each in enumerate(settings.strategies):
        place = f"strategies.{number} ({each.name})"
        try:
            build_strategy(each.kind, each.name, each.symbols, each.parameters)
        except StrategyConfigurationError as error:
            yield from (f"{place}.{problem.place}: {problem.problem}; {problem.remedy}" for problem in error.problems)
        try:
            build_sizer(each.sizing)
        except ValueError as error:
            yield f"{place}.sizing: {error}"
        for symbol in each.symbols:
            if symbol not in settings.market.symbols:
                yield f"{place}.symbols: {symbol} is not in market.symbols; add it there"
