"""Asks the official SDKs about the venue server: `make witness`.

They live in an environment of their own (`.venv-witness`), as they want another pydantic than we do. First their models read
everything that was said on a tour of the server, then their clients trade on it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.venues.binance.app import BinanceServer
from tests.venues.binance.journal import FILE
from tests.venues.witness import tour

HERE = Path(__file__).parent
USUAL = HERE.parents[2] / ".venv-witness" / "bin" / "python"
SECONDS = 120.0


async def ask(python: Path, folder: Path, shapes: Path | None) -> int:
    """How many of the two witnesses object."""
    await tour.walk(folder)
    more = ("--shapes", str(shapes)) if shapes else ()
    read = await _run(python, "validate.py", str(folder / FILE), *more)
    (folder / "driven").mkdir()
    async with BinanceServer(folder=folder / "driven") as venue:
        known = {"api_key": venue.key.api_key, "secret": venue.key.secret}
        (folder / "driven" / "keys.json").write_text(json.dumps(known))
        traded = await _run(python, "drive.py", str(folder / "driven"))
    return read + traded


async def _run(python: Path, script: str, *arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(str(python), str(HERE / script), *arguments)
    try:
        return int(await asyncio.wait_for(process.wait(), SECONDS) != 0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> int:
    """0 when nobody objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=USUAL, help="the interpreter that has the SDKs")
    parser.add_argument("--shapes", type=Path, help="write the fields of the models to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ask(arguments.python, Path(folder), arguments.shapes))


if __name__ == "__main__":
    sys.exit(main())
