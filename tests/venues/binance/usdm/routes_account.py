"""The account over REST: balances, positions, leverage, margin, income, listen keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.venues.binance import errors
from tests.venues.binance.errors import Refusal
from tests.venues.binance.keys import FUTURES, READ
from tests.venues.binance.router import KEY_ONLY, Call, Route
from tests.venues.binance.usdm import answers, events, refusals
from tests.venues.binance.usdm.refusals import refused
from tests.venues.binance.usdm.routes_market import by_symbol

if TYPE_CHECKING:
    from tests.venues.binance.usdm.product import Usdm


class AccountRoutes:
    """Answers about what one owns."""

    def __init__(self, usdm: Usdm) -> None:
        self._usdm = usdm

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            *(Route("GET", f"/fapi/{version}/account", self.account, READ, weight=5) for version in ("v2", "v3")),
            *(Route("GET", f"/fapi/{version}/balance", self.balance, READ, weight=5) for version in ("v2", "v3")),
            Route("GET", "/fapi/v3/positionRisk", self.positions, READ, weight=5),
            Route("GET", "/fapi/v2/positionRisk", self.old_positions, READ, weight=5),
            Route("GET", "/fapi/v1/accountConfig", self.config, READ, weight=5),
            Route("GET", "/fapi/v1/symbolConfig", self.symbol_config, READ, weight=5),
            Route("GET", "/fapi/v1/leverageBracket", self.brackets, READ),
            Route("GET", "/fapi/v1/commissionRate", self.commission, READ, weight=20),
            Route("GET", "/fapi/v1/income", self.income, READ, weight=30),
            Route("POST", "/fapi/v1/leverage", self.leverage, FUTURES),
            Route("POST", "/fapi/v1/marginType", self.margin_type, FUTURES),
            Route("GET", "/fapi/v1/positionSide/dual", self.sides, READ, weight=30),
            Route("POST", "/fapi/v1/positionSide/dual", self.position_side, FUTURES),
            Route("GET", "/fapi/v1/multiAssetsMargin", lambda _: {"multiAssetsMargin": False}, READ, weight=30),
            Route("POST", "/fapi/v1/listenKey", self.create_key, KEY_ONLY),
            Route("PUT", "/fapi/v1/listenKey", self.extend_key, KEY_ONLY),
            Route("DELETE", "/fapi/v1/listenKey", self.delete_key, KEY_ONLY),
            Route("GET", "/fapi/v1/rateLimit/order", self.rate_limits, READ, weight=by_symbol(1, 1)),
        ]

    def account(self, call: Call) -> Any:
        """Everything."""
        return answers.account(self._usdm.client(call).account)

    def balance(self, call: Call) -> Any:
        """Money."""
        return answers.balances(self._usdm.client(call).account)

    def positions(self, call: Call) -> Any:
        """Positions, and symbols with open orders."""
        account = self._usdm.client(call).account
        names = answers.shown_positions(account)
        if call.params.get("symbol"):
            names = [each for each in names if each == self._usdm.contract(call).symbol]
        return [answers.position(account, each) for each in names]

    def old_positions(self, call: Call) -> Any:
        """The older form: every symbol."""
        account = self._usdm.client(call).account
        names = [self._usdm.contract(call).symbol] if call.params.get("symbol") else list(account.contracts)
        return [answers.old_position(account, each) for each in names]

    def config(self, call: Call) -> Any:
        """How the account trades."""
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def symbol_config(self, call: Call) -> Any:
        """Leverage and margin by symbol."""
        account = self._usdm.client(call).account
        names = [self._usdm.contract(call).symbol] if call.params.get("symbol") else list(account.contracts)
        return [answers.symbol_config(account, each) for each in names]

    def brackets(self, call: Call) -> Any:
        """Leverage brackets: a list, or one object for one symbol."""
        if call.params.get("symbol"):
            return self._usdm.contract(call).bracket_info()
        return [each.bracket_info() for each in self._usdm.contracts.values()]

    def commission(self, call: Call) -> Any:
        """What trading costs."""
        return answers.commission_rate(self._usdm.contract(call).symbol)

    def income(self, call: Call) -> Any:
        """Money that came or went, oldest first."""
        found = self._usdm.client(call).account.incomes
        kind, limit = call.params.get("incomeType"), min(call.integer("limit", 100) or 100, 1000)
        start, end = call.integer("startTime"), call.integer("endTime")
        symbol = self._usdm.contract(call).symbol if call.params.get("symbol") else None
        found = [each for each in found if kind in {None, "", each.kind} and symbol in {None, each.symbol}]
        found = [each for each in found if (start or 0) <= each.time <= (end or each.time)]
        chosen = found[:limit] if start else found[-limit:]
        return [answers.income(each) for each in chosen]

    def leverage(self, call: Call) -> Any:
        """Another leverage for one symbol."""
        client, contract = self._usdm.client(call), self._usdm.contract(call)
        leverage = call.integer("leverage")
        if leverage is None:
            raise errors.missing("leverage")
        client.account.set_leverage(contract.symbol, leverage)
        now = self._usdm.frame.clock.now_ms()
        client.teller.say(events.leverage_update(contract.symbol, leverage, now))
        return {"leverage": leverage, "maxNotionalValue": str(contract.cap_at(leverage)), "symbol": contract.symbol}

    def margin_type(self, call: Call) -> Any:
        """Margin is always cross here: ISOLATED is refused as the real venue does in its multi-assets mode."""
        account, symbol = self._usdm.client(call).account, self._usdm.contract(call).symbol
        wanted = call.text("marginType")
        if wanted not in ("CROSSED", "ISOLATED"):
            raise Refusal(-1130, "Data sent for parameter 'marginType' is not valid.")
        if wanted == account.margin_type[symbol]:
            raise refused(refusals.SAME_MARGIN_TYPE)
        if account.open_orders(symbol):
            raise refused(refusals.OPEN_ORDERS)
        if account.holding(symbol).quantity:
            raise refused(refusals.OPEN_POSITION)
        if wanted == "ISOLATED":
            raise Refusal(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        account.margin_type[symbol] = wanted
        return answers.DONE

    def sides(self, call: Call) -> Any:
        """Whether long and short are kept apart."""
        return {"dualSidePosition": self._usdm.of(call.place.mode).account.is_hedged}

    def position_side(self, call: Call) -> Any:
        """One-way mode is all there is: hedge mode is refused as with open orders."""
        wanted = call.text("dualSidePosition")
        if wanted == "false":
            raise refused(refusals.SAME_POSITION_SIDE)
        raise refused(refusals.NO_HEDGING)

    def create_key(self, call: Call) -> Any:
        """A listen key, for an hour."""
        self._usdm.client(call)
        return {"listenKey": self._usdm.keys.create(call.place.mode)}

    def extend_key(self, call: Call) -> Any:
        """Another hour."""
        self._usdm.client(call)
        return {"listenKey": self._usdm.keys.extend(call.place.mode)}

    def delete_key(self, call: Call) -> Any:
        """The stream ends."""
        self._usdm.client(call)
        self._usdm.keys.delete(call.place.mode)
        return {}

    def rate_limits(self, call: Call) -> Any:
        """The limits of orders."""
        return [
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        ]
