"""Rules of the house that no linter knows."""

import ast
from pathlib import Path

import pytest

from core.service import Quarterdeck

ROOT = Path(__file__).parents[2]
FOLDERS = ("bot", "core", "brokers", "risk")
# The one clock; the embedded server is another program, Telegram's stand-in, with its own.
TIME_ALLOWED = ("core/clock.py", "bot/sandbox/server/")
BANNED_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.monotonic",
    "time.perf_counter",
}
BANNED_MODULES = {"random", "uuid", "secrets"}
# Ids that are made of a name, not of chance.
MADE_OF_NAMES = {"NAMESPACE_OID", "UUID", "uuid5"}
# Dispatch, event delivery, task supervision; the strategy host isolates.
BROAD_ALLOWED = {
    "bot/app.py", "bot/approving.py", "bot/channels/apprise.py", "bot/checks.py", "bot/dispatch.py", "bot/running.py", "bot/whereabouts.py",
    "bot/front.py", "bot/intake.py", "bot/program.py", "bot/worker.py", "core/actions/halting.py",
    "brokers/ccxt/client.py", "brokers/ccxt/streams/channel.py", "brokers/ccxt/streams/market_feed.py", "brokers/ccxt/streams/tap.py",
    "core/moments.py", "core/alerts/lane.py", "core/events.py", "core/scheduler.py", "core/supervision.py", "core/strategy/host.py",
}  # fmt: skip


Sources = tuple[tuple[str, tuple[ast.AST, ...]], ...]


@pytest.fixture(scope="module")
def sources() -> Sources:
    """All that stands in each file: to read them takes longer than any of the tests."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    return tuple(
        (path.relative_to(ROOT).as_posix(), tuple(ast.walk(tree))) for path, tree in zip(paths, trees, strict=True)
    )


def test_time_and_chance_enter_through_the_clock_alone(sources: Sources) -> None:
    """No clock, random number or id is taken anywhere else."""
    found = []
    for path, nodes in sources:
        if path.startswith(TIME_ALLOWED):
            continue
        for node in nodes:
            if isinstance(node, ast.Call) and ".".join(ast.unparse(node.func).split(".")[-2:]) in BANNED_CALLS:
                found.append(f"{path}:{node.lineno} {ast.unparse(node.func)}")
            if isinstance(node, ast.ImportFrom) and {each.name for each in node.names} <= MADE_OF_NAMES:
                continue
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {node.module or ""} if isinstance(node, ast.ImportFrom) else {each.name for each in node.names}
                found += [f"{path}:{node.lineno} imports {name}" for name in names & BANNED_MODULES]
    assert found == []


def test_broad_excepts_stand_in_the_named_places_only(sources: Sources) -> None:
    """Everywhere else an error is named, or cleaned up after and raised again."""
    found = set()
    for path, nodes in sources:
        for node in nodes:
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            raises = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if caught in {"", "Exception", "BaseException"} and not raises:
                found.add(path)
    assert found <= BROAD_ALLOWED, found - BROAD_ALLOWED


def test_no_two_rooms_of_the_service_have_a_method_of_one_name() -> None:
    """The rooms are one class in the end: the second of two would silently take the first one's place."""
    rooms: dict[str, list[str]] = {}
    for room in Quarterdeck.__mro__[:-1]:
        for name in vars(room):
            if not name.startswith("__"):
                rooms.setdefault(name, []).append(room.__name__)
    assert {name: where for name, where in rooms.items() if len(where) > 1} == {}
