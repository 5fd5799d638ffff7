"""Let the clients of Binance's official SDKs trade on the venue server. Runs in `.venv-witness`, which has only the SDKs.

    .venv-witness/bin/python tests/venues/witness/drive.py DIR     # DIR/port, DIR/ca.pem, DIR/keys.json of a running server

Their addresses are the real ones: this process resolves every name to the server's port. A model that refuses an answer
raises; fields that a model has not are looked for in every answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures import derivatives_trading_usds_futures as futures
from binance_sdk_spot import spot
from validate import unknown

SYMBOL, PATIENCE = "BTCUSDT", 10.0


def send_home(port: int) -> None:
    """Every name leads to one port of this machine, from now on, in this process."""

    def nearby(host: Any, service: Any, *rest: Any, **more: Any) -> list[Any]:
        del host, service, rest, more
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    socket.getaddrinfo = nearby  # type: ignore[assignment]


class Guest:
    """Calls the SDKs, and looks at what they have read."""

    def __init__(self, folder: Path) -> None:
        known = json.loads((folder / "keys.json").read_text())
        self.keys = {"api_key": known["api_key"], "api_secret": known["secret"]}
        self.context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.calls = 0
        self.found: list[str] = []

    def rest(self) -> ConfigurationRestAPI:
        """How to reach REST. Nothing is tried twice."""
        return ConfigurationRestAPI(**self.keys, https_agent=self.context, retries=0, timeout=5000)

    def ask(self, call: Callable[..., Any], **params: Any) -> Any:
        """One call; what the SDK has made of the answer."""
        self.calls += 1
        data = call(**params).data()
        self.look(call.__name__, data)
        return data

    def look(self, where: str, data: Any) -> None:
        """Fields that the models do not have."""
        self.found += [f"{where}: {each}" for each in unknown(data)]


def trade_futures(guest: Guest) -> None:
    """Orders, conditional orders and the account over REST."""
    rest = futures.DerivativesTradingUsdsFutures(config_rest_api=guest.rest()).rest_api
    for call in (rest.exchange_information, rest.check_server_time):
        guest.ask(call)
    guest.ask(rest.order_book, symbol=SYMBOL, limit=5)
    guest.ask(rest.kline_candlestick_data, symbol=SYMBOL, interval="1m", limit=2)
    bought = guest.ask(
        rest.new_order, symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT"
    )
    assert (bought.status, bought.executed_qty) == ("FILLED", "0.010"), bought
    resting = guest.ask(
        rest.new_order, symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=49000,
        new_client_order_id="sdk-limit",
    )  # fmt: skip
    moved = guest.ask(
        rest.modify_order, symbol=SYMBOL, side="BUY", order_id=resting.order_id, quantity=0.02, price=48900
    )
    assert (moved.price, moved.orig_qty) == ("48900.00", "0.020"), moved
    guest.ask(rest.query_order, symbol=SYMBOL, orig_client_order_id="sdk-limit")
    guest.ask(rest.query_current_open_order, symbol=SYMBOL, order_id=resting.order_id)
    assert len(guest.ask(rest.current_all_open_orders, symbol=SYMBOL)) == 1
    assert guest.ask(rest.cancel_order, symbol=SYMBOL, order_id=resting.order_id).status == "CANCELED"
    stop = guest.ask(
        rest.new_algo_order, algo_type="CONDITIONAL", symbol=SYMBOL, side="SELL", type="STOP_MARKET", quantity=0.01,
        trigger_price=49000, reduce_only="true", client_algo_id="sdk-stop",
    )  # fmt: skip
    guest.ask(rest.query_algo_order, algo_id=stop.algo_id)
    guest.ask(rest.current_all_algo_open_orders, symbol=SYMBOL)
    guest.ask(rest.cancel_algo_order, client_algo_id="sdk-stop")
    guest.ask(rest.cancel_all_open_orders, symbol=SYMBOL)
    guest.ask(rest.account_trade_list, symbol=SYMBOL)
    for call in (rest.account_information_v3, rest.futures_account_balance_v3, rest.position_information_v3,
                 rest.symbol_configuration, rest.futures_account_configuration, rest.get_income_history,
                 rest.get_current_position_mode, rest.notional_and_leverage_brackets):  # fmt: skip
        guest.ask(call)
    guest.ask(rest.change_initial_leverage, symbol=SYMBOL, leverage=10)


def trade_spot(guest: Guest) -> None:
    """Orders and the account over REST."""
    rest = spot.Spot(config_rest_api=guest.rest()).rest_api
    guest.ask(rest.time)
    guest.ask(rest.exchange_info, symbol=SYMBOL)
    guest.ask(rest.depth, symbol=SYMBOL, limit=5)
    bought = guest.ask(rest.new_order, symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.001)
    assert (bought.status, len(bought.fills)) == ("FILLED", 1), bought
    resting = guest.ask(
        rest.new_order, symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.001, price=49000
    )
    guest.ask(rest.get_order, symbol=SYMBOL, order_id=resting.order_id)
    replaced = guest.ask(
        rest.order_cancel_replace, symbol=SYMBOL, side="BUY", type="LIMIT", cancel_replace_mode="STOP_ON_FAILURE",
        time_in_force="GTC", quantity=0.001, price=48900, cancel_order_id=resting.order_id,
    )  # fmt: skip
    assert replaced.cancel_result == replaced.new_order_result == "SUCCESS", replaced
    assert len(guest.ask(rest.get_open_orders, symbol=SYMBOL)) == 1
    guest.ask(rest.delete_open_orders, symbol=SYMBOL)
    guest.ask(rest.my_trades, symbol=SYMBOL)
    guest.ask(rest.all_orders, symbol=SYMBOL)
    guest.ask(rest.get_account)


async def listen_to_futures(guest: Guest) -> None:
    """The user's stream and two market streams, while an order is placed."""
    streams = ConfigurationWebSocketStreams(https_agent=guest.context)
    client = futures.DerivativesTradingUsdsFutures(config_rest_api=guest.rest(), config_ws_streams=streams)
    key = guest.ask(client.rest_api.start_user_data_stream).listen_key
    connection = await client.websocket_streams.create_connection()
    heard: list[Any] = []
    enough = asyncio.Event()

    def hear(event: Any) -> None:
        guest.look("futures stream", event)
        heard.append(event)
        if any("OrderTradeUpdate" in _kind(each) for each in heard) and len(heard) > 4:
            enough.set()

    for stream in (
        await connection.user_data(key),
        await connection.individual_symbol_mini_ticker_stream(symbol=SYMBOL.lower()),
        await connection.diff_book_depth_streams(symbol=SYMBOL.lower()),
    ):
        stream.on("message", hear)
    order = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": 0.01}
    await asyncio.to_thread(guest.ask, client.rest_api.new_order, **order)
    await asyncio.wait_for(enough.wait(), PATIENCE)
    guest.calls += len(heard)
    await connection.close_connection(close_session=True)


async def speak_to_spot(guest: Guest) -> None:
    """An order over the WebSocket API, and the report of it on the subscription."""
    config = ConfigurationWebSocketAPI(**guest.keys, https_agent=guest.context)
    connection = await spot.Spot(config_ws_api=config).websocket_api.create_connection()
    subscribed = await connection.user_data_stream_subscribe_signature()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    subscribed.stream.on("message", heard.put_nowait)
    placed = await connection.order_place(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.001)
    guest.look("order.place", placed.data())
    while True:
        event = await asyncio.wait_for(heard.get(), PATIENCE)
        guest.calls += 1
        guest.look("spot stream", event)
        if "ExecutionReport" in _kind(event):
            break
    await connection.close_connection(close_session=True)


def _kind(event: Any) -> str:
    return type(getattr(event, "actual_instance", event)).__name__


def main() -> int:
    """Print what was found; 1 when there is anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    send_home(int((folder / "port").read_text()))
    guest = Guest(folder)
    trade_futures(guest)
    trade_spot(guest)
    asyncio.run(listen_to_futures(guest))
    asyncio.run(speak_to_spot(guest))
    for finding in sorted(set(guest.found)):
        print(finding)
    print(f"{guest.calls} answers and events read by the SDKs' clients, {len(set(guest.found))} findings")
    return 1 if guest.found else 0


if __name__ == "__main__":
    sys.exit(main())
