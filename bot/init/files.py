"""Writes quarterdeck.yaml and .env: whole or not at all, for their owner alone, and nothing is lost that was there."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.store.disk import sync_directory

_EMPTY_USERS = re.compile(r"^users:[ \t]*(\[[ \t]*\])?[ \t]*(#.*)?$\n?", re.MULTILINE)
STRATEGIES: Mapping[str, tuple[str, str]] = {
    "trend-msft": (
        "follows the trend of MSFT, with a stop at 8 % and a trailing one at 12 %",
        """  - name: trend-msft
    kind: trend
    symbols: [MSFT]
    parameters: {fast: 20, slow: 60}
    sizing: {method: fixed_fractional, percent: 10}
    exits: {stop_loss: {percent: 8}, trailing: {percent: 12}}
""",
    ),
    "reversion-aapl": (
        "buys AAPL when it has fallen far from its mean",
        """  - name: reversion-aapl
    kind: mean_reversion
    symbols: [AAPL]
    sizing: {method: fixed, value: 8000}
""",
    ),
    "breakout-ibm": (
        "follows breakouts of IBM from its channel, a tenth of the account at most",
        """  - name: breakout-ibm
    kind: breakout
    symbols: [IBM]
    sizing: {method: volatility_target, target_percent: 10, max_leverage: 0.1}
""",
    ),
}
_HEAD = """\
# Written by `quarterdeck init`. Every setting is explained in docs/configuration.md.
# Secrets (the bot's token, the vault's key) are in .env, not here.
"""
_BODY = """
data_dir: {data_dir}
conflicts: net

market:
  source: bundled
  symbols: [AAPL, IBM, MSFT]
  start: 2000-03-01T00:00:00Z
  speed: 0.01          # a daily bar every 100 seconds

accounts:
  paper:               # a SIMULATED account over replayed history
    broker:
      adapter: paper
      initial_cash: {cash}
      currency: USD
      slippage: {{model: percent, value: 2}}
      fees: {{maker_bps: 1, taker_bps: 2, minimum: 1}}
    limits:
      max_order_value_percent: 12
      max_order_value: 20000
      max_position_percent: 25
      stale_quote_seconds: null      # replayed prices have no age that matters
      daily_loss_alert_percent: 2
      daily_loss_reduce_percent: 3
      daily_loss_halt_percent: 5

strategies:{strategies}
"""


@dataclass(frozen=True, slots=True)
class Admin:
    """The first person on the list."""

    user_id: int
    name: str
    time_zone: str


def users_text(admin: Admin) -> str:
    """The section with one admin."""
    entry = f"{{id: {admin.user_id}, name: {json.dumps(admin.name)}, role: admin, time_zone: {admin.time_zone}}}"
    return f"users:\n  - {entry}\n"


def settings_text(cash: int, strategies: Sequence[str], admin: Admin | None, data_dir: str) -> str:
    """A whole quarterdeck.yaml; without an admin it waits for `init` to be run again."""
    users = (
        users_text(admin) if admin else "# users: nobody yet; run `quarterdeck init` again to pair the first admin\n"
    )
    listed = "\n" + "\n".join(STRATEGIES[name][1].rstrip() for name in strategies) if strategies else " []"
    return _HEAD + users + _BODY.format(cash=cash, strategies=listed, data_dir=json.dumps(data_dir))


def with_admin(text: str, admin: Admin) -> str:
    """An existing file with its first admin; an empty list of users gives way, all else stays as it is."""
    kept = _EMPTY_USERS.sub("", text).rstrip("\n")
    return f"{kept}\n\n{users_text(admin)}"


def with_variables(text: str, values: Mapping[str, str]) -> str:
    """A .env with these variables: a line that sets one is replaced, others stay, new ones come last."""
    for name, value in values.items():
        line, known = f"{name}={value}", re.compile(rf"^(export[ \t]+)?{re.escape(name)}[ \t]*=.*$", re.MULTILINE)
        if known.search(text):
            text = known.sub(line.replace("\\", r"\\"), text)
        else:
            text = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"
    return text


def write(path: Path, text: str) -> None:
    """Replace a file in one step; nobody but its owner may read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # its mode is 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def put_aside(path: Path) -> Path:
    """Move a file out of the way, under a name that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
