"""The tables. Rows of `OrderEvent`, `Fill`, `Ledger*` and `AuditLine` are only ever added."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model as AnyModel
from tortoise.models import ModelMeta

from core.store.fields import exact_decimal

_NAME = 64


class _Silent(ModelMeta):
    """The ORM looks for no `#:` comments: it would parse this whole file for each table, half a second a start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> ModelMeta:
        return super().__new__(cls, name, bases, {**attrs, "_no_comments": True})


class Model(AnyModel, metaclass=_Silent):
    """What every table is."""

    class Meta:
        abstract = True


class OrderRow(Model):
    """One order of ours, written before it is sent. at is market time, recorded_at wall time."""

    client_order_id = fields.CharField(max_length=32, primary_key=True)
    account = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    side = fields.CharField(max_length=4)
    quantity: Decimal = exact_decimal()
    filled: Decimal = exact_decimal()
    type = fields.CharField(max_length=20)
    limit_price: Decimal | None = exact_decimal(null=True)
    stop_price: Decimal | None = exact_decimal(null=True)
    time_in_force = fields.CharField(max_length=8)
    reduce_only = fields.BooleanField()
    origin = fields.CharField(max_length=16)
    allocations: dict[str, str] = fields.JSONField()
    strategies = fields.CharField(max_length=500)
    state = fields.CharField(max_length=20)
    is_open = fields.BooleanField()
    venue_order_id = fields.CharField(max_length=80, default="")
    reason = fields.TextField()
    note = fields.TextField(default="")
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    post_only = fields.BooleanField(db_default=False)
    trail: Decimal | None = exact_decimal(null=True)
    trail_percent: Decimal | None = exact_decimal(null=True)
    expires_at = fields.DatetimeField(null=True)
    oco_group = fields.CharField(max_length=_NAME, db_default="")
    role = fields.CharField(max_length=40, db_default="")  # what it is for: an exit of the protective engine, say
    give_up_at = fields.DatetimeField(null=True)  # market time at which we cancel what has not filled
    wanted = fields.CharField(max_length=300, db_default="")  # a change that the venue has not confirmed
    watch_until = fields.DatetimeField(null=True)  # wall time until which a presumed absence is doubted

    class Meta:
        table = "orders"
        indexes = [  # noqa: RUF012
            Index(fields=("is_open", "account")),
            Index(fields=("at",)),
            Index(fields=("watch_until",)),
            Index(fields=("venue_order_id",)),
        ]


class OrderStrategyRow(Model):
    """One strategy that an order is for, so that its orders are found without reading all."""

    id = fields.BigIntField(primary_key=True)
    client_order_id = fields.CharField(max_length=32)
    strategy = fields.CharField(max_length=_NAME)
    at = fields.DatetimeField()

    class Meta:
        table = "order_strategies"
        unique_together = (("client_order_id", "strategy"),)
        indexes = [Index(fields=("strategy", "at"))]  # noqa: RUF012


class OrderEvent(Model):
    """One step in the life of an order."""

    id = fields.BigIntField(primary_key=True)
    client_order_id = fields.CharField(max_length=32, db_index=True)
    before = fields.CharField(max_length=20)
    after = fields.CharField(max_length=20)
    note = fields.TextField()
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()

    class Meta:
        table = "order_events"


class FillRow(Model):
    """One execution, once: (account, symbol, fill_id) is unique. Only status and replaced_by ever change.

    status is booked, replaced (the venue has corrected it, see replaced_by) or busted (declared void).
    client_order_id is empty for an execution that was not ours.
    """

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=_NAME)
    fill_id = fields.CharField(max_length=120)
    client_order_id = fields.CharField(max_length=32, db_index=True)
    symbol = fields.CharField(max_length=_NAME)
    side = fields.CharField(max_length=4)
    quantity: Decimal = exact_decimal()
    price: Decimal = exact_decimal()
    fee: Decimal | None = exact_decimal(null=True)
    fee_currency = fields.CharField(max_length=12)
    currency = fields.CharField(max_length=12)
    liquidity = fields.CharField(max_length=8)
    strategies = fields.CharField(max_length=500)
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    status = fields.CharField(max_length=10, db_default="booked")
    corrects = fields.CharField(max_length=120, db_default="")
    replaced_by = fields.CharField(max_length=120, db_default="")
    venue_order_id = fields.CharField(max_length=80, db_default="")

    class Meta:
        table = "fills"
        unique_together = (("account", "symbol", "fill_id"),)
        indexes = [Index(fields=("at",)), Index(fields=("symbol", "at"))]  # noqa: RUF012


class AllocationRow(Model):
    """The signed part of a fill that one strategy got, at the fill's price, with its share of the fee.

    A fee may be paid out of a holding: then fee is what it was worth, fee_paid what the venue took for this part, in
    its own unit, and spent what this holding gave for it. quantity is without what was spent.
    """

    id = fields.BigIntField(primary_key=True)
    fill_ref = fields.CharField(max_length=200)
    account = fields.CharField(max_length=_NAME)
    strategy = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    quantity: Decimal = exact_decimal()
    price: Decimal = exact_decimal()
    fee: Decimal = exact_decimal()
    at = fields.DatetimeField()
    multiplier: Decimal | None = exact_decimal(null=True)  # rows of before 0002 have the instrument's
    fee_currency = fields.CharField(max_length=12, db_default="")  # the same
    replaced_by = fields.CharField(max_length=200, db_default="")  # a correction or a bust counts instead
    place = fields.BigIntField(null=True)  # the id of the row whose place it has among trades of the same time
    fee_paid: Decimal | None = exact_decimal(null=True)
    spent: Decimal | None = exact_decimal(null=True)

    class Meta:
        table = "allocations"
        unique_together = (("fill_ref", "strategy"),)
        indexes = [Index(fields=("strategy", "id")), Index(fields=("at",)), Index(fields=("symbol", "at"))]  # noqa: RUF012


class LedgerTransaction(Model):
    """One balanced posting, ref is unique, so recording a thing twice does nothing."""

    id = fields.BigIntField(primary_key=True)
    ref = fields.CharField(max_length=200, unique=True)
    kind = fields.CharField(max_length=20)
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    corrects = fields.CharField(max_length=200, db_default="")

    class Meta:
        table = "ledger_transactions"
        indexes = [Index(fields=("at",))]  # noqa: RUF012


class LedgerEntry(Model):
    """One side of a posting: amount of unit into account, the entries of a posting sum to zero by unit."""

    id = fields.BigIntField(primary_key=True)
    transaction_id = fields.BigIntField(db_index=True)
    account = fields.CharField(max_length=200)
    unit = fields.CharField(max_length=_NAME)
    amount: Decimal = exact_decimal()

    class Meta:
        table = "ledger_entries"


class LedgerBalance(Model):
    """The sum of all entries of one account and unit, kept in the transaction that adds them."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=200)
    unit = fields.CharField(max_length=_NAME)
    amount: Decimal = exact_decimal()

    class Meta:
        table = "ledger_balances"
        unique_together = (("account", "unit"),)


class FxRateRow(Model):
    """The rate by which equity at a moment was converted: one unit of base is worth rate units of quote."""

    id = fields.BigIntField(primary_key=True)
    base = fields.CharField(max_length=12)
    quote = fields.CharField(max_length=12)
    rate: Decimal = exact_decimal()
    at = fields.DatetimeField()
    source = fields.CharField(max_length=_NAME)

    class Meta:
        table = "fx_rates"
        unique_together = (("base", "quote", "at"),)


class StrategyRow(Model):
    """What a strategy is asked to do and how it stands, its definition stays in the settings."""

    name = fields.CharField(max_length=_NAME, primary_key=True)
    status = fields.CharField(max_length=12)
    exposures: dict[str, float] = fields.JSONField()
    last_bars: dict[str, str] = fields.JSONField()
    running_since = fields.DatetimeField(null=True)
    bars_seen = fields.BigIntField(default=0)
    signals = fields.BigIntField(default=0)
    last_signal = fields.TextField(default="")
    last_signal_at = fields.DatetimeField(null=True)
    error = fields.TextField(default="")
    restarts = fields.IntField(default=0)
    exits: dict[str, object] | None = fields.JSONField(null=True)  # what its signals said, by symbol

    class Meta:
        table = "strategies"


class GoalRow(Model):
    """What a strategy is to hold. While it still wishes barred, a protective exit keeps it from opening anew."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=_NAME)
    strategy = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    quantity: Decimal = exact_decimal()
    exposure = fields.FloatField(null=True)
    reason = fields.TextField()
    barred = fields.FloatField(null=True)

    class Meta:
        table = "goals"
        unique_together = (("account", "strategy", "symbol"),)


class ProtectionRow(Model):
    """The exits of one open position of one strategy, gone when it is flat."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=_NAME)
    strategy = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    spec: dict[str, object] | None = fields.JSONField(null=True)
    source = fields.CharField(max_length=10)
    quantity: Decimal = exact_decimal()
    entry: Decimal = exact_decimal()
    opened_at = fields.DatetimeField()
    episode = fields.CharField(max_length=24)
    bars = fields.BigIntField()
    bar_at = fields.DatetimeField(null=True)
    best: Decimal | None = exact_decimal(null=True)
    atr: Decimal | None = exact_decimal(null=True)
    fired = fields.CharField(max_length=10)
    holder = fields.CharField(max_length=10)

    class Meta:
        table = "protections"
        unique_together = (("account", "strategy", "symbol"),)


class WantedExitsRow(Model):
    """The exits that a person wants for what an entry by hand will open. The order has the same role."""

    role = fields.CharField(max_length=40, primary_key=True)
    account = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    spec: dict[str, object] = fields.JSONField()

    class Meta:
        table = "wanted_exits"


class TradingStateRow(Model):
    """The trading state of one scope: "global", "account:NAME", "strategy:NAME" or "instrument:ACCOUNT/SYMBOL"."""

    scope = fields.CharField(max_length=100, primary_key=True)
    state = fields.IntField()
    reason = fields.TextField()
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "trading_states"


class BaselineRow(Model):
    """What daily loss and drawdown are measured from, survives restarts."""

    account = fields.CharField(max_length=_NAME, primary_key=True)
    day = fields.CharField(max_length=10)
    day_start_equity: Decimal = exact_decimal()
    peak_equity: Decimal = exact_decimal()
    last_equity: Decimal | None = exact_decimal(null=True)

    class Meta:
        table = "baselines"


class EquityRow(Model):
    """Equity of "account", or net P&L of a strategy, at one moment of market time."""

    id = fields.BigIntField(primary_key=True)
    subject = fields.CharField(max_length=_NAME)
    value: Decimal = exact_decimal()
    at = fields.DatetimeField()

    class Meta:
        table = "equity"
        unique_together = (("subject", "at"),)


class AlertRow(Model):
    """One alert, written in the transaction of the change that caused it."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=40)
    severity = fields.CharField(max_length=8)
    title = fields.TextField()
    body = fields.TextField()
    attachment = fields.CharField(max_length=20, default="")
    market_at = fields.DatetimeField()
    at = fields.DatetimeField()
    account = fields.CharField(max_length=_NAME, db_default="")
    strategy = fields.CharField(max_length=_NAME, db_default="")
    key = fields.CharField(max_length=160, db_default="")  # what it is about
    status = fields.CharField(max_length=12, db_default="")  # how a CRITICAL one stands, empty for others
    step = fields.IntField(db_default=0)  # how often it has been repeated
    next_at = fields.DatetimeField(null=True)  # when it is repeated, or comes back from its snooze
    answered_by = fields.CharField(max_length=100, db_default="")
    answered_id = fields.CharField(max_length=_NAME, db_default="")
    answered_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)
    note = fields.CharField(max_length=300, db_default="")  # why it is over
    muted = fields.BigIntField(null=True)  # the mute or maintenance window that kept it back

    class Meta:
        table = "alerts"
        indexes = [  # noqa: RUF012
            Index(fields=("status", "next_at")),
            Index(fields=("key", "status")),
            Index(fields=("muted",)),
        ]


class DeliveryRow(Model):
    """One alert for one recipient over one channel."""

    id = fields.BigIntField(primary_key=True)
    alert_id = fields.BigIntField(db_index=True)
    rank = fields.IntField()
    channel = fields.CharField(max_length=20)
    recipient = fields.CharField(max_length=40)
    status = fields.CharField(max_length=10)
    attempts = fields.IntField(default=0)
    note = fields.TextField(default="")
    done_at = fields.DatetimeField(null=True)
    person = fields.CharField(max_length=_NAME, db_default="")  # whom it is to reach: an id, or the house
    step = fields.IntField(db_default=0)  # with which repeat of the alert it came up
    created_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)  # held back until then
    copy = fields.CharField(max_length=120, db_default="")  # how the channel names what it has delivered
    stale = fields.BooleanField(db_default=False)  # the copy does not show how the alert stands now
    seen_to = fields.BooleanField(db_default=False)  # it did not get through, and another way was taken

    class Meta:
        table = "deliveries"
        indexes = [Index(fields=("status", "rank")), Index(fields=("stale",))]  # noqa: RUF012


class MuteRow(Model):
    """Alerts that are kept back for a while, by a mute or a maintenance window. Never deleted."""

    id = fields.BigIntField(primary_key=True)
    sort = fields.CharField(max_length=12)
    scope = fields.CharField(max_length=120)
    reason = fields.CharField(max_length=300)
    owner = fields.CharField(max_length=100)
    begun_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    ended_by = fields.CharField(max_length=100, default="")

    class Meta:
        table = "mutes"
        indexes = [Index(fields=("ended_at",))]  # noqa: RUF012


class InboxRow(Model):
    """One chat update as it came, stored before it is acknowledged."""

    update_id = fields.BigIntField(primary_key=True, generated=False)
    payload = fields.TextField()
    received_at = fields.DatetimeField()
    begun = fields.BooleanField(default=False)
    outcome = fields.CharField(max_length=20, default="", db_index=True)

    class Meta:
        table = "inbox"


class TicketRow(Model):
    """What a button stands for: single use, bound to a chat, a message and (for confirmations) a user."""

    nonce = fields.CharField(max_length=32, primary_key=True)
    action = fields.CharField(max_length=40)
    args: dict[str, str] = fields.JSONField()
    user_id = fields.BigIntField(null=True)
    chat_id = fields.BigIntField()
    message_id = fields.BigIntField(null=True)
    confirms = fields.BooleanField()
    minted_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)
    stage = fields.CharField(max_length=8, db_default="")  # code: redeemed by a code, never by a press
    rights = fields.IntField(db_default=0)  # which state of its person's rights it was asked under

    class Meta:
        table = "tickets"


class RightsRow(Model):
    """What a person was last known to be allowed, and how often that has changed."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    shape = fields.TextField()
    generation = fields.IntField()
    at = fields.DatetimeField()

    class Meta:
        table = "rights"


class TotpRow(Model):
    """The second factor of a person: a sealed seed, the last time step that was used, and what was guessed wrong."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    sealed = fields.TextField()
    enrolled_at = fields.DatetimeField()
    used_step = fields.BigIntField(default=0)
    missed: list[str] = fields.JSONField()  # wrong codes since the last right one or lock
    missed_today: list[str] = fields.JSONField()
    locks = fields.IntField(default=0)
    locked_until = fields.DatetimeField(null=True)
    blocked = fields.BooleanField(default=False)

    class Meta:
        table = "totp"


class ApprovalRow(Model):
    """An action that waits for a second person, or has been decided. The fingerprint is of what it would do."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=20)
    command = fields.CharField(max_length=40)
    args: list[str] = fields.JSONField()
    requester_id = fields.BigIntField()
    requester = fields.CharField(max_length=100)
    rights = fields.IntField()
    chat_id = fields.BigIntField()
    effect = fields.TextField()
    fingerprint = fields.CharField(max_length=64)
    asked_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    state = fields.CharField(max_length=10)
    decided_by = fields.CharField(max_length=100, default="")
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "approvals"
        indexes = [Index(fields=("state", "expires_at"))]  # noqa: RUF012


class LimitRow(Model):
    """A limit of an account as a person has set it, in place of the one in the settings."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=_NAME)
    name = fields.CharField(max_length=40)
    value = fields.CharField(max_length=60)
    replaces = fields.CharField(max_length=60)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "limits"
        unique_together = (("account", "name"),)


class ChatMemoryRow(Model):
    """What the bot remembers of a chat: the id of its live message, for example."""

    id = fields.BigIntField(primary_key=True)
    chat_id = fields.BigIntField()
    key = fields.CharField(max_length=40)
    value = fields.TextField()

    class Meta:
        table = "chat_memory"
        unique_together = (("chat_id", "key"),)


class AuditLine(Model):
    """One line of the audit trail, hash covers the line and the hash before it."""

    seq = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    actor = fields.CharField(max_length=100)
    action = fields.CharField(max_length=60)
    detail = fields.TextField()
    outcome = fields.CharField(max_length=40)
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "audit"


class PersonRow(Model):
    """A person who was invited, or changed, from chat. settings_said is what the settings said then, if anything."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=60)
    role = fields.CharField(max_length=20)
    accounts: dict[str, str] = fields.JSONField()  # another role by account, empty: it is not seen
    time_zone = fields.CharField(max_length=64)
    removed = fields.BooleanField(default=False)
    settings_said = fields.TextField(default="")
    added_by = fields.CharField(max_length=100)
    added_at = fields.DatetimeField()
    changed_by = fields.CharField(max_length=100)
    changed_at = fields.DatetimeField()

    class Meta:
        table = "people"


class InvitationRow(Model):
    """A code that makes the first who sends it a user. Only its SHA-256 is kept."""

    digest = fields.CharField(max_length=64, primary_key=True)
    name = fields.CharField(max_length=60)
    role = fields.CharField(max_length=20)
    accounts: dict[str, str] = fields.JSONField()
    invited_by = fields.CharField(max_length=100)
    invited_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_by = fields.BigIntField(null=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "invitations"


class KillRow(Model):
    """A halt whose venue has not said yet that nothing is open, in one account, for one strategy or (empty) for all."""

    key = fields.CharField(max_length=140, primary_key=True)
    account = fields.CharField(max_length=_NAME)
    strategy = fields.CharField(max_length=_NAME)
    reason = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "kills"


class FlattenRow(Model):
    """Positions that a person wants closed, and how far that is: state is running, done or given up."""

    id = fields.BigIntField(primary_key=True)
    scope = fields.CharField(max_length=140)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()
    positions: list[dict[str, object]] = fields.JSONField()
    state = fields.CharField(max_length=10)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "flattens"
        indexes = [Index(fields=("state",))]  # noqa: RUF012


class LiveRow(Model):
    """An account with real money that a person has let trade: only as long as its broker is this one."""

    account = fields.CharField(max_length=_NAME, primary_key=True)
    identity = fields.CharField(max_length=200)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "live"


class StandbyRow(Model):
    """A strategy that trades in the account that stands by for its own, until a person brings it back."""

    strategy = fields.CharField(max_length=_NAME, primary_key=True)
    home = fields.CharField(max_length=_NAME)
    account = fields.CharField(max_length=_NAME)
    reason = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "standbys"


class JobRow(Model):
    """A scheduled job as people have set it, and how it last went. One that people have added has a kind."""

    name = fields.CharField(max_length=40, primary_key=True)
    enabled = fields.BooleanField(default=True)
    last_at = fields.DatetimeField(null=True)
    last_outcome = fields.TextField(default="")
    schedule = fields.CharField(max_length=120, db_default="")  # empty: its own
    kind = fields.CharField(max_length=20, db_default="")
    argument = fields.CharField(max_length=40, db_default="")
    changed_by = fields.CharField(max_length=100, db_default="")

    class Meta:
        table = "jobs"


class InstrumentRow(Model):
    """An instrument as the venue of an account described it last, or that of the feeds (whose is then empty)."""

    id = fields.BigIntField(primary_key=True)
    whose = fields.CharField(max_length=_NAME)
    symbol = fields.CharField(max_length=_NAME)
    terms: dict[str, str] = fields.JSONField()
    at = fields.DatetimeField()

    class Meta:
        table = "instruments"
        unique_together = (("whose", "symbol"),)


class Cursor(Model):
    """How far something has been worked through: the replay, for example."""

    name = fields.CharField(max_length=64, primary_key=True)
    at = fields.DatetimeField(null=True)
    value = fields.TextField(default="")

    class Meta:
        table = "cursors"
