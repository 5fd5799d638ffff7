"""The settings of a simulated venue, as a person writes them: percentages, basis points, milliseconds, hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from brokers.money import ZERO
from brokers.order import OrderType, TimeInForce
from brokers.registry import AdapterSettings
from brokers.simulation.depth import Depth
from brokers.simulation.fees import Fees, FeeTier, PayIn
from brokers.simulation.latency import Latency
from brokers.simulation.margin import Bracket, Margin, MarginRule
from brokers.simulation.sessions import Sessions
from brokers.simulation.slippage import BPS, Impact, Slippage, SlippageModel
from brokers.simulation.terms import (
    FillMode,
    Funding,
    Interest,
    OtherCash,
    QueueModel,
    SelfTrade,
    Terms,
    VenueLimits,
)

PERCENT = Decimal(100)
_CURRENCY = r"^[A-Z0-9]{2,10}$"

NonNegative = Annotated[Decimal, Field(ge=0)]
Positive = Annotated[Decimal, Field(gt=0)]
Rate = Annotated[Decimal, Field(gt=-10_000, lt=10_000)]
Currency = Annotated[str, Field(pattern=_CURRENCY)]


def _at_least_a_minute(hours: Decimal) -> Decimal:
    if hours * 60 < 1:
        raise ValueError("must be a minute or more")
    return hours


class SlippageSettings(AdapterSettings):
    """How much worse than the displayed price a taker gets."""

    model: SlippageModel = SlippageModel.PERCENT
    value: NonNegative = Decimal(1)
    daily_volatility_percent: Positive = Decimal(2)
    daily_volume: Positive | None = None

    def read(self) -> Slippage:
        """In the engine's words."""
        return Slippage(self.model, self.value, Impact(self.daily_volatility_percent / PERCENT, self.daily_volume))


class DepthSettings(AdapterSettings):
    """The synthetic order book, where the market gives none."""

    levels: int = Field(10, ge=1, le=100)
    step_ticks: int = Field(1, ge=1, le=10_000)
    level_percent: Decimal = Field(Decimal(1), gt=0, le=100)

    def read(self) -> Depth:
        """In the engine's words."""
        return Depth(self.levels, self.step_ticks, self.level_percent / PERCENT)


class FeeTierSettings(AdapterSettings):
    """The rates from a value traded in 30 days upwards."""

    volume: Positive
    maker_bps: Rate
    taker_bps: Rate


class PayInSettings(AdapterSettings):
    """Fees in a currency of the venue's own."""

    currency: Currency
    symbol: str
    discount_percent: Decimal = Field(ZERO, ge=0, lt=100)

    def read(self) -> PayIn:
        """In the engine's words."""
        return PayIn(self.currency, self.symbol, self.discount_percent / PERCENT)


class FeeSettings(AdapterSettings):
    """What trading costs."""

    maker_bps: Rate = Decimal(1)
    taker_bps: Rate = Decimal(1)
    minimum: NonNegative = ZERO
    per_unit: NonNegative = ZERO
    maximum_percent: Positive | None = None
    tiers: tuple[FeeTierSettings, ...] = ()
    pay_in: PayInSettings | None = None

    def read(self) -> Fees:
        """In the engine's words."""
        pay_in = self.pay_in
        return Fees(
            maker=self.maker_bps / BPS,
            taker=self.taker_bps / BPS,
            minimum=self.minimum,
            per_unit=self.per_unit,
            maximum=None if self.maximum_percent is None else self.maximum_percent / PERCENT,
            tiers=tuple(FeeTier(each.volume, each.maker_bps / BPS, each.taker_bps / BPS) for each in self.tiers),
            pay_in=None if pay_in is None else pay_in.read(),
        )


class DelaySettings(AdapterSettings):
    """Milliseconds that other messages than new orders need, and how much longer any may take."""

    cancel_ms: int = Field(0, ge=0, le=60_000)
    modify_ms: int = Field(0, ge=0, le=60_000)
    jitter_ms: int = Field(0, ge=0, le=60_000)
    seed: int = 0


class BracketSettings(AdapterSettings):
    """The maintenance margin of the notional above a bound."""

    notional: NonNegative
    maintenance_percent: Positive


class MarginRuleSettings(AdapterSettings):
    """What positions need, in percent of their value."""

    initial_percent: Decimal | None = Field(None, gt=0, le=100)
    maintenance_percent: Decimal | None = Field(None, ge=0, le=100)
    brackets: tuple[BracketSettings, ...] = ()

    @field_validator("brackets")
    @classmethod
    def _ascend(cls, brackets: tuple[BracketSettings, ...]) -> tuple[BracketSettings, ...]:
        starts = [bracket.notional for bracket in brackets]
        if brackets and (starts[0] != 0 or any(low >= high for low, high in pairwise(starts))):
            raise ValueError("brackets must begin at notional 0 and ascend")
        return brackets

    def rule(self) -> MarginRule:
        """In the engine's words."""
        brackets = (Bracket(each.notional, each.maintenance_percent / PERCENT) for each in self.brackets)
        return MarginRule(_fraction(self.initial_percent), _fraction(self.maintenance_percent), tuple(brackets))


class MarginSettings(MarginRuleSettings):
    """The rule of all instruments, others by symbol, and how the venue enforces them."""

    by_symbol: Mapping[str, MarginRuleSettings] = Field(default_factory=dict)
    call_percent: Decimal = Field(Decimal(125), ge=100)
    liquidation_fee_bps: NonNegative = ZERO

    def read(self) -> Margin:
        """In the engine's words."""
        return Margin(
            base=self.rule(),
            by_symbol={symbol: each.rule() for symbol, each in self.by_symbol.items()},
            call=self.call_percent / PERCENT,
            liquidation_fee=self.liquidation_fee_bps / BPS,
        )


class FundingSettings(AdapterSettings):
    """What longs pay shorts of one perpetual future; a negative rate goes the other way."""

    rate_bps: Rate
    every_hours: Annotated[Decimal, Field(gt=0, le=168), AfterValidator(_at_least_a_minute)] = Decimal(8)

    def read(self) -> Funding:
        """In the engine's words."""
        return Funding(self.rate_bps / BPS, timedelta(seconds=int(self.every_hours * 3600)))


class InterestSettings(AdapterSettings):
    """Percent a year, charged every midnight UTC."""

    cash_percent: NonNegative = ZERO
    short_percent: NonNegative = ZERO


class OtherCashSettings(AdapterSettings):
    """Another currency of the account."""

    amount: NonNegative = ZERO
    rate: Positive = Decimal(1)
    symbol: str = ""


class SessionSettings(AdapterSettings):
    """When the venue is open: hours by weekday (`mon: ["09:30-16:00"]`) in a zone, and days without trading."""

    timezone: str = "UTC"
    hours: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    holidays: frozenset[date] = frozenset()

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is no time zone that this machine knows, like Europe/Berlin") from error
        return name

    @field_validator("hours")
    @classmethod
    def _readable(cls, hours: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        _read_hours(hours)
        return hours

    def read(self) -> Sessions:
        """In the engine's words."""
        return Sessions(ZoneInfo(self.timezone), _read_hours(self.hours), self.holidays)


class LimitSettings(AdapterSettings):
    """What the venue refuses besides an instrument's own steps."""

    max_quantity: Positive | None = None
    max_notional: Positive | None = None
    max_open_orders: int | None = Field(None, ge=1)
    price_band_percent: Positive | None = None

    def read(self) -> VenueLimits:
        """In the engine's words."""
        band = _fraction(self.price_band_percent)
        return VenueLimits(self.max_quantity, self.max_notional, self.max_open_orders, band)


class VenueSettings(AdapterSettings):
    """A whole simulated venue. All of it is optional."""

    initial_cash: Decimal = Field(Decimal(100_000), gt=0)
    currency: Currency = "USD"
    other_cash: Mapping[Currency, OtherCashSettings] = Field(default_factory=dict)
    slippage: SlippageSettings = SlippageSettings()
    depth: DepthSettings = DepthSettings()
    fees: FeeSettings = FeeSettings()
    leverage: Decimal = Field(Decimal(1), ge=1, le=1000)
    shorting: bool = False
    margin: MarginSettings = MarginSettings()
    funding: Mapping[str, FundingSettings] = Field(default_factory=dict)
    interest: InterestSettings = InterestSettings()
    max_participation: Decimal = Field(Decimal("0.1"), gt=0, le=1)
    queue: QueueModel = QueueModel.THROUGH
    self_trade: SelfTrade = SelfTrade.CANCEL_NEWEST
    fill_mode: FillMode = FillMode.PATH
    latency_ms: int = Field(100, ge=0, le=60_000)
    delays: DelaySettings = DelaySettings()
    sessions: SessionSettings = SessionSettings()
    limits: LimitSettings = LimitSettings()
    order_types: frozenset[OrderType] = frozenset(OrderType)
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)

    @model_validator(mode="after")
    def _own_currency_exists(self) -> VenueSettings:
        pay_in = self.fees.pay_in
        if pay_in is not None and pay_in.currency not in self.other_cash:
            raise ValueError(f"fees.pay_in: the account has no {pay_in.currency}; add it to other_cash")
        if self.currency in self.other_cash:
            raise ValueError(f"other_cash: {self.currency} is the account's own currency")
        return self

    def terms(self) -> Terms:
        """The same in the engine's words."""
        return Terms(
            currency=self.currency,
            initial_cash=self.initial_cash,
            other_cash={name: OtherCash(**dict(each)) for name, each in self.other_cash.items()},
            fees=self.fees.read(),
            slippage=self.slippage.read(),
            depth=self.depth.read(),
            queue=self.queue,
            self_trade=self.self_trade,
            leverage=self.leverage,
            margin=self.margin.read(),
            funding={symbol: each.read() for symbol, each in self.funding.items()},
            interest=Interest(self.interest.cash_percent / PERCENT, self.interest.short_percent / PERCENT),
            shorting=self.shorting,
            max_participation=self.max_participation,
            latency=self._latency(),
            sessions=self.sessions.read(),
            fill_mode=self.fill_mode,
            limits=self.limits.read(),
            order_types=self.order_types,
            times_in_force=self.times_in_force,
        )

    def _latency(self) -> Latency:
        delays = self.delays
        return Latency(
            place=_milliseconds(self.latency_ms),
            cancel=_milliseconds(delays.cancel_ms),
            modify=_milliseconds(delays.modify_ms),
            jitter=_milliseconds(delays.jitter_ms),
            seed=delays.seed,
        )


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _read_hours(hours: Mapping[str, tuple[str, ...]]) -> dict[int, tuple[tuple[time, time], ...]]:
    unknown = set(hours) - set(_DAYS)
    if unknown:
        raise ValueError(f"{min(unknown)!r} is no weekday; known: {', '.join(_DAYS)}")
    return {_DAYS.index(day): tuple(_span(text) for text in spans) for day, spans in hours.items()}


def _span(text: str) -> tuple[time, time]:
    """`09:30-16:00` as two times; `24:00` is the end of the day."""
    start, _, end = text.partition("-")
    try:
        first = time.fromisoformat(start.strip())
        last = time.max if end.strip() == "24:00" else time.fromisoformat(end.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no span of hours like 09:30-16:00") from error
    if first >= last:
        raise ValueError(f"{text!r} ends before it begins; hours over midnight belong to two days")
    return first, last


def _milliseconds(number: int) -> timedelta:
    return timedelta(milliseconds=number)


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / PERCENT
