"""The one exchange object of an account, and the only way to it: limits, breaker, call, outcome, pulse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from brokers.ccxt.calls import Call
from brokers.ccxt.clock import VenueClock
from brokers.ccxt.decimals import keep_to_itself
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.kept_ban import KeptBan
from brokers.ccxt.limits import URGENT, Limits, Rates
from brokers.ccxt.loading import load_errors, load_exchange_class
from brokers.ccxt.outcomes import clean, names_of, outcome
from brokers.ccxt.pulse import MARKET, Pulse
from brokers.ccxt.session import open_session, ssl_of
from brokers.ccxt.settings import Mode
from brokers.ccxt.wiretap import Trail, last_answer, tap
from brokers.errors import BrokerError, Rejected, Unavailable, Uncertain
from brokers.registry import BrokerContext
from brokers.urgency import is_urgent

log = structlog.get_logger(__name__)
T = TypeVar("T")

PLACE, CANCEL, MODIFY, QUERY, TIMER = "place", "cancel", "modify", "query", "timer"
CONNECT = "connect"  # clock, key and rules: what comes before the venue's time is known
_QUESTIONS = frozenset({QUERY, MARKET})
_QUIET = logging.getLogger(f"{__name__}.quiet")  # at DEBUG ccxt writes each request with its key and signature
_QUIET.setLevel(logging.WARNING)
_URGENT_PATIENCE = 1.0  # seconds that what is urgent waits for the venue's clock


class Client:
    """Owns ccxt's object between `start` and `close`. Everything that talks REST goes through it.

    `change` is for what alters something at the venue: it raises `Rejected`, `Unavailable` or `Uncertain`. `query`
    is for everything else: `Unavailable`, or `Rejected` where that is the answer (no such order, no such symbol).
    """

    def __init__(self, dialect: Dialect[Any], context: BrokerContext, pulse: Pulse) -> None:
        self.dialect = dialect
        self.pulse = pulse
        self._context = context
        self._exchange: Any = None
        self._session: Any = None
        self._limits: Limits | None = None
        self._clock: VenueClock | None = None
        self._measuring = asyncio.Lock()

    @property
    def is_started(self) -> bool:
        """Whether there is an exchange object."""
        return self._exchange is not None

    @property
    def exchange(self) -> Any:
        """Ccxt's object; `Unavailable` while there is none."""
        if self._exchange is None:
            raise Unavailable(f"{self.dialect.venue} is not connected")
        return self._exchange

    @property
    def limits(self) -> Limits | None:
        """The request budget, once started."""
        return self._limits

    @property
    def clock(self) -> VenueClock | None:
        """The venue's clock, once started."""
        return self._clock

    async def start(self) -> None:
        """Make the exchange object; nothing is asked yet."""
        kind = await asyncio.to_thread(load_exchange_class, self.dialect.ccxt_id)
        await asyncio.to_thread(ssl_of, self._context.network)
        self._session = open_session(self._context.network)
        exchange = self._exchange = self._made(kind)
        settings, rates = self.dialect.settings, self.dialect.rates() or Rates.of(exchange)
        self._limits = self._limits or Limits(
            rates,
            reserve=settings.reserve_percent / 100,
            now=self._context.now,
            share=(self.dialect.scope, self._context.network),
            kept=KeptBan(self._context.data_dir / f"banned-{self.dialect.scope.replace(':', '-')}.txt"),
        )
        self._wire(exchange)
        self._clock = VenueClock(exchange)

    def _wire(self, exchange: Any) -> None:
        assert self._limits is not None
        tap(exchange, load_errors().BadResponse)
        self._limits.attach(exchange)

    @contextmanager
    def twin(self) -> Iterator[Any]:
        """A second exchange object on the same session, for what the first one must not have half-done."""
        exchange = self.exchange
        twin = self._made(type(exchange))
        self._wire(twin)
        for clock in ("milliseconds", "microseconds", "seconds"):
            setattr(twin, clock, getattr(exchange, clock))
        try:
            yield twin
        finally:
            twin.session = None  # it is not his

    async def close(self) -> None:
        """Close the exchange object and every connection; what is under way fails."""
        exchange, session = self._exchange, self._session
        self._exchange = self._session = None  # limits stay: a ban goes on while nobody is connected
        if exchange is not None:
            await exchange.close()
        if session is not None:
            await session.close()

    async def change(self, kind: str, call: Call) -> Any:
        """A call that alters something. The answer is ccxt's; one without an order's id is for the caller to judge."""
        return await self._call(kind, call, changing=True)

    async def query(self, kind: str, call: Call) -> Any:
        """A call that alters nothing."""
        return await self._call(kind, call, changing=False)

    async def ask(self, call: Call) -> Any:
        """A `query` of kind QUERY: see `Inquiry`."""
        return await self._call(QUERY, call, changing=False)

    async def synchronise(self) -> None:
        """Measure the venue's clock, if that is due. Raises `Unavailable`."""
        async with self._measuring:
            if self._clock is not None:
                try:
                    await self._clock.tend(lambda: self.query(CONNECT, Call("fetch_time")))
                except ValueError as error:
                    raise Unavailable(f"{self.dialect.venue}: {error}") from None

    async def _date(self, kind: str) -> None:
        """What is signed carries the venue's time, by which is also told which bars are over: a time that the venue has
        just refused, or that our own clock contradicts, is measured anew before anything else.

        One that is only old is measured by the next question, for an order should not wait for that. What is urgent
        waits for a moment only, also for others that measure: then it goes out as it is.
        """
        clock = self._clock
        if kind == CONNECT or clock is None or not clock.is_due or (clock.is_trusted and kind not in _QUESTIONS):
            return
        try:
            async with asyncio.timeout(_URGENT_PATIENCE if kind in URGENT or is_urgent() else None):
                await self.synchronise()
        except (BrokerError, TimeoutError) as error:
            problem = str(error) or "no answer"
            log.warning("the venue's clock cannot be measured", venue=self.dialect.venue, error=problem)

    async def guarded(self, kind: str, work: Callable[[Any], Awaitable[T]], *, changing: bool = False) -> T:
        """`work(exchange)` as one call: for what is more than one method of ccxt."""
        await self._date(kind)
        exchange, limits = self.exchange, self._limits
        assert limits is not None
        self.pulse.permit(kind)
        began = asyncio.get_running_loop().time()
        with Trail() as trail:
            try:
                async with limits.turn(kind):
                    answer = await work(exchange)
                    failed = None
            except asyncio.CancelledError:
                self._leave(kind, began, trail)
                raise
            except Exception as error:  # noqa: BLE001 (ccxt raises anything at all for an answer that it did not expect)
                failed = error
        if failed is None:
            self.pulse.note(kind, asyncio.get_running_loop().time() - began, ok=True)
            return answer
        raise self._failed(kind, failed, trail, began, changing=changing)

    async def _call(self, kind: str, call: Call, *, changing: bool) -> Any:
        async def work(exchange: Any) -> Any:
            answer = await getattr(exchange, call.method)(*call.args)
            if isinstance(answer, list) and not self.dialect.tells_a_list(last_answer()):
                raise Unavailable(f"{self.dialect.venue} answers {call.method} with something else than a list")
            return answer

        return await self.guarded(kind, work, changing=changing)

    def _leave(self, kind: str, began: float, trail: Trail) -> None:
        """Whoever called does not want the answer any more."""
        if trail.answer.sent:
            self.pulse.note(kind, asyncio.get_running_loop().time() - began, ok=bool(trail.answer.status))
        else:
            self.pulse.withdraw(kind)

    def _failed(self, kind: str, error: Exception, trail: Trail, began: float, *, changing: bool) -> BrokerError:
        """The outcome of an error; the pulse and the helpers that need to know are told."""
        answer, names = trail.answer, names_of(error)
        found = outcome(error, answer=answer, changing=changing, dialect=self.dialect)
        if "InvalidNonce" in names and self.dialect.dated and self._clock is not None:
            self._clock.distrust()
        if "RateLimitExceeded" in names and answer.status not in (418, 429) and self._limits is not None:
            self._limits.refused(answer.status, answer.body)
        if (not answer.sent and not isinstance(found, Unavailable)) or (
            not answer.sent and isinstance(error, BrokerError)
        ):
            self.pulse.withdraw(kind)
        else:
            answered = 0 < answer.status < 500 and not answer.garbled
            told = "" if isinstance(found, Rejected) else str(found)
            self.pulse.note(kind, asyncio.get_running_loop().time() - began, ok=answered, error=told)
        if isinstance(found, Uncertain) and "BaseError" not in names:
            log.error("ccxt met an answer that it did not expect", venue=self.dialect.venue, error=clean(repr(error)))
        return found

    def _made(self, kind: type[Any]) -> Any:
        """One exchange object: our session and certificates, no retries, strings for numbers."""
        dialect, settings = self.dialect, self.dialect.settings
        options = {"maxRetriesOnFailure": 0, "warnOnFetchOpenOrdersWithoutSymbol": False, **dialect.options}
        exchange = kind(
            {
                **dialect.credentials,
                "session": self._session,
                "timeout": settings.timeout_seconds * 1000,
                "enableRateLimit": True,
                "options": options,
            }
        )
        exchange.number = str
        exchange.logger = _QUIET
        keep_to_itself(exchange)
        exchange.has = {**exchange.has, "fetchCurrencies": dialect.needs_currencies}
        exchange.ssl_context = ssl_of(self._context.network)
        exchange.timeout_on_exit = 0
        exchange.aiohttp_trust_env = False
        if settings.mode is not Mode.LIVE:
            dialect.enter_mode(exchange)
        return exchange
