"""Measures Quarterdeck: `python -m tests.benchmarks [NAME…] [--json FILE] [--quick]`; see docs/benchmarks.md.

Every benchmark is a module here with `async def run() -> list[Figure]`. Each runs in its own process, one after the
other, so that none warms caches, fills memory or keeps the processor busy for the next.
"""

import argparse
import asyncio
import importlib
import inspect
import json
import math
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.support.figure import QUICK
from tests.benchmarks.support.machine import machine

HERE = Path(__file__).parent
LONGEST_SECONDS = 900
HEADS = ("figure", "typical", "worst", "unit", "goal", "met", "beside it (same run)")


def names() -> list[str]:
    """Every benchmark."""
    return sorted(
        each.name
        for each in pkgutil.iter_modules([str(HERE)])
        if not each.ispkg and not each.name.startswith(("_", "test_", "conftest"))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure Quarterdeck.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(names())}; none means all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    parser.add_argument("--quick", action="store_true", help="fewer samples: does it run at all?")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"there is no benchmark {', '.join(unknown)}; the choices are {', '.join(names())}")
    if options.quick:
        os.environ[QUICK] = "1"
    if options.here:
        return run_here(options.names[0], options.json)
    return run_all(options.names or names(), options.json)


def run_here(name: str, path: Path) -> int:
    """Run one benchmark in this process."""
    work = importlib.import_module(f"tests.benchmarks.{name}").run()
    figures = asyncio.run(work) if inspect.iscoroutine(work) else work
    path.write_text(json.dumps([each.as_dict() for each in figures]), encoding="utf-8")
    return 0


def run_all(chosen: Sequence[str], path: Path | None) -> int:
    """Run benchmarks one after the other, each in its own process, and show all figures."""
    before = machine()
    figures: list[dict[str, Any]] = []
    failed = []
    for name in chosen:
        begin = time.monotonic()
        print(f"… {name}", file=sys.stderr, end="", flush=True)
        found = run_apart(name)
        print(f" {time.monotonic() - begin:.0f} s{'' if found else ' FAILED'}", file=sys.stderr)
        figures += found
        failed += [] if found else [name]
    after = machine()
    about = {**before, "load average after": after["load average"]}
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    show(figures)
    print("\nThe same as lines of docs/benchmarks.md:\n\n" + "\n".join(lines(figures)))
    if path is not None:
        path.write_text(json.dumps({"machine": about, "figures": figures}, indent=2), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_apart(name: str) -> list[dict[str, Any]]:
    """The figures of one benchmark, run in its own process; none if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "tests.benchmarks", name, "--here", "--json", str(result)]
        try:
            subprocess.run(command, check=True, timeout=LONGEST_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f" {error}", file=sys.stderr)
            return []
        return json.loads(result.read_text(encoding="utf-8"))


def show(figures: Sequence[dict[str, Any]]) -> None:
    """An aligned table, then the notes."""
    rows = [HEADS, *(row(each) for each in figures)]
    widths = [max(len(one[column]) for one in rows) for column in range(len(HEADS))]
    for one in rows:
        cells = [
            cell.rjust(width) if 1 <= column <= 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(one, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    for each in figures:
        if each["note"]:
            print(f"* {each['name']} (n={each['samples']}): {each['note']}")


def lines(figures: Sequence[dict[str, Any]]) -> list[str]:
    """The table as Markdown."""
    head = "| Figure | median | tail | beside it, same run | goal | met |\n|---|--:|--:|---|--:|:-:|"
    return [head, *(line(each) for each in figures)]


def line(each: dict[str, Any]) -> str:
    """One line of it, with the unit behind every number."""

    def told(value: float) -> str:
        return f"{number(value)} {each['unit']}".rstrip()

    name = each["name"].replace("  of it", "– of it")
    tail = "" if each["worst"] is None else f"{each['worst_is']} {told(each['worst'])}"
    goal = "" if each["goal"] is None else f"< {each['goal']:g} {each['unit']}"
    met = "**no**" if each["met"] == "NO" else each["met"]
    cells = (name, told(each["typical"]), tail, each["reference"], goal, met)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def row(each: dict[str, Any]) -> tuple[str, ...]:
    worst = "" if each["worst"] is None else f"{each['worst_is']} {number(each['worst'])}"
    goal = "" if each["goal"] is None else f"< {each['goal']:g}"
    return each["name"], number(each["typical"]), worst, each["unit"], goal, each["met"], each["reference"]


def number(value: float) -> str:
    if math.isinf(value):
        return "none"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
