"""Which model of Binance's official SDKs describes which answer and event, and where our server differs on purpose.

Plain data: it is read in two environments. A name is SDK:MODULE:MODEL; for a list, that of one item. `""`: described by none.
"""

from __future__ import annotations

USDM, SPOT = "binance_sdk_derivatives_trading_usds_futures", "binance_sdk_spot"
_F, _S = f"{USDM}:rest_api", f"{SPOT}:rest_api"
_FE, _SE, _SW = f"{USDM}:websocket_streams", f"{SPOT}:websocket_streams", f"{SPOT}:websocket_api"

ONE: dict[str, str] = {
    "GET /fapi/v1/time": f"{_F}:CheckServerTimeResponse",
    "GET /fapi/v1/exchangeInfo": f"{_F}:ExchangeInformationResponse",
    "GET /fapi/v1/depth": f"{_F}:OrderBookResponse",
    "GET /fapi/v1/ticker/24hr": f"{_F}:Ticker24hrPriceChangeStatisticsResponse1",
    "GET /fapi/v1/ticker/price": f"{_F}:SymbolPriceTickerResponse1",
    "GET /fapi/v1/ticker/bookTicker": f"{_F}:SymbolOrderBookTickerResponse1",
    "GET /fapi/v1/premiumIndex": f"{_F}:MarkPriceResponse1",
    "GET /fapi/v1/order": f"{_F}:QueryOrderResponse",
    "GET /fapi/v1/openOrder": f"{_F}:QueryCurrentOpenOrderResponse",
    "POST /fapi/v1/order": f"{_F}:NewOrderResponse",
    "PUT /fapi/v1/order": f"{_F}:ModifyOrderResponse",
    "DELETE /fapi/v1/order": f"{_F}:CancelOrderResponse",
    "DELETE /fapi/v1/allOpenOrders": f"{_F}:CancelAllOpenOrdersResponse",
    "POST /fapi/v1/countdownCancelAll": f"{_F}:AutoCancelAllOpenOrdersResponse",
    "POST /fapi/v1/algoOrder": f"{_F}:NewAlgoOrderResponse",
    "GET /fapi/v1/algoOrder": f"{_F}:QueryAlgoOrderResponse",
    "DELETE /fapi/v1/algoOrder": f"{_F}:CancelAlgoOrderResponse",
    "DELETE /fapi/v1/algoOpenOrders": f"{_F}:CancelAllAlgoOpenOrdersResponse",
    "GET /fapi/v3/account": f"{_F}:AccountInformationV3Response",
    "GET /fapi/v1/accountConfig": f"{_F}:FuturesAccountConfigurationResponse",
    "GET /fapi/v1/leverageBracket": f"{_F}:NotionalAndLeverageBracketsResponse2",
    "GET /fapi/v1/commissionRate": f"{_F}:UserCommissionRateResponse",
    "GET /fapi/v1/positionSide/dual": f"{_F}:GetCurrentPositionModeResponse",
    "POST /fapi/v1/leverage": f"{_F}:ChangeInitialLeverageResponse",
    "POST /fapi/v1/listenKey": f"{_F}:StartUserDataStreamResponse",
    "PUT /fapi/v1/listenKey": f"{_F}:KeepaliveUserDataStreamResponse",
    "GET /api/v3/time": f"{_S}:TimeResponse",
    "GET /api/v3/exchangeInfo": f"{_S}:ExchangeInfoResponse",
    "GET /api/v3/depth": f"{_S}:DepthResponse",
    "GET /api/v3/ticker/24hr": f"{_S}:Ticker24hrResponse1",
    "GET /api/v3/ticker/price": f"{_S}:TickerPriceResponse1",
    "GET /api/v3/ticker/bookTicker": f"{_S}:TickerBookTickerResponse1",
    "GET /api/v3/order": f"{_S}:GetOrderResponse",
    "POST /api/v3/order": f"{_S}:NewOrderResponse",
    "DELETE /api/v3/order": f"{_S}:DeleteOrderResponse",
    "POST /api/v3/order/cancelReplace": f"{_S}:OrderCancelReplaceResponse",
    "GET /api/v3/account": f"{_S}:GetAccountResponse",
    "GET /api/v3/account/commission": f"{_S}:AccountCommissionResponse",
}
EACH: dict[str, str] = {
    "GET /fapi/v1/trades": f"{_F}:RecentTradesListResponseInner",
    "GET /fapi/v1/aggTrades": f"{_F}:CompressedAggregateTradesListResponseInner",
    "GET /fapi/v1/ticker/24hr": f"{_F}:Ticker24hrPriceChangeStatisticsResponse1",
    "GET /fapi/v1/ticker/bookTicker": f"{_F}:SymbolOrderBookTickerResponse1",
    "GET /fapi/v1/premiumIndex": f"{_F}:MarkPriceResponse1",
    "GET /fapi/v1/fundingRate": f"{_F}:GetFundingRateHistoryResponseInner",
    "GET /fapi/v1/openOrders": f"{_F}:CurrentAllOpenOrdersResponseInner",
    "GET /fapi/v1/allOrders": f"{_F}:AllOrdersResponseInner",
    "GET /fapi/v1/userTrades": f"{_F}:AccountTradeListResponseInner",
    "GET /fapi/v1/openAlgoOrders": f"{_F}:CurrentAllAlgoOpenOrdersResponseInner",
    "GET /fapi/v1/allAlgoOrders": f"{_F}:QueryAllAlgoOrdersResponseInner",
    "GET /fapi/v2/balance": f"{_F}:FuturesAccountBalanceV2ResponseInner",
    "GET /fapi/v3/balance": f"{_F}:FuturesAccountBalanceV2ResponseInner",
    "GET /fapi/v2/positionRisk": f"{_F}:PositionInformationV2ResponseInner",
    "GET /fapi/v3/positionRisk": f"{_F}:PositionInformationV3ResponseInner",
    "GET /fapi/v1/symbolConfig": f"{_F}:SymbolConfigurationResponseInner",
    "GET /fapi/v1/leverageBracket": f"{_F}:NotionalAndLeverageBracketsResponse1Inner",
    "GET /fapi/v1/income": f"{_F}:GetIncomeHistoryResponseInner",
    "GET /api/v3/ticker/24hr": f"{_S}:Ticker24hrResponse1",
    "GET /api/v3/ticker/bookTicker": f"{_S}:TickerBookTickerResponse1",
    "GET /api/v3/openOrders": f"{_S}:GetOpenOrdersResponseInner",
    "GET /api/v3/allOrders": f"{_S}:AllOrdersResponseInner",
    "GET /api/v3/myTrades": f"{_S}:MyTradesResponseInner",
    "GET /api/v3/rateLimit/order": f"{_S}:RateLimitOrderResponseInner",
    "DELETE /api/v3/openOrders": f"{_S}:DeleteOpenOrdersResponseInner",
}
EVENTS: dict[str, str] = {
    "user usdm ORDER_TRADE_UPDATE": f"{_FE}:OrderTradeUpdate",
    "user usdm ACCOUNT_UPDATE": f"{_FE}:AccountUpdate",
    "user usdm ALGO_UPDATE": f"{_FE}:AlgoUpdate",
    "user usdm TRADE_LITE": f"{_FE}:TradeLite",
    "user usdm ACCOUNT_CONFIG_UPDATE": f"{_FE}:AccountConfigUpdate",
    "user usdm listenKeyExpired": f"{_FE}:ListenKeyExpired",
    "market usdm 24hrMiniTicker": f"{_FE}:IndividualSymbolMiniTickerStreamResponse",
    "market usdm 24hrTicker": f"{_FE}:IndividualSymbolTickerStreamsResponse",
    "market usdm kline": f"{_FE}:KlineCandlestickStreamsResponse",
    "market usdm depthUpdate": f"{_FE}:DiffBookDepthStreamsResponse",
    "market usdm bookTicker": f"{_FE}:IndividualSymbolBookTickerStreamsResponse",
    "market usdm markPriceUpdate": f"{_FE}:MarkPriceStreamResponse",
    "market usdm aggTrade": f"{_FE}:AggregateTradeStreamsResponse",
    "user spot executionReport": f"{_SW}:ExecutionReport",
    "user spot outboundAccountPosition": f"{_SW}:OutboundAccountPosition",
    "user spot balanceUpdate": f"{_SW}:BalanceUpdate",
    "market spot 24hrMiniTicker": f"{_SE}:MiniTickerResponse",
    "market spot 24hrTicker": f"{_SE}:TickerResponse",
    "market spot kline": f"{_SE}:KlineResponse",
    "market spot depthUpdate": f"{_SE}:DiffBookDepthResponse",
    "market spot ": f"{_SE}:BookTickerResponse",
}
"""An event by its channel and its `e`, which spot's book ticker has none of."""

NOBODY = frozenset(
    {
        "GET /dapi/v1/exchangeInfo",
        "GET /fapi/v1/klines",
        "GET /api/v3/klines",
        "POST /api/v3/order/test",
        "GET /sapi/v1/capital/config/getall",
        "GET /sapi/v1/margin/allPairs",
        "GET /sapi/v1/margin/isolated/allPairs",
    }
)
"""Described by no model of the two SDKs: rows without names, and products of other SDKs."""

_OURS_IS_DOCUMENTED = "in the documented text of the endpoint, though not in the SDK's model"
EXTRA: dict[str, dict[str, str]] = {
    "ListenKeyExpired": {"listenKey": "the SDK knows the field, and counts it among the unknown ones all the same"},
    "NewOrderResponse": {"stopPrice": f"spot: there when it was sent; {_OURS_IS_DOCUMENTED}"},
}
"""Fields that we send and the model has not, and why."""

_TRAILING = "only of a trailing stop, which is no order of this endpoint any more"
_SENT = "spot: only there when the order has it (rest-api.md, conditional fields)"
_SPOT_ORDER = dict.fromkeys(
    ("expiryReason", "icebergQty", "pegOffsetType", "pegOffsetValue", "pegPriceType", "peggedPrice", "preventedMatchId",
     "preventedQuantity", "stopPrice", "strategyId", "strategyType", "trailingDelta", "trailingTime", "usedSor",
     "workingFloor"),
    _SENT,
)  # fmt: skip
_USDM_ORDER = dict.fromkeys(("activatePrice", "priceRate"), _TRAILING)
_REPORT = dict.fromkeys(
    (
        "A",
        "B",
        "Cs",
        "D",
        "J",
        "U",
        "W",
        "a",
        "b",
        "d",
        "eR",
        "gOT",
        "gOV",
        "gP",
        "gp",
        "j",
        "k",
        "pL",
        "pY",
        "pl",
        "u",
        "uS",
        "v",
    ),
    "spot: only there when the order has it (user-data-stream.md, conditional fields)",
)
ABSENT: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        ("GetOrderResponse", "GetOpenOrdersResponseInner", "DeleteOrderResponse", "DeleteOpenOrdersResponseInner",
         "OrderCancelReplaceResponseCancelResponse", "OrderCancelReplaceResponseNewOrderResponse"),
        _SPOT_ORDER,
    ),
    **dict.fromkeys(
        ("QueryOrderResponse", "QueryCurrentOpenOrderResponse", "CurrentAllOpenOrdersResponseInner", "CancelOrderResponse"),
        _USDM_ORDER,
    ),
    "AllOrdersResponseInner": {**_SPOT_ORDER, **_USDM_ORDER},
    "NewOrderResponse": _SPOT_ORDER,
    "ExecutionReport": _REPORT,
    "OrderTradeUpdateO": {
        **dict.fromkeys(("AP", "cr"), _TRAILING),
        **dict.fromkeys(("n", "N"), "not sent without a commission"),
        "M": "only of an amendment that was sent with a modifyId",
    },
    "AccountConfigUpdate": {"ai": "only when the multi-assets mode changes"},
    "ExchangeInfoResponse": {"sors": "only where smart order routing is available"},
    "MyFiltersResponseRateLimitsInner": {"count": "exchangeInfo tells limits, not their use"},
    "ModifyOrderResponse": {"modifyId": "only when one was sent"},
    "AlgoUpdateO": {"rm": "only when it failed"},
    "AccountUpdateA": {"S": "only with a funding fee"},
}  # fmt: skip
"""Fields that the model has and we do not always send, and why."""
