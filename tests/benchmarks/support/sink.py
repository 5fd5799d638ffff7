"""A process that reads whatever is sent to it: the far end of a wire, so that sending is real."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

from brokers.order import OrderRequest

_CODE = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
taken, _ = listener.accept()
while taken.recv(65536):
    pass
"""


class Wire:
    """A connection to a sink; `send` returns once the kernel has the bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, order: OrderRequest) -> None:
        """Write the order as a venue's client would: one line of JSON."""
        body = {
            "clientOrderId": order.client_order_id,
            "symbol": order.instrument.symbol,
            "side": order.side.value,
            "type": order.type.value,
            "quantity": str(order.quantity),
        }
        self._socket.sendall(json.dumps(body).encode() + b"\n")

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """A connection to a sink in its own process."""
    process = subprocess.Popen([sys.executable, "-c", _CODE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        made = Wire(int(process.stdout.readline()))
        try:
            yield made
        finally:
            made.close()
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()
