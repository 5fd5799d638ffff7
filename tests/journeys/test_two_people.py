"""Codes and second persons through the real client: who they are, that they agree, and what is left of the codes."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from bot.console_server import ConsoleClient
from tests.journeys.person import Message, Person, labels, said
from tests.journeys.sandbox import ADMIN, STRANGER, Sandbox

SECOND = STRANGER  # the sandbox's fourth person, an admin here
OVER = {
    "users": [
        {"id": ADMIN, "name": "Ada Admin", "role": "admin"},
        {"id": SECOND, "name": "Sam Second", "role": "admin"},
        {"id": 1002, "name": "Vic Viewer", "role": "viewer"},
        {"id": 1004, "name": "Tess Trader", "role": "trader"},
    ],
    "security": {"totp": "required", "two_person": ["resume"]},
    "strategies": [],
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Sandbox]:
    """Nothing trades; two admins, and a code and a second one for a resume."""
    with Sandbox(tmp_path / "data", relaxed=True, over=OVER) as sandbox:
        sandbox.start(speed=0.001)
        sandbox.wait_until_quiet()
        yield sandbox


class App:
    """Somebody's authenticator app."""

    def __init__(self, house: Sandbox, name: str) -> None:
        self._totp = asyncio.run(self._enrol(house.data_dir, name))

    async def _enrol(self, data_dir: Path, name: str) -> pyotp.TOTP:
        client = await ConsoleClient.connect(data_dir)
        try:
            begun = await client.request({"enrol": name})
            totp = pyotp.TOTP(parse_qs(urlsplit(begun["address"]).query)["secret"][0])
            before = totp.at(int(time.time()) - 30)  # the step before, so that this one is still free
            assert (await client.request({"confirm": begun["user_id"], "code": before}))["ok"]
            return totp
        finally:
            await client.close()

    def code(self) -> str:
        return self._totp.at(int(time.time()))

    def wrong(self) -> str:
        near = {self._totp.at(int(time.time()) + 30 * steps) for steps in range(-4, 5)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


def asked(person: Person, words: str, after: int) -> Message:
    """Something that the bot says unasked."""
    found: Message = person.wait(lambda one: words in said(one["message"]), after)["message"]
    return found


def test_two_people_resume(house: Sandbox) -> None:
    """Halt, question, code, request; the second one sees it in full, shows who they are, and it runs; no code is left anywhere."""
    ada, sam = house.admin, house.person(SECOND)
    apps = {ada: App(house, "Ada Admin"), sam: App(house, "Sam Second")}
    assert "HALTED" in said(ada.say("/halt too wild"))
    sam.say("/start")  # nobody hears from a bot to which they never spoke
    before = sam.seq()
    assert "Send the 6-digit code" in said(ada.press(ada.say("/resume"), "Yes, resume"))
    codes = [apps[ada].code()]
    assert "Waits for a second person" in said(ada.say(codes[0]))
    request = asked(sam, "asks for your approval", before)
    assert "Ada Admin (1001)" in said(request)
    assert "too wild" in said(request)
    assert "Approve" in labels(request)[0]
    assert "is your own" in said(ada.say("/approve 1"))
    assert "needs the role" in said(house.viewer.say("/approve 1"))
    after = ada.seq()
    assert "Send the 6-digit code" in said(sam.press(request, "Approve"))
    assert "Halted" in said(ada.say("/status"))
    codes.append(apps[sam].code())
    assert "resumed" in said(sam.say(codes[1]))
    assert "approved by Sam Second" in said(asked(ada, "approved by", after))
    assert "Halted" not in said(ada.say("/status"))
    assert "has been approved by Sam" in said(ada.say("/approve 1"))
    trail = said(ada.say("/audit"))
    assert "approval given" in trail
    for person in (ada, sam):
        assert not [one for one in person.chat() if said(one) in codes], "a code stays in the chat"
    house.stop()
    written = house.stderr() + "".join(
        str(row) for table in ("audit", "inbox", "tickets", "approvals")
        for row in house.books().ask(f"SELECT * FROM {table}")
    )  # fmt: skip
    assert "approval given" in written
    assert not [code for code in codes if re.search(rf"\b{code}\b", written)], "a code was kept"


def test_locked_out_a_halt_still_works(house: Sandbox) -> None:
    """Five wrong codes lock, over a restart as well; halting by word and by button goes on working."""
    ada = house.admin
    app = App(house, "Ada Admin")
    ada.say("/halt first")
    ada.press(ada.say("/resume"), "Yes, resume")
    told = [said(ada.say(app.wrong())) for _ in range(5)]
    assert "4 tries left" in told[0]
    assert "no code is looked at for 15 min" in told[4]
    assert "no code is looked at" in said(ada.say(app.code()))
    house.stop()
    house.start(0.001)
    ada = house.admin
    assert "no code is looked at" in said(ada.press(ada.say("/resume"), "Yes, resume"))
    assert "already" in said(ada.say("/kill"))
    house.stop()
    assert [row[0] for row in house.books().ask("SELECT locks FROM totp")] == [1]
