"""docs/brokers.md says what the adapters can do and how that was verified, and every mark leads to a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from pages import ROOT, files

from brokers.registry import adapter_names
from tests.brokers.ccxt.test_binance_requests import MARKETS
from tests.contract.harness import EXAMPLES_ONLY, harnesses
from tests.evidence.accounts import Account, accounts
from tests.evidence.claims import CLAIMS, Claim, Grade, claim_of
from tests.evidence.page import PAGE, cell, page
from tests.evidence.rows import GROUPS, NO, rows

ON_THE_SERVER = ("tests/contract/", "tests/brokers/ccxt/", "tests/brokers/ccxt_streams/", "tests/core/")
"""Where tests are that run our adapter against the venue server."""


@cache
def claimed() -> tuple[tuple[str, Account, Claim], ...]:
    """Every mark: its row, its account, and what it rests on."""
    return tuple(
        (row.key, account, claim)
        for row in rows()
        for account in accounts()
        if row.answer(account) != NO and (claim := claim_of(row.key, account.key)) is not None
    )


@cache
def found_in(path: str) -> dict[str, str]:
    """The tests of a file, with their text."""
    text = (ROOT / path).read_text(encoding="utf-8")
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.unparse(node) for node in found if node.name.startswith("test_")}


def nodes(grade: Grade) -> set[str]:
    return {claim.node for _, _, claim in claimed() if claim.grade is grade}


def test_the_page_is_what_the_code_says():
    """`make pages` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_adapter_and_market_is_on_it():
    """A new one needs its marks."""
    assert {account.adapter for account in accounts()} == set(adapter_names())
    heads = [line for line in page().splitlines() if line.startswith("|  |")]
    assert len(heads) == len(GROUPS)
    assert all(account.head in head for head in heads for account in accounts())


@pytest.mark.parametrize("account", accounts(), ids=lambda account: account.key)
def test_whatever_is_offered_has_a_mark(account: Account):
    """And what is not offered has a dash."""
    for row in rows():
        answer = row.answer(account)
        shown = cell(row.key, answer, account)
        assert (shown == "–") == (answer == NO)


def test_no_claim_is_about_something_that_there_is_not():
    """Rows and accounts by their names."""
    assert set(CLAIMS) == {row.key for row in rows()}
    known = {each.key for each in accounts()} | {each.adapter for each in accounts()}
    assert {key for claims in CLAIMS.values() for key in claims} <= known


def test_every_mark_leads_to_a_test():
    """In a file of the repository, by its name."""
    for node in nodes(Grade.OWN) | nodes(Grade.WIRE) | nodes(Grade.PAYLOAD):
        path, _, name = node.partition("::")
        assert ROOT / path in files(), node
        assert name in found_in(path), node


def test_a_mark_is_not_better_than_its_test():
    """Wire: our adapter against the venue server. Payload: documented answers. Nobody has been live."""
    assert nodes(Grade.LIVE) == set()
    assert all(node.startswith(ON_THE_SERVER) for node in nodes(Grade.WIRE))
    assert all(node.startswith("tests/brokers/venues/") for node in nodes(Grade.PAYLOAD))
    by_grade = {grade: {account.adapter for _, account, claim in claimed() if claim.grade is grade} for grade in Grade}
    assert by_grade[Grade.OWN] == {"paper"}
    assert by_grade[Grade.WIRE] == {harness.adapter for harness in harnesses()} - {"paper"}
    assert by_grade[Grade.PAYLOAD] == set(EXAMPLES_ONLY)
    for adapter in EXAMPLES_ONLY:
        assert (ROOT / "tests" / "brokers" / "venues" / "data" / f"{adapter}.json").is_file()


@pytest.mark.parametrize("market", MARKETS)
def test_every_kind_of_order_of_binance_has_its_words_in_a_test(market: str):
    """As those of the other venues have in tests/brokers/venues; FOK of futures is in the contract suite."""
    said = set(MARKETS[market][0]) | {"gtc"} | ({"fok"} if market == "usdm" else set())
    said = {"trailing percent" if each == "trailing" else each for each in said}
    (account,) = [each for each in accounts() if each.key == f"binance {market}"]
    orders = {row.key for group in GROUPS[1:3] for row in group.rows if row.answer(account) != NO}
    assert orders == said


def test_marks_of_streams_say_what_their_tests_do():
    """What is pushed, and what is asked for."""
    answers = {(row.key, account.key): row.answer(account) for row in rows() for account in accounts()}
    for row, account, claim in claimed():
        name = claim.node.partition("::")[2]
        if row in ("reports", "quotes", "bars", "books") and claim.grade is Grade.PAYLOAD:
            asked = "asked_for" in name or "nothing_is_pushed" in name
            assert (answers[row, account.key] == "asked for") == asked


def test_a_test_of_one_market_is_no_witness_of_another():
    """Each file names the market that it is a witness of, or goes through all accounts of its venue."""
    for row, account, claim in claimed():
        path = claim.node.partition("::")[0]
        if claim.grade in (Grade.WIRE, Grade.PAYLOAD) and not path.startswith("tests/contract/"):
            text = (ROOT / path).read_text(encoding="utf-8")
            named = account.market in text or ("QUESTIONS" in text and account.adapter in text) or "STREAMS" in text
            assert named, f"{row} of {account.key}: {claim.node} is not about it"


def test_limits_are_told_of_every_venue():
    """In words, each."""
    told = (Path(ROOT) / "tests" / "evidence" / "limits.txt").read_text(encoding="utf-8")
    heads = re.findall(r"^\*\*(\w+)", told, re.MULTILINE)
    assert {head.casefold() for head in heads} >= set(adapter_names())
