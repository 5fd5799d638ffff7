"""Binance in the loop: everything that can leave us in doubt, kills, and programs that are broken on purpose.

`make test` runs some of each kind, `make soak` all of them.
"""

import asyncio
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.faults import binance_kills, binance_matrix
from tests.faults.binance_cases import Case, cases, run_cases
from tests.faults.binance_truth import SPOT, USDM
from tests.faults.binance_world import give_birth
from tests.faults.breakages import BREAKAGES, FOUND_BY
from tests.faults.lives import Template

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"
# One of each kind of doubt, and of each thing that may be doubted.
SHARE = {
    SPOT: (
        "place partly drop_after", "place fills truncated_after", "want partly html_502_after", "cancel rests http_504_after",
        "modify rests cut_after", "search order lagging", "hear fills lose", "want fills code_1006_after dies",
    ),
    USDM: (
        "want fills ban_418", "cancel partly fill_first", "modify rests hang_after", "search everything lagging_long",
        "hear partly reorder",
    ),
}  # fmt: skip
CELLS = [
    (SPOT, "send-no-answer", "in-part", "SIGKILL"),
    (USDM, "fill-after-insert", "answer-lost", "SIGKILL"),
]
MARKETS = (SPOT, USDM)
Births = Callable[[str], Path]


@pytest.fixture(scope="session")
def births(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Births:
    """For each market a data directory with empty books; the first start would take most of the time of each life."""

    @cache
    def born(market: str) -> Path:
        return asyncio.run(give_birth(tmp_path_factory.mktemp("born"), template, market))

    return born


def named(text: str) -> Case:
    return next(each for each in cases() if str(each) == text)


@pytest.mark.timeout(7200 if SOAK else 280)
@pytest.mark.parametrize("market", MARKETS)
def test_doubts(tmp_path: Path, template: Template, births: Births, market: str):
    """Whatever the venue does not say: nothing lost, nothing doubled, money exact."""
    wanted = cases() if SOAK else [named(each) for each in SHARE[market]]
    tally = asyncio.run(run_cases(tmp_path, template, market, wanted, births(market)))
    print(tally)
    assert tally.wrong == []
    assert tally.cases == len(wanted)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("cell", binance_matrix.CELLS if SOAK else CELLS, ids="-".join)
def test_killed_there(tmp_path: Path, template: Template, births: Births, cell: binance_matrix.Cell):
    """At a crash point; two restarts, and the goal is reached in the end, once."""
    assert asyncio.run(binance_matrix.run_cell(tmp_path, template, cell, births(cell[0]))) == []


@pytest.mark.timeout(7200 if SOAK else 280)
@pytest.mark.parametrize("market", MARKETS if SOAK else [SPOT])
def test_kills_at_random_moments(tmp_path: Path, template: Template, births: Births, market: str):
    """Safe after each, agreed at the end."""
    kills, seed = (200 if SOAK else 3), int(os.environ.get("QUARTERDECK_SEED", "1"))
    work = binance_kills.kill_at_random(tmp_path, template, market, kills=kills, seed=seed, born=births(market))
    tally = asyncio.run(work)
    assert tally.wrong == []


@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", FOUND_BY if SOAK else ["new_id_again"])
def test_a_broken_program_is_found_out(tmp_path: Path, template: Template, births: Births, name: str):
    """The case that says nothing of the program as it is says what is wrong with that one."""
    case = named(FOUND_BY[name])
    tally = asyncio.run(run_cases(tmp_path, template, SPOT, [case], births(SPOT), broken=name))
    assert tally.wrong


def test_every_breakage_has_a_case():
    """And every share is a part of the whole."""
    assert set(FOUND_BY) == set(BREAKAGES)
    names = {str(each) for each in cases()}
    assert {*FOUND_BY.values(), *SHARE[SPOT], *SHARE[USDM]} <= names
    assert set(CELLS) <= set(binance_matrix.CELLS)
