"""kill -9 between every two steps from a chat message to its answer and from an alert to its delivery.

    python -m tests.faults.chat_kills --runs 1000

The embedded Bot API server lives in this process and is the witness; the program is another process, and dies. Judged
after each crash: no command is lost (it is done, or its sender is told that it was not), none is run twice, no alert is
lost, and none comes more than once more than there were crashes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from bot.sandbox.run import sandbox_settings
from bot.sandbox.server import ADMIN, TRADER, VIEWER, Limits, SandboxServer
from tests.databases import sqlite_file
from tests.faults.chat_child import ARM, RAISE, ChatLife
from tests.faults.chat_points import ALERT, BEFORE_THE_BEGINNING, CASES, HALT, LOOK, PRESS, TYPED
from tests.faults.lives import Template

CHILD = Path(__file__).with_name("chat_child.py")
PATIENCE = 60.0
STRATEGY = "trend-msft"
PEOPLE = (ADMIN, TRADER, VIEWER)
_TOLD = ("interrupted", "cut short", "Expired", "too late", "Not run", "Something went wrong")


class Stuck(AssertionError):
    """The program did not do in time what it must; its log says more."""


@dataclass
class Tally:
    """What was seen, over all crashes."""

    crashes: int = 0
    not_reached: int = 0
    repeated_alerts: int = 0
    told_interrupted: int = 0
    wrong: list[str] = field(default_factory=list)
    by_point: Counter[str] = field(default_factory=Counter)


class House:
    """A data directory, the server beside it, and whichever life is running."""

    def __init__(self, folder: Path, template: Template) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        sqlite_file(self.data / "quarterdeck.sqlite3")
        self.server = SandboxServer(data_dir=folder / "telegram", port=0, limits=Limits.relaxed())
        self.tally = Tally()
        self._template = template
        self._pid = 0
        self._number = 0
        self._presses: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.server.start()
        self.http = httpx.AsyncClient(base_url=self.server.url, timeout=60)
        over = {"market": {"speed": 0.001}, "telegram": {"poll_seconds": 5}}
        settings = sandbox_settings(self.data, self.server, over)
        self._settings = json.loads(settings.model_dump_json())
        self._settings["telegram"]["token"] = self.server.token
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._presses:
            task.cancel()
        await asyncio.gather(*self._presses, return_exceptions=True)
        await self.kill()
        await self.http.aclose()
        await self.server.stop()

    # --- lives -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """A new life on the same data; returns when it works and all that waited is done."""
        for name in ("ready", "armed", "met"):
            (self.folder / name).unlink(missing_ok=True)
        self._pid = self._template.fork(ChatLife(self._settings, str(self.folder)))
        await self.until((self.folder / "ready").exists, "it does not start")
        await self.until(self.is_quiet, "something is never finished")

    async def kill(self) -> None:
        """kill -9, if it lives."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            await self._template.wait()
            self._pid = 0

    async def until(self, true: Callable[[], bool], problem: str, seconds: float = PATIENCE) -> None:
        """Wait for something. Raises `Stuck`."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise Stuck(f"{problem}: {self.log()[-3000:]}")
            await asyncio.sleep(0.01)

    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    # --- looking -----------------------------------------------------------------------------------

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look into the program's database beside it; for reading alone.

        A connection that may write and closes last, because the program has just died, would take away the log.
        """
        with closing(sqlite3.connect(f"file:{self.data / 'quarterdeck.sqlite3'}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(sql, values).fetchall()

    def is_quiet(self) -> bool:
        """Whether nothing waits: not at the server, not in the inbox, not in the outbox."""
        if self.server.world.updates.count():
            return False
        waiting = self.ask("SELECT (SELECT count(*) FROM inbox WHERE outcome = ''),"
                           "(SELECT count(*) FROM deliveries WHERE status = 'waiting' AND channel = 'telegram')")  # fmt: skip
        return waiting == [(0, 0)]

    def seq(self, chat_id: int) -> int:
        return self.server.world.history.last_seq(chat_id)

    def said(self, chat_id: int, after: int) -> list[str]:
        """What the bot has shown since."""
        events = self.server.world.history.events(chat_id, after, 500)
        shown = [
            event["message"] for event in events if event["kind"] != "delete" and event["message"]["from"]["is_bot"]
        ]
        return [message["text"] or message["caption"] or "" for message in shown]

    def trail(self, action: str, after: int, detail: str = "") -> int:
        """How often an action was done, as the audit trail has it."""
        rows = self.ask(
            "SELECT count(*) FROM audit WHERE action = ? AND outcome IN ('ok', 'done') AND seq > ? AND detail LIKE ?",
            action, after, f"%{detail}%",
        )  # fmt: skip
        return int(rows[0][0])

    def last_line(self) -> int:
        return int(self.ask("SELECT coalesce(max(seq), 0) FROM audit")[0][0])

    def is_running(self) -> bool:
        return bool(self.ask("SELECT 1 FROM strategies WHERE name = ? AND status = 'running'", STRATEGY))

    # --- one crash ---------------------------------------------------------------------------------

    async def crash(self, point: str, action: str) -> None:
        """Do something, die on the way, live again, and judge."""
        self._number += 1
        try:
            judge = await self._lead_to(point, action)
            await self.until(self._is_dead, f"{point} was not reached by {action}", 6.0)
        except Stuck as stuck:
            self.tally.not_reached += 1
            self.tally.wrong.append(f"{point} {action}: {str(stuck)[:1500]}")
            await self.kill()
            await self.start()
            return
        await self._template.wait()
        self._pid = 0
        self.tally.crashes += 1
        self.tally.by_point[point] += 1
        await self.start()
        self.tally.wrong += [f"{point} {action} (crash {self._number}): {problem}" for problem in judge()]

    def _is_dead(self) -> bool:
        return (self.folder / "met").exists() and not _lives(self._pid)

    async def _lead_to(self, point: str, action: str) -> Callable[[], list[str]]:
        if action == PRESS:
            card = await self._card()
        (self.folder / "arm").write_text(point)
        line, seq = self.last_line(), self.seq(ADMIN.id)
        os.kill(self._pid, ARM)
        await self.until((self.folder / "armed").exists, "it cannot be armed")
        if action == ALERT:
            return self._alert()
        running = self.is_running()
        does = "pause strategy" if running else "start strategy"
        if action == PRESS:
            self._press(card, "Pause" if running else "Start")
        else:
            word = f"w{self._number}w"
            texts = {TYPED: f"/{'pause' if running else 'run'} {STRATEGY}", HALT: f"/halt {word}", LOOK: "/balance"}
            await self._say(texts[action])
        if action == HALT:
            return lambda: self._judge_halt(word, line, seq)
        if action == LOOK:
            return lambda: [] if self.said(ADMIN.id, seq) else ["the question was never answered"]
        return lambda: self._judge_change(point, does, line, seq)

    def _judge_change(self, point: str, does: str, line: int, seq: int) -> list[str]:
        done, told = self.trail(does, line, STRATEGY), self.said(ADMIN.id, seq)
        excused = any(words in text for text in told for words in _TOLD)
        self.tally.told_interrupted += excused
        wrong = [f"done {done} times"] if done > 1 else []
        if not told:
            wrong.append("nobody was told what became of it")
        if not done and not excused:
            wrong.append(f"lost: not done, and this was said: {told}")
        if point in BEFORE_THE_BEGINNING and done != 1:
            wrong.append(f"nothing had begun, and it was not run: {told}")
        return wrong

    def _judge_halt(self, word: str, line: int, seq: int) -> list[str]:
        done, told = self.trail("halt", line, word), self.said(ADMIN.id, seq)
        halted = self.ask("SELECT 1 FROM trading_states WHERE scope = 'global' AND state = 3") or self.ask(
            "SELECT 1 FROM trading_states WHERE scope = 'global' AND state <> 1"
        )
        wrong = [] if halted else ["the halt is lost"]
        wrong += [] if done else [f"the halt is not in the trail; {told}"]
        if not any("halted" in text.lower() for text in told):
            rows = self.ask(
                "SELECT update_id, begun, outcome, substr(payload, 1, 400) FROM inbox ORDER BY 1 DESC LIMIT 2"
            )
            wrong.append(f"the halt was not answered: {told} {rows} {self.log()[-1500:]}")
        return wrong

    # --- people ------------------------------------------------------------------------------------

    async def _say(self, text: str) -> None:
        body = {"user_id": ADMIN.id, "chat_id": ADMIN.id, "text": text}
        (await self.http.post("/sandbox/messages", json=body)).raise_for_status()

    async def _card(self) -> dict[str, Any]:
        """The strategy's card, with its buttons."""
        seq = self.seq(ADMIN.id)
        await self._say(f"/strategy {STRATEGY}")

        def shown() -> list[dict[str, Any]]:
            events = self.server.world.history.events(ADMIN.id, seq, 100)
            return [one["message"] for one in events if one["message"]["from"]["is_bot"] and one["message"]["buttons"]]

        await self.until(lambda: any(STRATEGY in (one["text"] or "") for one in shown()), "no card")
        await self.until(self.is_quiet, "the card is not finished")
        return next(one for one in shown() if STRATEGY in (one["text"] or ""))

    def _press(self, card: dict[str, Any], label: str) -> None:
        data = next(key["data"] for row in card["buttons"] for key in row if label in key["text"])
        body = {"user_id": ADMIN.id, "chat_id": ADMIN.id, "message_id": card["message_id"], "data": data}
        task = asyncio.ensure_future(self.http.post("/sandbox/presses", json=body))
        self._presses.add(task)
        task.add_done_callback(self._presses.discard)

    def _alert(self) -> Callable[[], list[str]]:
        word, marks = f"a{self._number}a", {user.id: self.seq(user.id) for user in PEOPLE}
        (self.folder / "alert").write_text(word)
        os.kill(self._pid, RAISE)

        def judge() -> list[str]:
            stored = self.ask("SELECT count(*) FROM alerts WHERE body = ?", f"{word}.") != [(0,)]
            wrong = []
            for chat_id, mark in marks.items():
                copies = [text for text in self.said(chat_id, mark) if f"{word}." in text]
                self.tally.repeated_alerts += max(0, len(copies) - 1)
                if stored and not copies:
                    wrong.append(f"alert lost for {chat_id}")
                if len(copies) > 2:
                    wrong.append(f"{len(copies)} copies for one crash, for {chat_id}")
                if len({number for text in copies for number in re.findall(r"#\d+", text)}) > 1:
                    wrong.append(f"the copies have different numbers: {copies}")
            added = (self.folder / "added").read_text().split() if (self.folder / "added").exists() else []
            return wrong + ([] if stored or word not in added else ["a committed alert is not there"])

        return judge


def _lives(pid: int) -> bool:
    """Whether a process is more than a name that the template has not yet asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before the file was opened, or before it was read
        return False


async def run_cases(folder: Path, cases: Sequence[tuple[str, str]]) -> Tally:
    """These crashes, one after another, in one house."""
    template = Template(folder / "template.log", child=CHILD)
    try:
        async with House(folder / "house", template) as house:
            for point, action in cases:
                await house.crash(point, action)
            return house.tally
    finally:
        template.close()


def run(runs: int, seed: int, only: str = "") -> Tally:
    """So many crashes at all points (that contain `only`) by turns, in an order that the seed gives."""
    dice = random.Random(seed)
    wanted = [case for case in CASES if only in " ".join(case)]
    cases: list[tuple[str, str]] = []
    while len(cases) < runs:
        cases += dice.sample(wanted, len(wanted))
    folder = Path(tempfile.mkdtemp())
    try:
        return asyncio.run(run_cases(folder, cases[:runs]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """`--runs` crashes at all points by turns, in an order that the seed gives."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=len(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only points and actions that contain this")
    args = parser.parse_args()
    begun = time.monotonic()
    tally = run(args.runs, args.seed, args.only)
    print(
        f"{tally.crashes} crashes at {len(tally.by_point)} points in {time.monotonic() - begun:.0f} s (seed {args.seed}):"
    )
    print(
        f"  told as interrupted {tally.told_interrupted}, alerts repeated {tally.repeated_alerts}, wrong {len(tally.wrong)}"
    )
    print(*(f"  {problem}" for problem in tally.wrong), sep="\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
