"""What a person may look at: frozen views that the service hands out and screens render.

Money is `Decimal` in `currency`; times are aware UTC; fractions are plain numbers (0.05 is 5 %).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from brokers.health import Health
from brokers.market import Bar
from brokers.order import OrderType, Side
from core.alerts.channel import Message, Standing
from core.analytics.summary import Performance
from risk.view import TradingState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a long list; `number` counts from 1, `total` counts all rows."""

    rows: tuple[T, ...]
    number: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.size))


class StrategyStatus(StrEnum):
    """What a strategy is doing. PAUSED opens nothing new but keeps its positions and may reduce them."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One strategy in a list."""

    name: str
    kind: str
    symbols: tuple[str, ...]
    status: StrategyStatus
    exposure: float
    pnl: Decimal | None
    currency: str
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class StrategyCard:
    """All about one strategy."""

    row: StrategyRow
    title: str
    summary: str
    parameters: Mapping[str, str]
    parameter_help: Mapping[str, str]
    sizing: str
    account: str
    running_since: datetime | None
    bars_seen: int
    signals: int
    last_signal: str
    last_signal_at: datetime | None
    error: str
    restarts: int
    realised: Decimal | None
    unrealised: Decimal | None
    fees: Decimal | None
    positions: tuple[PositionRow, ...]
    open_orders: int
    held_back: str = ""  # why it opens nothing although it runs: trading is halted, for example


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A holding: of the account when `strategy` is empty, else the virtual one of that strategy."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    mark: Decimal | None
    value: Decimal | None
    unrealised: Decimal | None
    strategy: str
    currency: str
    by_strategy: Mapping[str, Decimal]
    exits: tuple[ExitRow, ...] = ()
    account: str = ""  # where there are several
    is_dust: bool = False  # less than can be sold


@dataclass(frozen=True, slots=True)
class ExitRow:
    """How one strategy's position is protected; prices are None where there is none (yet).

    `wanted` is what was asked for, in words; `holder` says who acts: venue, engine, both, or nobody while halted.
    """

    strategy: str
    stop: Decimal | None
    target: Decimal | None
    wanted: str
    holder: str
    closing: bool


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order of ours; `state` is a word of `core.trading.states.OrderState`."""

    client_order_id: str
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    state: str
    is_open: bool
    strategies: tuple[str, ...]
    reason: str
    at: datetime
    trail: Decimal | None = None
    trail_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One step in the life of an order, with what was noted then; `at` is wall time."""

    before: str
    after: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderFill:
    """One execution of an order; `status` is booked, replaced or busted."""

    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    status: str
    at: datetime
    fee_currency: str = "USD"


@dataclass(frozen=True, slots=True)
class OrderCard:
    """An order with its whole history.

    `in_doubt`: the venue has not said whether it has it, and a person may look again or decide. `next_step` says what
    the program does about it by itself, empty when there is nothing to do. `watch_until`: it is presumed not placed,
    and looked for until then.
    """

    row: OrderRow
    venue_order_id: str
    role: str
    origin: str
    note: str
    in_doubt: bool
    next_step: str
    watch_until: datetime | None
    steps: tuple[OrderStep, ...]
    fills: tuple[OrderFill, ...]


@dataclass(frozen=True, slots=True)
class FillRow:
    """One execution."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    currency: str
    strategies: tuple[str, ...]
    at: datetime
    account: str = ""  # where there are several
    fee_currency: str = ""  # if it is another than `currency`


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """Money of one currency by our ledger, and by the venue's own word (None while unreachable)."""

    account: str
    currency: str
    cash: Decimal
    venue_total: Decimal | None
    venue_free: Decimal | None


@dataclass(frozen=True, slots=True)
class PnlRow:
    """Profit and loss of one strategy, or of all when `strategy` is "total"; None is unknown, not zero.

    `income` is funding, interest, dividends and the like, below zero where we paid.
    """

    strategy: str
    realised: Decimal | None
    unrealised: Decimal | None
    fees: Decimal | None
    income: Decimal | None = Decimal(0)

    @property
    def net(self) -> Decimal | None:
        """Realised plus unrealised plus income minus fees."""
        if self.realised is None or self.unrealised is None or self.fees is None or self.income is None:
            return None
        return self.realised + self.unrealised + self.income - self.fees


@dataclass(frozen=True, slots=True)
class PnlView:
    """Profit and loss of the account: today (since the day's start), and by strategy since the start or the
    beginning of a period.
    """

    currency: str
    today: Decimal | None
    today_fraction: float | None
    day_start_equity: Decimal
    total: PnlRow
    strategies: tuple[PnlRow, ...]
    at: datetime
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The trading state of one scope and why."""

    scope: str
    state: TradingState
    reason: str
    by: str
    since: datetime


@dataclass(frozen=True, slots=True)
class KillView:
    """A halt whose venue has not said yet that nothing is open; `tries` 0: the first sweep is under way."""

    account: str
    strategy: str  # empty: the whole account
    since: datetime
    tries: int
    reason: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResumeView:
    """What a resume would lift, the token that binds a yes to it, what would hold trading back all the same, and where
    orders may still be open.
    """

    scope: str
    lifts: tuple[ScopeState, ...]
    token: str
    stays: tuple[ScopeState, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveView:
    """An account with real money, and what a yes to it would let trade; `token` binds the yes to that."""

    account: str
    broker: str
    identity: str
    token: str
    waits: bool
    currency: str
    equity: Decimal | None
    positions: int
    strategies: tuple[str, ...]
    state: TradingState


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen: how are we doing, is everything all right?

    Of one account; or of all, each in `accounts`: then states and counts are those of all, and money is the sum if they
    are kept in one currency. If not, `currency` is empty and there is no sum.
    """

    account: str
    simulated: bool
    currency: str
    state: TradingState
    state_reason: str
    equity: Decimal | None
    cash: Decimal
    today: Decimal | None
    today_fraction: float | None
    drawdown_fraction: float | None
    gross_fraction: float | None
    running: int
    paused: int
    stopped: int
    failed: int
    positions: int
    open_orders: int
    uncertain_orders: int
    pending_alerts: int
    market_time: datetime
    wall_time: datetime
    connected: bool
    feed: str  # a sentence: "replaying 2000-09-29 at 4 bars/s"
    measured_since: datetime | None = None  # losses are measured from the last resume, if there was one
    restricted: tuple[str, ...] = ()  # instruments that may only be reduced
    accounts: tuple[Overview, ...] = ()
    mode: str = ""  # live, testnet, demo or paper; of several the gravest
    troubles: tuple[str, ...] = ()  # why venues take no orders now, though they are connected


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit and how much of it is used; `fraction` is None when it cannot be said."""

    code: str
    title: str
    value: str
    limit: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class LimitEdit:
    """What a change of a limit would do. `token` is the value that it has now, exactly."""

    account: str
    title: str
    before: str
    after: str
    token: str
    changes: bool
    loosens: bool


@dataclass(frozen=True, slots=True)
class LimitSet:
    """A limit that a person has set in place of what the settings say."""

    account: str
    title: str
    value: str
    replaces: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RiskScreenView:
    """State by scope, the baselines, and every limit with its use."""

    state: TradingState
    scopes: tuple[ScopeState, ...]
    equity: Decimal | None
    day_start_equity: Decimal
    peak_equity: Decimal
    currency: str
    usage: tuple[LimitRow, ...]
    limits: Mapping[str, str]
    rules: Mapping[str, str]
    measured_since: datetime | None = None
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity (or a strategy's net P&L) at one moment of market time."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """Figures and the series for the picture. `subject` is "account" or a strategy's name, `account` is told where
    there are several.
    """

    subject: str
    currency: str
    simulated: bool
    performance: Performance
    series: tuple[EquityPoint, ...]
    events: tuple[tuple[datetime, str], ...]  # halts and breaches, for marks in the picture
    account: str = ""


@dataclass(frozen=True, slots=True)
class CandlesView:
    """The newest bars of one symbol, oldest first, with our executions in their time.

    `average_price` is what the net position cost by unit, None when flat; `stops` and `targets` are the levels of now.
    """

    symbol: str
    currency: str
    simulated: bool
    bars: tuple[Bar, ...]
    fills: tuple[FillRow, ...]
    quantity: Decimal
    average_price: Decimal | None
    stops: tuple[Decimal, ...] = ()
    targets: tuple[Decimal, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class ExposureView:
    """What is invested, signed, in money of the account: by symbol (net), by strategy (gross of each).

    `gross` adds sizes, `net` adds signs; None while a price or a rate is unknown.
    """

    currency: str
    simulated: bool
    equity: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    by_symbol: Mapping[str, Decimal]
    by_strategy: Mapping[str, Decimal]
    unpriced: tuple[str, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert and how far it has got; `severity` is INFO, WARNING or CRITICAL."""

    id: int
    severity: str
    title: str
    body: str
    at: datetime
    delivered: int
    waiting: int
    account: str = ""
    strategy: str = ""
    standing: Standing | None = None  # how a CRITICAL one stands
    repeats: int = 0
    muted: int | None = None  # the mute or maintenance window that kept it back


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery of an alert: to whom, over what, and how it went. `told` are its status and note in words."""

    person: str
    channel: str
    step: int
    told: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertCard:
    """One alert in full. `message` is what was sent; `next_at` is when it is repeated or comes back, if it is."""

    row: AlertRow
    message: Message
    body: str
    deliveries: tuple[DeliveryLine, ...]
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Muting:
    """What keeps alerts back: `what` in words, `kept` how many so far by kind."""

    id: int
    is_window: bool
    what: str
    reason: str
    owner: str
    begun_at: datetime
    ends_at: datetime
    kept: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class JobRow:
    """One scheduled job: what it does, when it ran and runs next, how the last run ended.

    `usual` is the program's own schedule where somebody (`changed_by`) has given it another. `added_by` names who
    added it. `guards`: safety depends on it. `interval`: it runs so many seconds apart, not at a time of day.
    """

    name: str
    title: str
    schedule: str
    enabled: bool
    next_at: datetime | None
    last_at: datetime | None
    last_outcome: str
    usual: str = ""
    changed_by: str = ""
    added_by: str = ""
    guards: bool = False
    interval: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit trail."""

    seq: int
    at: datetime
    actor: str
    action: str
    detail: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One part of the program: is it well, and a figure or sentence to show why."""

    part: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class BrokerView:
    """One connection to a venue: an account's, or one that only brings prices (`is_feed`).

    `mode` is live, testnet, demo or paper; `problem` why it is not connected, as far as that is known; `standby` says
    who stands by for the account, and who trades away from home.
    """

    name: str
    adapter: str
    mode: str
    is_feed: bool
    is_live: bool
    connected: bool
    health: Health
    problem: str = ""
    standby: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AwayRow:
    """A strategy that trades in the standby of its own account (`home`) since `at`."""

    strategy: str
    home: str
    account: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FailbackView:
    """Who would come back from a standby; `token` binds the yes to that."""

    rows: tuple[AwayRow, ...]
    token: str


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """What the venue has otherwise than the books: units of a symbol, or money (`is_cash`).

    `value` is that of the difference in the account's currency, None while nobody knows it. `is_exposure`: of futures,
    whose value is no money that anybody has.
    """

    what: str
    is_cash: bool
    ours: Decimal
    theirs: Decimal
    value: Decimal | None
    is_exposure: bool = False


@dataclass(frozen=True, slots=True)
class UnitsMoved:
    """Whose units an adjustment takes (below zero for a long position), or who gets them; `price` is that of one."""

    symbol: str
    holder: str
    units: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class AdjustView:
    """A difference between the books of an account and its venue, and what booking it would do; `token` binds the yes.

    `worth` is by how much equity would change; `unpriced` is not in it. `others` could give missing units in place of
    those who would. Without `rows` nothing differs. `presumed` orders were given up and may be the reason.
    """

    account: str
    currency: str
    mode: str
    rows: tuple[DifferenceRow, ...] = ()
    moves: tuple[UnitsMoved, ...] = ()
    others: tuple[str, ...] = ()
    worth: Decimal = Decimal(0)
    unpriced: tuple[str, ...] = ()
    presumed: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What became of a confirmed adjustment; `view` is the difference as it is now, if that is not what was shown."""

    result: ActionResult
    view: AdjustView | None = None


@dataclass(frozen=True, slots=True)
class FlattenPreview:
    """What flattening would do, for the confirmation."""

    scope: str
    orders: tuple[tuple[str, Decimal, Decimal | None], ...]  # symbol, signed quantity to trade, value
    currency: str
    obstacles: tuple[str, ...] = ()  # what cannot be closed now, and why


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an action did: `ok`, one clear sentence, and a line for each part of it."""

    ok: bool
    message: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody who may use the bot; `changed_by` is empty if all comes from the settings."""

    id: int
    name: str
    role: str
    trust: str
    time_zone: str
    changed_by: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A one-time code for somebody: show it to nobody else."""

    name: str
    trust: str
    code: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report over a period: the figures, its P&L by strategy, activity, and the rows of the CSV file.

    In `pnl` the unrealised is by how much what is open has changed in the period.
    """

    title: str
    period: str
    performance: PerformanceView
    pnl: PnlView
    fills: int
    orders: int
    denials: int
    halts: int
    csv_name: str
    csv: bytes
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class LimitChange:
    """How much of one limit is used before and after an order; fractions are 1 at the limit, None: unknown."""

    title: str
    limit: str
    before: str
    after: str
    fraction_before: float | None
    fraction_after: float | None


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order by hand would be, cost and do, at this moment; None is unknown. Nothing was sent.

    `words` are the exact order in units, as the confirmation carries it, `seen` what it was shown on: the press is
    compared with it. Positions are of `owner` (`manual`, or the strategy whose position is closed) and of the account.
    `basis` says what the price rests on: book, shallow, quote, own or nothing. `slippage_bps` is against the mid.
    Money is in `currency`, prices in the instrument's own.
    """

    verb: str
    words: tuple[str, ...]
    seen: str
    account: str
    simulated: bool
    owner: str
    side: Side
    symbol: str
    quantity: Decimal
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail: Decimal | None
    trail_percent: Decimal | None
    time_in_force: str
    expires_at: datetime | None
    post_only: bool
    reduce_only: bool
    exits: str
    bid: Decimal | None
    ask: Decimal | None
    quote_age: float | None  # seconds
    basis: str
    price: Decimal | None
    worst_price: Decimal | None
    slippage_bps: Decimal | None
    shown: Decimal | None
    price_currency: str
    value: Decimal | None
    slippage_cost: Decimal | None
    fee: Decimal | None
    currency: str
    held: Decimal
    held_after: Decimal
    account_held: Decimal
    account_after: Decimal
    equity: Decimal | None
    gross: tuple[Decimal | None, Decimal | None]
    net: tuple[Decimal | None, Decimal | None]
    leverage: tuple[Decimal | None, Decimal | None]
    limits: tuple[LimitChange, ...]
    state: TradingState
    connected: bool
    code: str  # the gate's objection; empty: it would pass
    objection: str
    largest: Decimal
    largest_words: tuple[str, ...]
    notes: tuple[str, ...]
    changed: str = ""  # what is other than it was shown, when a confirmation came too late for it
    mode: str = ""  # live, testnet, demo or paper


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a confirmed order: its id if it was placed, or the preview to look at again."""

    order: str = ""
    preview: OrderPreview | None = None


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """An open order by hand before and after a change, and the gate's objection (empty: it would pass)."""

    order: str
    account: str
    what: str
    before: str
    after: str
    code: str
    objection: str


@dataclass(frozen=True, slots=True)
class CancelPreview:
    """The open orders that a cancel means: (id, in words)."""

    what: str
    orders: tuple[tuple[str, str], ...]
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExitsView:
    """How one position is protected, and what it is measured by."""

    account: str
    strategy: str
    symbol: str
    quantity: Decimal
    entry: Decimal
    price: Decimal | None
    exits: ExitRow | None


@dataclass(frozen=True, slots=True)
class Tradable:
    """A symbol that can be traded by hand, and what is held of it, by holder."""

    symbol: str
    price: Decimal | None
    lot: Decimal
    tick: Decimal
    held: Mapping[str, Decimal]
    accounts: tuple[str, ...]
