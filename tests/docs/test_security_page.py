"""What docs/security.md claims of OWASP ASVS 5.0.0: nothing left out, nothing invented, every named test is there."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache

import pytest
from asvs import LEVEL_OF, covered
from pages import DOCS, ROOT, cells, read, section

PAGE = DOCS / "security.md"
RESULTS = {"pass", "partly", "fail"}
ROWS = [row for row in cells(section(PAGE, "What applies").replace("`", "")) if row[0] != "id"]
ABSENT = [row for row in cells(section(PAGE, "What does not apply").replace("`", "")) if row[0] != "items"]
IDS = [row[0].removesuffix("★").strip() for row in ROWS]
NOT_HERE = [each.strip() for row in ABSENT for each in row[0].split(",")]
TESTS = sorted({each.strip() for row in ROWS for each in row[3].split(",") if each.strip() not in ("", "–")})


def test_the_standard_is_whole():
    """Three levels with as many requirements as the standard has."""
    assert Counter(LEVEL_OF.values()) == {1: 70, 2: 183, 3: 92}


def test_every_requirement_of_levels_1_and_2_is_there_once():
    """Either in the table or among those that do not apply, and never in both."""
    absent = [each for pattern in NOT_HERE for each in covered(pattern)]
    assert not [pattern for pattern in NOT_HERE if not covered(pattern) <= LEVEL_OF.keys() or not covered(pattern)]
    assert not [each for each, count in Counter([*IDS, *absent]).items() if count > 1 and LEVEL_OF[each] < 3]
    assert {each for each, level in LEVEL_OF.items() if level < 3} - {*IDS, *absent} == set()


def test_every_id_is_one_of_the_standard():
    """And those of level 3 have a star, for we chose them."""
    assert set(IDS) <= LEVEL_OF.keys()
    assert [row[0] for row in ROWS if ("★" in row[0]) != (LEVEL_OF[row[0].removesuffix("★").strip()] == 3)] == []


def test_the_rows_are_whole_and_in_order():
    """A result and a line of our own words each; what passes without a test says so by a dash."""
    assert [row for row in ROWS if row[1] not in RESULTS or not row[2] or not row[3]] == []
    assert [tuple(map(int, each.split("."))) for each in IDS] == sorted(
        tuple(map(int, each.split("."))) for each in IDS
    )


def test_the_counts_of_the_summary_are_right():
    """Of the table and of what does not apply."""
    told = {row[0]: row[1:] for row in cells(section(PAGE, "The result"))}
    absent = {each for pattern in NOT_HERE for each in covered(pattern)}
    for level in (1, 2, 3):
        mine = Counter(row[1] for row, each in zip(ROWS, IDS, strict=True) if LEVEL_OF[each] == level)
        counts = [mine["pass"], mine["partly"], mine["fail"]]
        missing = sum(LEVEL_OF[each] == level for each in absent) if level < 3 else None
        assert told[f"L{level}{' ★' if level == 3 else ''}"] == [
            *map(str, counts),
            "–" if missing is None else str(missing),
        ]


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse(read(ROOT / path))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("named", TESTS)
def test_every_test_that_is_named_exists(named):
    """By its file and name."""
    path, _, name = named.partition("::")
    assert name.startswith("test_"), named
    assert name in _tests_of(f"tests/{path}"), named


def test_most_of_what_passes_is_shown_by_a_test():
    """The rest is said in words, and they are few."""
    passed = [row for row in ROWS if row[1] == "pass"]
    assert sum(row[3] == "–" for row in passed) <= len(passed) // 5
