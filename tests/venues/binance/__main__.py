"""`python -m tests.venues.binance --port 0 --dir DIR`: the venue as a process of its own, until SIGTERM.

Prints one line of JSON: port, control port, path of the CA's certificate, keys by mode.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from tests.venues.binance.app import BinanceServer
from tests.venues.binance.control import Control
from tests.venues.binance.hosts import MODES


async def run(port: int, folder: Path, beat_seconds: float) -> None:
    """Serve until told to stop."""
    folder.mkdir(parents=True, exist_ok=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with BinanceServer(folder=folder, port=port, beat_seconds=beat_seconds or None) as venue:
        control = Control(venue)
        control_port = await control.start()
        (folder / "control").write_text(str(control_port))
        keys = {mode: [venue.keys.of(mode).api_key, venue.keys.of(mode).secret] for mode in MODES}
        told = {"port": venue.port, "control": control_port, "ca": str(folder / "ca.pem"), "keys": keys}
        print(json.dumps(told), flush=True)
        await stopped.wait()
        await control.stop()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Binance as documented, on this machine.")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one")
    parser.add_argument("--dir", type=Path, required=True, help="folder for the journal and the CA")
    parser.add_argument("--beat", type=float, default=1.0, help="seconds between repeated tickers and bars; 0 is never")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.port, arguments.dir, arguments.beat))


if __name__ == "__main__":
    main()
