"""All of the fault tests: every cell of the matrix, a thousand kills, ten thousand seeds, every power cut, new examples.

    make soak
    make soak ARGS="--seeds 500 --kills 100 --points halt --processes 1 --only seeds,kills"

Prints what fails, with how to run it again, and writes a table for `docs/reliability.md` to `data/soak.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.faults import chat_kills, power_cut, simulation, soak_binance
from tests.faults.binance_cases import Tally as BinanceTally
from tests.faults.lives import Template, world
from tests.faults.matrix import CELLS, run_cell
from tests.faults.random_kills import Tally, kill_at_random

Cell = tuple[str, str, str]
_KILLS_A_DIRECTORY = 250


def bound(trials: int) -> str:
    """The 95 % upper bound of the chance of a failure when none was seen in so many: the rule of three."""
    return f"< {300 / trials:.2g} %" if trials else "-"


# --- the matrix ------------------------------------------------------------------------------------


def run_cells(cells: list[Cell]) -> list[tuple[Cell, list[str]]]:
    """These cells, one after another, with one template."""
    return asyncio.run(_run_cells(cells))


async def _run_cells(cells: list[Cell]) -> list[tuple[Cell, list[str]]]:
    folder = Path(tempfile.mkdtemp())
    template = Template(folder / "template.log")
    done = []
    try:
        born = await give_birth(folder / "born", template)
        for cell in cells:
            done.append((cell, await _cell(folder / "-".join(cell), template, cell, born)))
            shutil.rmtree(folder / "-".join(cell), ignore_errors=True)
    finally:
        template.close()
        shutil.rmtree(folder)
    return done


async def give_birth(folder: Path, template: Template) -> Path:
    """A data directory that was started once and stopped: later lives are copies of it."""
    async with world(folder, template) as here:
        await here.start()
        await here.kill(signal.SIGTERM)
    return folder / "data"


async def _cell(folder: Path, template: Template, cell: Cell, born: Path) -> list[str]:
    try:
        async with asyncio.timeout(60):
            wrong = await run_cell(folder, template, *cell, born=born)
    except Exception as error:  # noqa: BLE001 - one cell that cannot be judged must not end the others
        wrong = [f"{type(error).__name__}: {str(error)[-1500:]}"]
    if wrong:
        print(f"cell {' '.join(cell)}: {wrong[0][:600]}", flush=True)
    return wrong


# --- kills -----------------------------------------------------------------------------------------


def run_kills(kills: int, seed: int) -> Tally:
    """So many kills on a data directory of their own."""

    async def run() -> Tally:
        folder = Path(tempfile.mkdtemp())
        template = Template(folder / "template.log")
        try:
            return await kill_at_random(folder / "world", template, kills=kills, seed=seed)
        finally:
            template.close()
            shutil.rmtree(folder)

    tally = asyncio.run(run())
    if tally.wrong:
        print(f"kills, seed {seed}: {tally.wrong[0][:600]}", flush=True)
    return tally


# --- the whole -------------------------------------------------------------------------------------


def main(words: list[str]) -> int:
    options = _options(words)
    lines = ["| what | trials | failures | 95 % upper bound | met on the way |", "|---|---|---|---|---|"]
    began = time.monotonic()
    parts = {
        "matrix": _matrix, "kills": _kills, "chat": _chat, "seeds": _seeds, "power": _power, "examples": _examples,
        "doubts": _doubts, "cells": _cells, "storms": _storms, "broken": _broken,
    }  # fmt: skip
    failures = 0
    for name in options.only.split(","):
        row, bad = parts[name](options)
        failures += bad
        lines.append(row)
        print(row, flush=True)
    text = "\n".join([*lines, "", f"{(time.monotonic() - began) / 60:.0f} minutes, Python {sys.version.split()[0]}."])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return bool(failures)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak")
    usual = "matrix,kills,chat,seeds,power,examples,doubts,cells,storms,broken"
    parser.add_argument("--only", default=usual, help=f"these parts, by commas ({usual}); the last four are at Binance")
    parser.add_argument("--points", default="", help="only cells and doubts whose name contains this")
    parser.add_argument("--storm-kills", type=int, default=480, help="kills at a random moment at Binance")
    parser.add_argument("--kills", type=int, default=1000, help="kills at a random moment under load")
    parser.add_argument("--chat-kills", type=int, default=1000, help="kills between message and answer")
    parser.add_argument("--seeds", type=int, default=10_000, help="seeds of the simulation")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of the property tests, with new examples each")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2, help="so many at once")
    parser.add_argument("--out", type=Path, default=Path("data/soak.md"), help="where the table goes")
    return parser.parse_args(words)


def _matrix(options: argparse.Namespace) -> tuple[str, int]:
    cells = [cell for cell in CELLS if options.points in " ".join(cell)]
    shares = [cells[n :: options.processes] for n in range(options.processes)]
    with ProcessPoolExecutor(options.processes) as pool:
        done = [each for share in pool.map(run_cells, shares) for each in share]
    bad = sum(bool(wrong) for _, wrong in done)
    points = len({cell[0] for cell, _ in done})
    return _row("crash points × venue outcomes × signals", len(done), bad, f"{points} points, two restarts each"), bad


def _kills(options: argparse.Namespace) -> tuple[str, int]:
    counts = _shares(options.kills, _KILLS_A_DIRECTORY)
    with ProcessPoolExecutor(options.processes) as pool:
        tallies = list(pool.map(run_kills, counts, range(1, len(counts) + 1)))
    bad, total = sum(bool(t.wrong) for t in tallies), Counter[str]()
    for tally in tallies:
        total.update(kills=tally.kills, start=tally.in_start, orders=tally.orders, executions=tally.executions)
    met = f"{total['start']} in the start, {total['orders']} orders, {total['executions']} executions"
    return _row("SIGKILL at a random moment under load", total["kills"], bad, met), bad


def _chat(options: argparse.Namespace) -> tuple[str, int]:
    counts = _shares(options.chat_kills, _KILLS_A_DIRECTORY)
    with ProcessPoolExecutor(options.processes) as pool:
        tallies = list(pool.map(chat_kills.run, counts, range(1, len(counts) + 1)))
    bad, crashes = sum(len(each.wrong) for each in tallies), sum(each.crashes for each in tallies)
    points = len({point for each in tallies for point in each.by_point})
    told, twice = sum(each.told_interrupted for each in tallies), sum(each.repeated_alerts for each in tallies)
    met = f"{points} points, {told} told as interrupted, {twice} alerts came twice"
    return _row("SIGKILL between chat message, answer and alert", crashes, bad, met), bad


def _seeds(options: argparse.Namespace) -> tuple[str, int]:
    outcomes = simulation.run_seeds(range(options.first, options.first + options.seeds), options.processes)
    bad = sum(bool(each.wrong) for each in outcomes)
    met = Counter[str]()
    for each in outcomes:
        met.update(
            faults=sum(each.met.values()), orders=each.orders, executions=each.executions, crashes=each.lives - 1
        )
    text = ", ".join(f"{count} {name}" for name, count in met.items())
    return _row("seeds of the simulation, an hour each", len(outcomes), bad, text), bad


def _examples(options: argparse.Namespace) -> tuple[str, int]:
    """The property tests of `make test`, with examples that are drawn anew each time."""
    command = [sys.executable, "-m", "pytest", "-m", "hypothesis", "-n", str(options.processes), "tests"]
    bad = 0
    for _ in range(options.rounds):
        done = subprocess.run(
            command, env={**os.environ, "HYPOTHESIS_PROFILE": "soak"}, text=True, capture_output=True, check=False
        )
        if done.returncode:
            bad += 1
            print(done.stdout[-5000:], flush=True)
    return _row("rounds of the property tests", options.rounds, bad, "new examples each round"), bad


def _power(options: argparse.Namespace) -> tuple[str, int]:
    del options
    verdict = power_cut.judge(power_cut.record(orders=25))
    for each in verdict.wrong[:5]:
        print(each, flush=True)
    bad = len(verdict.wrong)
    return _row("power cuts", verdict.cuts, bad, f"{verdict.syncs} syncs, {verdict.orders} orders sent"), bad


def _doubts(options: argparse.Namespace) -> tuple[str, int]:
    return _met("Binance: doubts, one scenario each", soak_binance.doubts(options.processes, options.points))


def _cells(options: argparse.Namespace) -> tuple[str, int]:
    tally = soak_binance.cells(options.processes, options.points)
    return _met("Binance: crash points × outcomes × signals × markets", tally)


def _storms(options: argparse.Namespace) -> tuple[str, int]:
    tally = soak_binance.storms(options.processes, options.storm_kills)
    return _met("Binance: SIGKILL at a random moment", tally)


def _broken(options: argparse.Namespace) -> tuple[str, int]:
    return _met("Binance: broken programs that must be found out", soak_binance.broken(options.processes))


def _met(what: str, tally: BinanceTally) -> tuple[str, int]:
    met = f"{tally.orders} orders, {tally.executions} executions, {tally.faults} faults, {tally.starts} starts"
    return _row(what, tally.cases, len(tally.wrong), met), len(tally.wrong)


def _row(what: str, trials: int, bad: int, met: str) -> str:
    return f"| {what} | {trials:,} | {bad} | {'-' if bad else bound(trials)} | {met} |"


def _shares(total: int, most: int) -> list[int]:
    return [min(most, total - begun) for begun in range(0, total, most)]


if __name__ == "__main__":
    simulation.quiet()
    sys.exit(main(sys.argv[1:]))
