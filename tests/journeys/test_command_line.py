"""`quarterdeck run`, `check`, `halt` and `console` as typed in a terminal."""

import json
import os
import signal

import pytest

from tests.journeys.books import Books
from tests.journeys.person import said
from tests.journeys.sandbox import Sandbox, quarterdeck

WRONG = {
    "users": [],
    "market": {"source": "bundled", "symbols": ["AAPL", "NOPE"], "speeed": 3},
    "accounts": {"paper": {"broker": {"adapter": "paper"}, "limits": {"daily_loss_halt_percent": -5}}},
    "sorcery": True,
}
GOOD = {
    "users": [{"id": 1001, "name": "Ada", "role": "admin"}],
    "market": {"source": "bundled", "symbols": ["AAPL"]},
    "accounts": {"paper": {"broker": {"adapter": "paper", "initial_cash": "1000", "currency": "USD"}}},
}
TOKEN = "123456789:AAE" + "x" * 32


def config(folder, content) -> str:
    (folder / "quarterdeck.yaml").write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_problem_at_once(tmp_path, command):
    """No token, nobody allowed, a bad limit, unknown keys: each in a line with place and remedy, and exit code 2."""
    done = quarterdeck(command, "--config", config(tmp_path, WRONG))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("  - ")]
    for place, remedy in (
        ("telegram", "@BotFather"), ("users", "admin"), ("daily_loss_halt_percent", ""), ("sorcery", "no such setting"),
        ("market.speeed", "did you mean speed?"),
    ):  # fmt: skip
        assert [line for line in lines if place in line and remedy in line], (place, lines)
    assert f"{len(lines)} problems" in done.stderr
    assert not (tmp_path / "data").exists()


def test_check_says_that_all_is_well(tmp_path):
    """Exit code 0, and no secret on the screen."""
    done = quarterdeck("check", "--config", config(tmp_path, GOOD), QUARTERDECK_TELEGRAM__TOKEN=TOKEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout
    assert TOKEN not in done.stdout


def test_check_looks_at_a_broker(tmp_path):
    """What it has is said, nothing is left behind, and one that is not there is named with what there is."""
    folder = config(tmp_path, GOOD | {"telegram": {"token": TOKEN}, "data_dir": str(tmp_path / "data")})
    done = quarterdeck("check", "--broker", "paper", "--config", folder)
    assert done.returncode == 0, done.stderr
    assert "Balances: 1,000 USD." in done.stdout
    assert done.stdout.splitlines()[-1] == "Nothing was ordered, changed or cancelled."
    assert list((tmp_path / "data").iterdir()) == []
    other = quarterdeck("check", "--broker", "papr", "--config", folder)
    assert other.returncode == 2
    assert "did you mean paper?" in other.stderr


def test_a_wrong_token_is_not_repeated(tmp_path):
    """It is a secret even when it is wrong."""
    done = quarterdeck("check", "--config", config(tmp_path, GOOD), QUARTERDECK_TELEGRAM__TOKEN="hunter2secret")
    assert done.returncode == 2
    assert "telegram.token" in done.stderr
    assert "hunter2secret" not in done.stderr


def test_a_running_bot_is_halted_without_telegram(own_calm):
    """`quarterdeck halt` says what happened, and the chat is told."""
    done = quarterdeck("halt", "--data-dir", str(own_calm.data_dir), "smoke", "in", "the", "room")
    assert done.returncode == 0
    assert "HALTED" in done.stdout
    assert "smoke in the room" in said(own_calm.admin.wait_for_push("Trading is HALTED"))
    assert "Halted" in said(own_calm.admin.say("/status"))


def test_the_terminal_halts_a_part_and_a_signal_the_rest(own_calm):
    """`--strategy` halts only that; SIGUSR1 halts everything and the process lives on."""
    done = quarterdeck("halt", "--data-dir", str(own_calm.data_dir), "--strategy", "trend-aapl", "odd")
    assert (done.returncode, "trend-aapl is HALTED" in done.stdout) == (0, True)
    assert "Halted" not in said(own_calm.admin.say("/status"))
    os.kill(own_calm.process.pid, signal.SIGUSR1)
    assert "the signal SIGUSR1" in said(own_calm.admin.wait_for_push("Trading is HALTED"))
    assert "Halted" in said(own_calm.admin.say("/status"))
    assert own_calm.process.poll() is None


def test_a_halt_with_nothing_running_is_obeyed_at_the_next_start(tmp_path):
    """The flag survives until a start, which begins halted, and is used up by it."""
    with Sandbox(tmp_path / "data") as sandbox:
        sandbox.data_dir.mkdir(exist_ok=True)
        done = quarterdeck("halt", "--data-dir", str(sandbox.data_dir), "before it began")
        assert done.returncode == 0
        assert "next start begins halted" in done.stdout
        assert (sandbox.data_dir / "HALT").read_text().strip() == "before it began"
        sandbox.start(speed=50)
        assert "before it began" in said(sandbox.admin.say("/status"))
        assert not (sandbox.data_dir / "HALT").exists()
        sandbox.run_until("2000-05-01")
        sandbox.stop()
        assert not Books(sandbox.data_dir).orders()


def test_the_console_runs_commands_through_a_pipe(own_calm):
    """The same screens as plain text; questions are answered with y."""
    lines = "/status\nhalt\nresume\ny\nstatus\nnonsense\n"
    done = quarterdeck("console", "--data-dir", str(own_calm.data_dir), stdin=lines)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("Cash", "Trading is HALTED", "Resume trading?", "Trading has resumed", "no command /nonsense"):
        assert words in done.stdout, done.stdout
    assert "<b>" not in done.stdout
    assert "Halted" not in said(own_calm.admin.say("/status"))


def test_the_console_without_a_running_bot_says_so(tmp_path):
    """Exit code 1 and a sentence."""
    done = quarterdeck("console", "--data-dir", str(tmp_path), stdin="/status\n")
    assert done.returncode == 1
    assert "no running Quarterdeck" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_finds_what_was_tampered_with(tmp_path):
    """Books and audit trail are computed again from their history; one figure that was changed is named. Exit code 1."""
    with Sandbox(tmp_path / "data", relaxed=True) as sandbox:
        sandbox.start(speed=0)
        sandbox.run_until("2000-06-01")
        running = quarterdeck("verify", "--sandbox", str(sandbox.data_dir))
        assert running.returncode == 2
        assert "another instance" in running.stderr
        audited = quarterdeck("audit", "verify", "--sandbox", str(sandbox.data_dir))
        assert (audited.returncode, audited.stderr) == (0, "")
        head = audited.stdout.split("head ")[1].split()[0]
        sandbox.stop()
        good = quarterdeck("verify", "--sandbox", str(sandbox.data_dir))
        assert (good.returncode, good.stderr) == (0, "")
        assert "Everything is what its history says." in good.stdout
        sandbox.books().change("UPDATE ledger_balances SET amount = '1' WHERE account = 'cash/paper'")
        sandbox.books().change("UPDATE audit SET detail = 'nothing' WHERE seq = 1")
        bad = quarterdeck("verify", "--sandbox", str(sandbox.data_dir))
        assert bad.returncode == 1
        assert "cash/paper" in bad.stdout
        assert "audit: line 1 is not as it was written" in bad.stdout
        assert "Do not trade" in bad.stdout
        sandbox.books().change("DELETE FROM audit")
        gone = quarterdeck("audit", "verify", "--sandbox", str(sandbox.data_dir), "--head", head)
        assert gone.returncode == 1
        assert f"WRONG: the trail ends at line 0, but line {head.split(':')[0]} was there" in gone.stdout
        slip = quarterdeck("audit", "verify", "--sandbox", str(sandbox.data_dir), "--head", "5f3a")
        assert (slip.returncode, "a head is a line's number" in slip.stderr) == (2, True)


def test_verify_needs_a_data_directory(tmp_path):
    """A clear word, no traceback."""
    done = quarterdeck("verify", "--sandbox", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "there is no such data directory" in done.stderr
