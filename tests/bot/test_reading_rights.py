"""Who may see one account only never reads of another: every command that only looks, every button below it, for every role."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.command import Call, Command, Origin, discover
from bot.commands.overview import draw_live
from bot.people import Caller
from bot.screen import Nav, Screen
from core.access.roles import Actor, Permission, Role
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import UserError
from core.store.models import AlertRow, DeliveryRow, OrderRow
from tests.core.test_floor import CALM, House, house, settings

ZONE = ZoneInfo("UTC")
# The fund is worth a sum that nothing else is, so that its figures can be told from others.
RICH = {
    "fund": {
        "broker": {"adapter": "paper", "initial_cash": "7777000"},
        "limits": CALM | {"max_order_value": 50_000_000},
    }
}
SECRETS = ("fund", "beta", "7,77", "7777", "7.77")
READERS = [Actor("2", "Eve", role, {"fund": None}) for role in Role if role is not Role.ADMIN]
READERS += [Actor("2", "Eve", Role.VIEWER, {"main": Role.TRADER, "*": None})]


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[House]:
    """Both accounts have orders, fills, positions, alerts of every gravity, a halt, and a mute."""
    async with house(settings(tmp_path, accounts=RICH)) as found:
        while not all(desk.portfolio.held() for desk in found.engine.floor):
            await found.days(1)
        for desk in found.engine.floor:
            whose = f"of {desk.account}"
            for severity in Severity:
                alert = Alert("order", severity, f"Something {whose}", f"more {whose}", account=desk.account)
                await found.engine.alerts.add(alert)
        await found.desk("fund").halt_for("TEST", "a secret of fund")
        yield found


def call_of(made: House, command: Command, args: tuple[str, ...], actor: Actor) -> Call:
    now = made.engine.clock.now()
    return Call(actor, 2, 1, args, " ".join(args), made.service, now, ZONE, Origin.MESSAGE, command)


async def shown(made: House, name: str, args: tuple[str, ...], actor: Actor) -> tuple[str, list[Nav]]:
    """Everything that can be read, and where its buttons lead."""
    command = discover().find(name)
    assert command is not None
    call = call_of(made, command, args, actor)
    try:
        if command.accounts is not None:
            await command.accounts(call)
        screen = await command.handler(call)
    except UserError as error:
        return f"{error} {error.options if hasattr(error, 'options') else ''}", []
    keys = [key for row in screen.buttons for key in row]
    read = "\n".join([str(screen.text), screen.toast, *(f"{key.label} {getattr(key, 'args', '')}" for key in keys)])
    return read + _attached(screen), [key for key in keys if isinstance(key, Nav)]


def _attached(screen: Screen) -> str:
    return (screen.document.data.decode() + screen.document.name) if screen.document else ""


def leaks(read: str) -> list[str]:
    return [word for word in SECRETS if word in read]


@pytest.mark.parametrize("reader", READERS, ids=lambda each: f"{each.role.label}-{len(each.roles)}")
async def test_nothing_of_an_account_that_one_may_not_see_is_ever_shown(made: House, reader: Actor) -> None:
    """From every command through all buttons, as deep as they go. (The audit trail is whole for those who may read it.)"""
    looks = [each.name for each in discover() if each.permission is Permission.VIEW and not each.changes]
    queue: deque[tuple[str, tuple[str, ...]]] = deque((name, ()) for name in looks)
    been: set[tuple[str, tuple[str, ...]]] = set()
    found: list[str] = []
    while queue and len(been) < 400:
        name, args = queue.popleft()
        if (name, args) in been:
            continue
        been.add((name, args))
        read, keys = await shown(made, name, args, reader)
        found += [f"/{name} {' '.join(args)}: {word} in {read[:300]}" for word in leaks(read)]
        where = [discover().find(key.command) for key in keys]
        looking = [(key, to) for key, to in zip(keys, where, strict=True) if to and not to.changes]
        queue.extend((key.command, key.args) for key, to in looking if to.permission is Permission.VIEW)
    assert found == []
    assert len(been) > len(looks) + 20


async def test_what_is_guessed_is_not_there(made: House) -> None:
    """Numbers and names that the reader may have from elsewhere."""
    order = (await OrderRow.filter(account="fund").first()).client_order_id  # type: ignore[union-attr]
    alert = str((await AlertRow.filter(account="fund", kind="order").first()).id)  # type: ignore[union-attr]
    guesses = [
        ("order", (order,)), ("alert", (alert,)), ("strategy", ("beta",)), ("performance", ("beta",)),
        ("chart", ("AAPL", "fund")), ("exposure", ("fund",)), ("report", ("all", "fund")), ("pnl", ("fund",)),
        ("risk", ("fund",)), ("limits", ("fund",)), ("status", ("fund",)), ("positions", ("fund",)), ("orders", ("all", "beta")),
        ("balance", ("fund",)), ("fills", ("1", "fund")), ("orders", ("all", "1", "fund")),
    ]  # fmt: skip
    for name, args in guesses:
        read, keys = await shown(made, name, args, READERS[0])
        said = read
        for guess in args:  # what was typed may be said back; nothing else may be told
            said = said.replace(guess, "")
        assert not leaks(said), (name, args, read)
        assert not keys or "fund" not in str(keys), (name, args)


async def test_the_live_board_and_alerts_are_filtered_too(made: House) -> None:
    """What comes by itself says no more than what is asked for."""
    text, _ = await draw_live(made.service, Caller(READERS[0], 2, 2, ZONE))
    assert not leaks(str(text))
    everyone = {row.recipient for row in await DeliveryRow.all()}
    assert everyone == {"1"}, "Eve is no user of these settings"


async def test_an_admin_reads_both(made: House) -> None:
    """So what is looked for is there to be found."""
    admin = Actor("1", "Ada", Role.ADMIN)
    read = "".join([(await shown(made, name, (), admin))[0] for name in ("status", "orders", "alerts", "strategies")])
    assert {"fund", "beta", "7,77"} <= set(leaks(read))
