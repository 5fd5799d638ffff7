"""Codes: RFC 6238 to the letter, each once, few tries, and all of it durable."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.rights import Rights
from core.access.tickets import TicketRefused, TicketRequest, Tickets
from core.access.totp import SecondFactors, Verdict, is_code
from core.access.vault import KEY_FILE, SealBroken, Vault
from core.clock import Ids, ManualClock
from core.store.database import Database
from core.store.models import TotpRow

RFC_SEED = b"12345678901234567890"
ADA, BO = 7, 8


class Bench:
    """Second factors over a real database, an authenticator app for each person, a clock moved by hand."""

    def __init__(self, clock: ManualClock, folder: Path) -> None:
        self.clock, self.folder = clock, folder
        self.apps: dict[int, pyotp.TOTP] = {}
        self.rights = Rights(clock)
        self.tickets = Tickets(clock, Ids(clock), self.rights)
        self.restart()

    def restart(self) -> None:
        self.factors = SecondFactors(self.clock, Vault(self.folder))

    async def enrol(self, user: int = ADA) -> None:
        uri = self.factors.enrol(user, "Ada")
        self.apps[user] = pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])
        assert await self.factors.confirm(user, self.code(user))
        self.clock.advance(30)

    def code(self, user: int = ADA, steps: int = 0) -> str:
        return self.apps[user].at(int(self.clock.now().timestamp()) + 30 * steps)

    def wrong(self, user: int = ADA) -> str:
        near = {self.code(user, steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)

    async def judge(self, code: str, user: int = ADA) -> Verdict:
        return (await self.factors.judge(user, code, _nothing)).verdict

    async def miss(self, times: int, user: int = ADA) -> list[int]:
        """Wrong codes: the tries that are left after each."""
        return [(await self.factors.judge(user, self.wrong(user), _nothing)).left for _ in range(times)]


async def _nothing() -> None: ...


@pytest.fixture
async def bench(database: Database, clock: ManualClock, tmp_path: Path) -> Bench:
    made = Bench(clock, tmp_path)
    await made.enrol()
    return made


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
async def test_the_codes_of_the_rfc(database: Database, tmp_path: Path, at: int, code: str) -> None:
    """Appendix B of RFC 6238, the last six digits."""
    clock = ManualClock(datetime.fromtimestamp(at, UTC))
    factors = SecondFactors(clock, Vault(tmp_path), lambda _: RFC_SEED)
    uri = factors.enrol(ADA, "Ada <Admin>")
    assert f"secret={base64.b32encode(RFC_SEED).decode()}" in uri
    assert uri.startswith("otpauth://totp/Quarterdeck:Ada%20%3CAdmin%3E?")
    assert not await factors.confirm(ADA, str((int(code) + 1) % 1_000_000).zfill(6))
    assert await factors.confirm(ADA, code)


async def test_nothing_counts_before_the_first_code(bench: Bench) -> None:
    """Who enrols again and gives up keeps the old factor; who was never confirmed has none."""
    old = bench.code()
    bench.factors.enrol(ADA, "Ada")
    bench.factors.enrol(BO, "Bo")
    assert await bench.judge(old) is Verdict.ACCEPTED
    assert not await bench.factors.has(BO)
    assert await bench.judge("123456", BO) is Verdict.NO_FACTOR
    assert not await bench.factors.confirm(99, "123456")


@pytest.mark.parametrize(("steps", "verdict"), [(-2, "wrong"), (-1, "accepted"), (0, "accepted"), (1, "wrong")])
async def test_this_step_and_the_one_before(bench: Bench, steps: int, verdict: str) -> None:
    """Neither older codes nor such from the future."""
    bench.clock.advance(90)
    assert await bench.judge(bench.code(steps=steps)) == verdict


async def test_a_code_counts_once(bench: Bench) -> None:
    """Nor one of an earlier step after a later one, nor the code that confirmed the enrolment; nothing is counted as a guess."""
    assert await bench.judge(bench.code(steps=-1)) is Verdict.USED
    before, now = bench.code(steps=-1), bench.code()
    assert await bench.judge(f"{now[:3]} {now[3:]}") is Verdict.ACCEPTED
    assert await bench.judge(now) is Verdict.USED
    assert await bench.judge(before) is Verdict.USED
    bench.restart()
    assert await bench.judge(now) is Verdict.USED
    bench.clock.advance(30)
    assert await bench.judge(bench.code()) is Verdict.ACCEPTED


@given(st.text(max_size=8))
def test_only_six_digits_are_a_code(text: str) -> None:
    """Other writing systems have digits, too."""
    plain = text.strip().replace(" ", "")
    if is_code(text):
        assert len(plain) == 6
        assert plain.isascii()
        assert plain.isdigit()


def test_what_looks_like_a_code() -> None:
    """With a space in the middle, as apps show it; and nothing else."""
    assert [is_code(text) for text in ("123456", " 123 456 ", "12345", "1234567", "12 3456", "१२३४५६", "/123456")] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip


async def test_five_wrong_codes_lock_for_a_quarter_of_an_hour(bench: Bench) -> None:
    """Then even a right one is not looked at; a restart does not help; 15 minutes do."""
    assert await bench.miss(5) == [4, 3, 2, 1, 0]
    assert await bench.judge(bench.code()) is Verdict.LOCKED
    bench.restart()
    bench.clock.advance(15 * 60 - 1)
    assert await bench.judge(bench.code()) is Verdict.LOCKED
    bench.clock.advance(1)
    assert await bench.judge(bench.code()) is Verdict.ACCEPTED


async def test_each_lock_is_twice_as_long_until_a_right_code(bench: Bench) -> None:
    """15 minutes, 30, an hour; the twentieth wrong code of a day locks until an admin unlocks."""
    for minutes in (15, 30, 60):
        await bench.miss(5)
        judged = await bench.factors.judge(ADA, bench.code(), _nothing)
        assert judged.verdict is Verdict.LOCKED
        assert judged.until == bench.clock.now() + timedelta(minutes=minutes)
        bench.clock.advance(minutes * 60)
    assert await bench.miss(5) == [4, 3, 2, 1, 0]
    bench.clock.advance(30 * 86_400)
    assert await bench.judge(bench.code()) is Verdict.BLOCKED
    assert await bench.factors.unlock(ADA)
    assert not await bench.factors.unlock(ADA)
    assert await bench.judge(bench.code()) is Verdict.ACCEPTED


async def test_a_right_code_forgives_the_hour_but_not_the_day(bench: Bench) -> None:
    """Otherwise who guesses between two right codes has for ever."""
    for _ in range(4):
        assert await bench.miss(4) == [4, 3, 2, 1]
        assert await bench.judge(bench.code()) is Verdict.ACCEPTED
        bench.clock.advance(30)
    assert await bench.miss(4) == [3, 2, 1, 0]
    assert await bench.judge(bench.code()) is Verdict.BLOCKED


async def test_wrong_codes_are_forgotten_after_a_while(bench: Bench) -> None:
    """Four in a quarter of an hour, again and again, never lock until the day is full."""
    assert await bench.miss(4) == [4, 3, 2, 1]
    bench.clock.advance(15 * 60)
    assert await bench.miss(4) == [4, 3, 2, 1]
    bench.clock.advance(86_400)
    assert await bench.miss(1) == [4]


async def test_locks_are_of_one_person(bench: Bench) -> None:
    """Nobody locks anybody else out."""
    await bench.enrol(BO)
    await bench.miss(5)
    assert await bench.judge(bench.code(BO), BO) is Verdict.ACCEPTED
    assert await bench.judge(bench.code(ADA), BO) is Verdict.WRONG


async def test_of_the_same_code_twice_at_once_one_is_accepted_over_200_races(bench: Bench) -> None:
    """Two tasks, two actions that wait; one runs, and both or neither of code and ticket are used up."""
    for _ in range(200):
        requests = [TicketRequest("resume", {}, ADA, ADA, 60, True, needs_code=True) for _ in range(2)]
        nonces = await bench.tickets.mint(requests, None)
        code = bench.code()

        async def attempt(nonce: str, code: str = code) -> Verdict:
            return (await bench.factors.judge(ADA, code, lambda: bench.tickets.redeem(nonce))).verdict

        verdicts = await asyncio.gather(*(attempt(nonce) for nonce in nonces))
        used = [looked[1] for nonce in nonces if (looked := await bench.tickets.look(nonce))]
        assert sorted(verdicts) == [Verdict.ACCEPTED, Verdict.USED]
        assert used == [verdict is Verdict.ACCEPTED for verdict in verdicts]
        bench.clock.advance(30)


async def test_two_codes_at_once_run_one_action_once(bench: Bench) -> None:
    """This step's and the last one's, for the same action."""
    (nonce,) = await bench.tickets.mint([TicketRequest("resume", {}, ADA, ADA, 60, True, needs_code=True)], None)
    bench.clock.advance(30)

    async def attempt(code: str) -> str:
        try:
            return (await bench.factors.judge(ADA, code, lambda: bench.tickets.redeem(nonce))).verdict
        except TicketRefused as refused:
            return refused.problem

    found = await asyncio.gather(attempt(bench.code(steps=-1)), attempt(bench.code()))
    assert found.count(Verdict.ACCEPTED) == 1


async def test_an_action_that_cannot_be_stored_does_not_use_the_code_up(bench: Bench) -> None:
    """They share a transaction."""

    async def fails() -> None:
        raise OSError("disk full")

    code = bench.code()
    with pytest.raises(OSError, match="disk full"):
        await bench.factors.judge(ADA, code, fails)
    assert await bench.judge(code) is Verdict.ACCEPTED


async def test_the_seed_is_sealed_for_its_person(bench: Bench) -> None:
    """Neither readable in the database, nor any good in somebody else's row."""
    await bench.enrol(BO)
    row = await TotpRow.get(user_id=ADA)
    assert bench.apps[ADA].secret not in row.sealed
    assert KEY_FILE in {file.name for file in bench.folder.iterdir()}
    await TotpRow.filter(user_id=BO).update(sealed=row.sealed)
    with pytest.raises(SealBroken):
        await bench.judge(bench.code(ADA), BO)


async def test_what_waits_for_a_code_is_no_button(bench: Bench) -> None:
    """A press cannot redeem it; it is bound to its person, chat and minute; the newest counts."""
    request = TicketRequest("resume", {"0": "a"}, ADA, ADA, 60, True, needs_code=True)
    (first,) = await bench.tickets.mint([request], None)
    with pytest.raises(TicketRefused):
        await bench.tickets.take(first, user_id=ADA, chat_id=ADA, message_id=1)
    bench.clock.advance(1)
    (second,) = await bench.tickets.mint([request], None)
    awaiting = await bench.tickets.awaiting_code(ADA, ADA)
    assert awaiting is not None
    assert (awaiting[0], awaiting[1].args) == (second, {"0": "a"})
    assert await bench.tickets.awaiting_code(BO, ADA) is None
    assert await bench.tickets.awaiting_code(ADA, -5) is None
    bench.clock.advance(60)
    assert await bench.tickets.awaiting_code(ADA, ADA) is None
