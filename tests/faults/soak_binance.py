"""The soak's parts with Binance in the loop: every doubt, every cell, random kills, and the programs that are broken."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.binance_cases import Case, Tally, cases, run_cases
from tests.faults.binance_kills import kill_at_random
from tests.faults.binance_matrix import CELLS, MARKETS, Cell, run_cell
from tests.faults.binance_truth import SPOT
from tests.faults.binance_world import give_birth
from tests.faults.breakages import FOUND_BY
from tests.faults.lives import Template

_A_SHARE = 25
_KILLS_A_DIRECTORY = 24
_CELL_SECONDS = 120
# What a trial that failed has left behind: the venue's journal, the database, the log.
KEPT = Path("data/soak-failures")


@asynccontextmanager
async def _ground(market: str) -> AsyncIterator[tuple[Path, Template, Path]]:
    """A folder, the template process, and a data directory with empty books."""
    folder = Path(tempfile.mkdtemp())
    template = Template(folder / "template.log")
    try:
        yield folder, template, await give_birth(folder / "born", template, market)
    finally:
        template.close()
        shutil.rmtree(folder)


def _keep(folder: Path, *names: object) -> None:
    """For whoever looks for the cause."""
    place = KEPT / "-".join(str(each).replace(" ", "-") for each in names)
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("born", "*.sock"), dirs_exist_ok=True)


def _told(tally: Tally) -> Tally:
    for wrong in tally.wrong:
        print(wrong[:600], flush=True)
    return tally


# --- shares, each in a process of its own ----------------------------------------------------------


def run_doubts(market: str, wanted: list[Case]) -> Tally:
    """These cases, in one life after another."""

    async def run() -> Tally:
        async with _ground(market) as (folder, template, born):
            tally = await run_cases(folder, template, market, wanted, born)
            if tally.wrong:
                _keep(folder, "doubts", market, wanted[0])
            return tally

    return _told(asyncio.run(run()))


def run_storm(market: str, kills: int, seed: int) -> Tally:
    """So many kills on one data directory."""

    async def run() -> Tally:
        async with _ground(market) as (folder, template, born):
            tally = await kill_at_random(folder / "storm", template, market, kills=kills, seed=seed, born=born)
            if tally.wrong:
                _keep(folder, "storm", market, seed)
            return tally

    return _told(asyncio.run(run()))


def run_cells(market: str, wanted: list[Cell]) -> Tally:
    """These cells, one after another."""

    async def run() -> Tally:
        tally = Tally()
        async with _ground(market) as (folder, template, born):
            for cell in wanted:
                tally.cases += 1
                tally.wrong += await _cell(folder, template, cell, born)
        return tally

    return _told(asyncio.run(run()))


async def _cell(folder: Path, template: Template, cell: Cell, born: Path) -> list[str]:
    place = folder / "-".join(cell)
    try:
        async with asyncio.timeout(_CELL_SECONDS):
            wrong = await run_cell(place, template, cell, born)
    except Exception as error:  # noqa: BLE001 - one cell that cannot be judged must not end the others
        wrong = [f"{type(error).__name__}: {str(error)[-1500:]}"]
    if wrong:
        _keep(place, "cell", *cell)
    shutil.rmtree(place, ignore_errors=True)
    return [f"cell {' '.join(cell)}: {wrong[0]}"] if wrong else []


def run_broken(name: str) -> Tally:
    """A broken program that the harness does not find out is what is wrong here."""
    case = next(each for each in cases() if str(each) == FOUND_BY[name])

    async def run() -> Tally:
        async with _ground(SPOT) as (folder, template, born):
            return await run_cases(folder, template, SPOT, [case], born, broken=name)

    found = asyncio.run(run())
    return _told(Tally(cases=1, wrong=[] if found.wrong else [f"{name} is not found out by {case}"]))


# --- the parts -------------------------------------------------------------------------------------


def doubts(processes: int, named: str) -> Tally:
    """Every case whose name contains `named`, in both markets."""
    shares = [(market, wanted[n : n + _A_SHARE])
              for market in MARKETS for wanted in [[each for each in cases() if named in str(each)]]
              for n in range(0, len(wanted), _A_SHARE)]  # fmt: skip
    with ProcessPoolExecutor(processes) as pool:
        return _sum(list(pool.map(run_doubts, *zip(*shares, strict=True))) if shares else [])


def cells(processes: int, named: str) -> Tally:
    """Every cell whose name contains `named`."""
    chosen = {market: [each for each in CELLS if each[0] == market and named in " ".join(each)] for market in MARKETS}
    shares = [
        (market, wanted[n : n + _A_SHARE]) for market, wanted in chosen.items() for n in range(0, len(wanted), _A_SHARE)
    ]
    with ProcessPoolExecutor(processes) as pool:
        return _sum(list(pool.map(run_cells, *zip(*shares, strict=True))) if shares else [])


def storms(processes: int, kills: int) -> Tally:
    """So many kills, half of them in each market."""
    rounds = [
        (market, _KILLS_A_DIRECTORY, seed + 1)
        for seed in range(kills // (2 * _KILLS_A_DIRECTORY))
        for market in MARKETS
    ]
    with ProcessPoolExecutor(processes) as pool:
        return _sum(list(pool.map(run_storm, *zip(*rounds, strict=True))) if rounds else [])


def broken(processes: int) -> Tally:
    """Every program that is broken on purpose."""
    with ProcessPoolExecutor(processes) as pool:
        return _sum(list(pool.map(run_broken, FOUND_BY)))


def _sum(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole
