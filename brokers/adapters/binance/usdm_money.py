"""What an account of Binance's USDT-M futures holds, and what came and went without a trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from brokers.account import AccountInfo, Balance, CashFlow, FlowKind
from brokers.ccxt import accounts
from brokers.ccxt.calls import Call, Inquiry, Raw, pages
from brokers.ccxt.parsing import Unreadable, decimal, milliseconds, moment
from brokers.ccxt.wallets import check_size
from brokers.instrument import Instrument

# What a trade brings is told with its fill.
_OF_TRADES = frozenset({"REALIZED_PNL", "COMMISSION"})
_FLOWS = {"FUNDING_FEE": FlowKind.FUNDING, "SPECIAL_FUNDING_FEE": FlowKind.FUNDING}


async def account(inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
    """GET account and positionRisk."""
    info = (await inquiry.ask(Call("fetch_balance", ({},)))).get("info") or {}
    positions = await inquiry.ask(Call("fetch_positions", (None, {})))
    assets = info.get("assets")
    if not isinstance(assets, list) or not isinstance(positions, list):
        raise Unreadable("a futures account without assets")
    if not accounts.one_way(positions):
        raise Unreadable("the account keeps long and short positions apart (hedge mode); set it to one-way")
    for position in positions:
        check_size(position, instruments)
    balances = {each.currency: each for each in map(_balance, assets) if each.total or each.locked}
    return accounts.margined_account(
        name,
        balances,
        positions,
        instruments,
        inquiry.now(),
        equity=decimal(info.get("totalMarginBalance")),
        initial_margin=decimal(info.get("totalInitialMargin")),
        maintenance_margin=decimal(info.get("totalMaintMargin")),
    )


async def cash_flows(inquiry: Inquiry, since: int, *, size: int, window: timedelta | None) -> Sequence[CashFlow]:
    """GET income: everything but what trades bring."""
    raws = await pages(
        inquiry.ask,
        lambda at: Call("fetch_ledger", (None, at, size, {})),
        since,
        size=size,
        until=milliseconds(inquiry.now()),
        window=window,
        key=_income_id,
    )
    return [flow for raw in raws if (flow := _flow(raw, inquiry.symbols)) is not None]


def id_of(symbol: str) -> str:
    """BTC/USDT:USDT as Binance writes it: BTCUSDT."""
    return symbol.partition(":")[0].replace("/", "")


def _balance(asset: Raw) -> Balance:
    """The wallet: profits of open positions are not in it."""
    total = decimal(asset.get("walletBalance"), "wallet balance")
    if total is None:
        raise Unreadable("an asset without a wallet balance")
    return Balance(str(asset["asset"]), total, decimal(asset.get("initialMargin")) or Decimal(0))


def _income_id(raw: Raw) -> str:
    """A transaction's number is unique within its kind only."""
    info = raw.get("info") or {}
    return ":".join(str(info.get(name) or "") for name in ("incomeType", "tranId", "symbol", "asset"))


def _flow(raw: Raw, symbols: Sequence[str]) -> CashFlow | None:
    info = raw.get("info") or {}
    kind, amount, at = str(info.get("incomeType")), decimal(info.get("income")), moment(info.get("time"))
    if kind in _OF_TRADES or not amount or at is None:
        return None
    flow = _FLOWS.get(kind, FlowKind.OTHER)
    if kind == "TRANSFER":
        flow = FlowKind.DEPOSIT if amount > 0 else FlowKind.WITHDRAWAL
    ids = {id_of(each): each for each in symbols}
    return CashFlow(_income_id(raw), flow, str(info["asset"]), amount, at, ids.get(str(info.get("symbol")), ""))
