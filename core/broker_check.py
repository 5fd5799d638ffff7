"""`quarterdeck check --broker NAME`: asks one venue everything that can be asked without ordering anything.

It needs no database and no running bot, and disturbs neither: of a paper account it looks at a copy.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from brokers.account import AccountInfo
from brokers.errors import BrokerError, ConfigurationError, Rejected
from brokers.health import Grade
from brokers.instrument import Instrument
from brokers.network import Network
from brokers.port import AbstractBroker
from brokers.registry import BrokerContext, BrokerFactory, load_adapter
from brokers.simulation.source import TickSource
from core.clock import Clock, SystemClock
from core.errors import SettingsError, in_words, near
from core.redaction import hide, redact, secrets_of
from core.replay_rounds import archive_of
from core.settings import MarketSettings, Settings

T = TypeVar("T")

_CONNECT_SECONDS = 60.0
_ANSWER_SECONDS = 30.0
_SHOWN = 10
_MARKS = {Grade.GOOD: "ok   ", Grade.WARNING: "look ", Grade.PROBLEM: "WRONG"}
_REACH = "Look whether this machine reaches the venue (network, firewall, DNS), at its status page, and try again"


@dataclass(frozen=True, slots=True)
class _Place:
    """What is checked: an account, or a feed (which only brings prices)."""

    name: str
    raw: Mapping[str, Any]
    symbols: tuple[str, ...]
    is_feed: bool

    @property
    def title(self) -> str:
        """`account main: binance, mode testnet`."""
        mode = f", mode {self.raw['mode']}" if "mode" in self.raw else ""
        return f"{'feed' if self.is_feed else 'account'} {self.name}: {self.raw['adapter']}{mode}"


async def check_broker(
    settings: Settings, name: str, network: Network, say: Callable[[str], None], clock: Clock | None = None
) -> bool:
    """Look at the broker of an account, or at a feed, and say how it is; whether nothing is wrong.

    Raises `SettingsError` if there is none of that name.
    """
    hide(*secrets_of(settings))
    return await _Check(settings, network, say, clock or SystemClock()).run(_place(settings, name))


def _place(settings: Settings, name: str) -> _Place:
    if name in settings.accounts:
        return _Place(name, settings.accounts[name].broker, settings.symbols_of(name), is_feed=False)
    feeds = {each.name: each for each in settings.market.sources if not each.account}
    if name in feeds:
        return _Place(name, feeds[name].broker, feeds[name].symbols, is_feed=True)
    known = [*settings.accounts, *feeds]
    meant = f"; did you mean {close[0]}?" if (close := near(name, known)) else "."
    raise SettingsError([f"--broker: there is no account or feed {name!r}{meant} There is: {', '.join(known)}"])


class _Check:
    """One look at one broker, line by line."""

    def __init__(self, settings: Settings, network: Network, say: Callable[[str], None], clock: Clock) -> None:
        self._settings = settings
        self._network = network
        self._say = say
        self._clock = clock
        self._wrong = 0
        self._name = ""
        self._broker: AbstractBroker | None = None

    async def run(self, place: _Place) -> bool:
        """Everything about one place; what is opened is closed again."""
        self._say(redact(place.title))
        self._name = place.name
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="quarterdeck-check-")))
            if (broker := await self._connected(place, folder, stack)) is not None:
                await self._look(broker, place)
        self._say("Nothing was ordered, changed or cancelled.")
        return not self._wrong

    async def _connected(self, place: _Place, folder: Path, stack: AsyncExitStack) -> AbstractBroker | None:
        try:
            source = await self._source(place, folder)
            broker = self._build(place, folder, source)
        except BrokerError as error:
            self._tell_error("The broker cannot be made", error)
            return None
        self._broker = broker
        stack.push_async_callback(broker.disconnect)
        began = asyncio.get_running_loop().time()
        if not await self._connect(broker, "Not connected"):
            return None
        self._tell(Grade.GOOD, f"Connected in {asyncio.get_running_loop().time() - began:.1f} s")
        return broker

    async def _look(self, broker: AbstractBroker, place: _Place) -> None:
        if found := await self._ask("The rules of the instruments could not be read", broker.get_instruments()):
            self._rules([each for each in found if each.symbol in place.symbols])
        if not place.is_feed and (info := await self._ask("The account could not be read", broker.get_account_info())):
            self._account(info)
            if (orders := await self._ask("The open orders could not be read", broker.get_open_orders())) is not None:
                shown = ", ".join(f"{each.side.value} {each.quantity} {each.symbol}" for each in orders[:_SHOWN])
                self._tell(Grade.GOOD, f"Open orders: {len(orders)}{f' ({shown})' if shown else ''}")
        if not broker.capabilities.simulated:
            listed = [each for each in place.symbols if each not in broker.left_out]
            await self._price(broker, (listed or place.symbols)[0])
        for finding in await self._ask("The inspection failed", broker.inspect()) or ():
            self._tell(finding.grade, finding.text, finding.remedy)

    # --- what is found -----------------------------------------------------------------------------

    def _rules(self, found: list[Instrument]) -> None:
        rules = [f"{each.symbol} (tick {each.tick}, lot {each.lot}{_least(each)})" for each in found]
        more = f", and {len(rules) - _SHOWN} more" if len(rules) > _SHOWN else ""
        self._tell(Grade.GOOD, f"Rules of {len(rules)}: {', '.join(rules[:_SHOWN])}{more}")

    def _account(self, info: AccountInfo) -> None:
        money = [f"{_plain(each.total)} {each.currency}" for each in info.balances.values() if each.total]
        held = [f"{_plain(each.quantity)} {each.symbol}" for each in info.positions.values() if each.quantity]
        self._tell(Grade.GOOD, f"Balances: {', '.join(money[:_SHOWN]) or 'none'}")
        self._tell(Grade.GOOD, f"Positions: {', '.join(held[:_SHOWN]) or 'none'}")
        if not money and not held:
            self._tell(Grade.WARNING, "There is no money in this account", "Pay some in, or look whether mode is right")

    async def _price(self, broker: AbstractBroker, symbol: str) -> None:
        if quote := await self._ask(f"There is no price of {symbol}", broker.get_quote(symbol)):
            self._tell(Grade.GOOD, f"{symbol} is {_plain(quote.bid)} / {_plain(quote.ask)}")

    async def _ask(self, otherwise: str, question: Awaitable[T]) -> T | None:
        """The answer; None if there is none, which is told."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await question
        except (BrokerError, TimeoutError) as error:
            self._tell_error(otherwise, error)
            return None

    async def _connect(self, broker: AbstractBroker, otherwise: str) -> bool:
        """Whether it is connected; why not is told."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await broker.connect()
        except (BrokerError, TimeoutError) as error:
            self._tell_error(otherwise, error)
            return False
        return True

    def _tell_error(self, what: str, error: BrokerError | TimeoutError) -> None:
        """An error with what to do about it; that of a wrong setting says so itself."""
        if isinstance(error, ConfigurationError):
            self._tell(Grade.PROBLEM, f"{what}: {in_words(error, self._name)}")
        elif isinstance(error, Rejected):
            self._tell(Grade.PROBLEM, f"{what}: {error.reason}")
        else:
            self._tell(Grade.PROBLEM, f"{what}: {str(error) or 'the venue does not answer'}", self._remedy())

    def _remedy(self) -> str:
        """What to do about a venue that does not answer: a ban is waited for, everything else is looked into."""
        until = self._broker.health.banned_until if self._broker else None
        if until is None:
            return _REACH
        return f"Wait until {until:%H:%M} UTC, and look which other programs use this machine's address: they share it"

    def _tell(self, grade: Grade, text: str, remedy: str = "") -> None:
        self._wrong += grade is Grade.PROBLEM
        end = "" if text.endswith("?") else "."
        self._say(redact(f"  {_MARKS[grade]}  {text}{end}{f' {remedy}.' if remedy else ''}"))

    # --- what is looked at -------------------------------------------------------------------------

    def _build(self, place: _Place, folder: Path, source: TickSource | None) -> AbstractBroker:
        context = BrokerContext(folder, self._clock.now, source, symbols=place.symbols, network=self._network)
        return BrokerFactory(context).build(place.name, place.raw)

    async def _source(self, place: _Place, folder: Path) -> TickSource | None:
        """The market that a simulated account lives on, and a copy of what it remembers; None for a real venue."""
        if not load_adapter(str(place.raw["adapter"])).settings.on_any_market:
            return None
        for path in self._settings.data_dir.glob(f"paper-{place.name}.sqlite3*"):
            shutil.copy2(path, folder)
        market = self._settings.market
        return await self._live_source(market, folder) if market.is_live else _replayed(market)

    async def _live_source(self, market: MarketSettings, folder: Path) -> TickSource:
        """By which rules a live market trades is told by its feeds."""
        source = TickSource((), symbols=market.symbols)
        for each in market.sources:
            raw = self._settings.accounts[each.account].broker if each.account else each.broker
            feed = self._build(_Place(each.name, raw, each.symbols, is_feed=True), folder, None)
            try:
                if await self._connect(feed, f"The feed {each.name} is not connected"):
                    source.learn(await feed.get_instruments())
            finally:
                await feed.disconnect()
        return source


def _replayed(market: MarketSettings) -> TickSource:
    instruments = archive_of(market).instruments()
    return TickSource([instruments[symbol] for symbol in market.symbols])


def _least(instrument: Instrument) -> str:
    if instrument.min_notional:
        return f", worth at least {instrument.min_notional}"
    return f", at least {instrument.min_quantity}" if instrument.min_quantity else ""


def _plain(number: Decimal) -> str:
    shown = f"{number:,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
