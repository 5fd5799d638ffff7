"""The wallet pages over `sapi`: coins, margin pairs, what a key may do, deposits and withdrawals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.venues.binance import keys
from tests.venues.binance.clock import world_ms
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import Listing, eight
from tests.venues.binance.router import KEY_ONLY, NONE, Call, Route
from tests.venues.binance.spot import Spot

DONE_DEPOSIT, DONE_WITHDRAWAL = 1, 6


class Custody:
    """Deposits and withdrawals that happened are in `deposits` and `withdrawals`, as the venue writes them."""

    def __init__(self, frame: Frame, spot: Spot) -> None:
        self._frame = frame
        self._spot = spot
        self.deposits: list[dict[str, Any]] = []
        self.withdrawals: list[dict[str, Any]] = []
        sapi = "/sapi/v1"
        frame.router.add(
            Route("GET", f"{sapi}/system/status", lambda _: {"status": 0, "msg": "normal"}, NONE),
            Route("GET", f"{sapi}/capital/config/getall", self.coins, keys.READ, weight=10),
            Route("GET", f"{sapi}/margin/allPairs", self.pairs, KEY_ONLY),
            Route("GET", f"{sapi}/margin/isolated/allPairs", self.isolated_pairs, keys.READ, weight=10),
            Route("GET", f"{sapi}/margin/allAssets", self.margin_assets, KEY_ONLY),
            Route("GET", f"{sapi}/account/apiRestrictions", self.restrictions, keys.READ),
            Route("GET", f"{sapi}/account/status", lambda _: {"data": "Normal"}, keys.READ),
            Route("GET", f"{sapi}/asset/tradeFee", self.fees, keys.READ),
            Route("GET", f"{sapi}/bnbBurn", self.burn, keys.READ),
            Route("GET", f"{sapi}/capital/deposit/hisrec", lambda call: _rows(call, self.deposits), keys.READ),
            Route("GET", f"{sapi}/capital/withdraw/history", lambda call: _rows(call, self.withdrawals), keys.READ),
            Route("POST", f"{sapi}/capital/withdraw/apply", self.withdraw, keys.WITHDRAW, weight=600),
        )

    def deposit(self, coin: str, amount: Decimal) -> None:
        """Money has come in from the chain."""
        self.deposits.append(
            {
                "id": f"{len(self.deposits) + 1}",
                "amount": format(amount, "f"),
                "coin": coin,
                "network": coin,
                "status": DONE_DEPOSIT,
                "address": "0x788cabe9236ce061e5a892e1a59395a81fc8d62c",
                "addressTag": "",
                "txId": f"0x{len(self.deposits) + 1:064x}",
                "insertTime": self._frame.clock.now_ms(),
                "completeTime": self._frame.clock.now_ms(),
                "transferType": 0,
                "confirmTimes": "12/12",
                "unlockConfirm": 12,
                "walletType": 0,
                "travelRuleStatus": 0,
            }
        )
        self._spot.desk.deposit(coin, amount)

    def withdraw(self, call: Call) -> Any:
        """Money leaves. No key of ours may ask for it; whoever looks for that finds it in the journal."""
        coin, amount = call.text("coin"), call.needed("amount")
        if self._spot.desk.wallet.of(coin).free < amount:
            raise Refusal(-4026, "The user has insufficient balance available.")
        number = f"{len(self.withdrawals) + 1:032x}"
        self._frame.journal.write("withdrawal", coin=coin, amount=amount, address=call.text("address"))
        self.withdrawals.append(
            {
                "id": number,
                "amount": format(amount, "f"),
                "transactionFee": "0",
                "coin": coin,
                "status": DONE_WITHDRAWAL,
                "address": call.text("address"),
                "txId": f"0x{len(self.withdrawals) + 1:064x}",
                "applyTime": "2026-01-01 00:00:00",
                "network": coin,
                "transferType": 0,
            }
        )
        self._spot.desk.deposit(coin, -amount)
        return {"id": number}

    def coins(self, call: Call) -> Any:
        """Every coin with its networks."""
        del call
        assets = sorted({each for listing in self._spot.listings.values() for each in (listing.base, listing.quote)})
        return [self._coin(asset) for asset in assets]

    def _coin(self, asset: str) -> dict[str, Any]:
        balance = self._spot.desk.wallet.of(asset)
        return {
            "coin": asset,
            "depositAllEnable": True,
            "free": eight(balance.free),
            "freeze": "0",
            "ipoable": "0",
            "ipoing": "0",
            "isLegalMoney": False,
            "locked": eight(balance.locked),
            "name": asset,
            "networkList": [
                {
                    "addressRegex": "^(0x)[0-9A-Fa-f]{40}$",
                    "coin": asset,
                    "depositDesc": "",
                    "depositEnable": True,
                    "isDefault": True,
                    "memoRegex": "",
                    "minConfirm": 12,
                    "name": asset,
                    "network": asset,
                    "specialTips": "",
                    "unLockConfirm": 12,
                    "withdrawDesc": "",
                    "withdrawEnable": True,
                    "withdrawFee": "0.0005",
                    "withdrawIntegerMultiple": "0.00000001",
                    "withdrawMax": "10000",
                    "withdrawMin": "0.001",
                    "depositDust": "0.00000001",
                    "sameAddress": False,
                    "estimatedArrivalTime": 25,
                    "busy": False,
                }
            ],
            "storage": "0",
            "trading": True,
            "withdrawAllEnable": True,
            "withdrawing": "0",
        }

    def pairs(self, call: Call) -> Any:
        """What cross margin trades."""
        del call
        return [
            {"id": number, **_pair(each)} for number, each in enumerate(self._spot.listings.values(), start=351637150)
        ]

    def isolated_pairs(self, call: Call) -> Any:
        """What isolated margin trades."""
        del call
        return [_pair(each) for each in self._spot.listings.values()]

    def margin_assets(self, call: Call) -> Any:
        """What can be borrowed."""
        del call
        assets = sorted({each for listing in self._spot.listings.values() for each in (listing.base, listing.quote)})
        return [
            {
                "assetFullName": asset,
                "assetName": asset,
                "isBorrowable": True,
                "isMortgageable": True,
                "userMinBorrow": "0.00000000",
                "userMinRepay": "0.00000000",
            }
            for asset in assets
        ]

    def restrictions(self, call: Call) -> Any:
        """What the key that asks may do."""
        assert call.key is not None
        may, trades = call.key.permissions, keys.SPOT in call.key.permissions
        return {
            "ipRestrict": call.key.is_restricted,
            "createTime": world_ms(),
            "enableReading": keys.READ in may,
            "enableWithdrawals": keys.WITHDRAW in may,
            "enableInternalTransfer": False,
            "enableMargin": keys.MARGIN in may,
            "enableFutures": keys.FUTURES in may,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": trades,
            "enablePortfolioMarginTrading": False,
        }

    def fees(self, call: Call) -> Any:
        """The commissions by symbol."""
        wanted = call.params.get("symbol")
        rate = format(self._spot.desk.commission, "f")
        names = [name for name in self._spot.listings if wanted in {None, name}]
        return [{"symbol": name, "makerCommission": rate, "takerCommission": rate} for name in names]

    def burn(self, call: Call) -> Any:
        """Whether commissions are paid in BNB."""
        del call
        return {"spotBNBBurn": self._spot.desk.bnb_fees, "interestBNBBurn": False}


def _pair(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": listing.symbol,
        "base": listing.base,
        "quote": listing.quote,
        "isMarginTrade": True,
        "isBuyAllowed": True,
        "isSellAllowed": True,
    }


def _rows(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Newest first, of one coin or all, from a time on."""
    coin, start = call.params.get("coin"), call.integer("startTime", 0) or 0
    return [each for each in reversed(rows) if coin in {None, each["coin"]} and each.get("insertTime", start) >= start]
