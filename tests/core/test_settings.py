"""Settings: every problem at once, with its place and remedy, and never a secret."""

from decimal import Decimal
from pathlib import Path

import pytest

from core.checking import load_checked
from core.errors import SettingsError
from core.settings import Settings, load_settings

TOKEN = "123456789:" + "A" * 35
GOOD = """
users: [{id: 11, name: Ada, role: admin}]
market: {symbols: [AAPL], start: 2000-03-01}
accounts: {paper: {broker: {adapter: paper}, limits: {max_order_value_percent: 1.1}}}
strategies: [{name: trend, kind: trend, symbols: [AAPL]}]
"""
ENV = {"QUARTERDECK_TELEGRAM__TOKEN": TOKEN}


def write(folder: Path, text: str = GOOD, name: str = "quarterdeck.yaml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def problems(folder: Path, env: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_checked(folder, ENV if env is None else env)
    return "\n".join(caught.value.problems)


def loaded(folder: Path, **env: str) -> Settings:
    return load_settings(folder, {**ENV, **env})


def test_good_settings_load_exactly(tmp_path: Path) -> None:
    """Numbers with a point stay exact, a day is UTC, the token is hidden."""
    write(tmp_path)
    settings = load_checked(tmp_path, {**ENV, "QUARTERDECK_DATA_DIR": str(tmp_path / "data")})
    assert settings.accounts["paper"].limits.max_order_value_percent == Decimal("1.1")
    assert settings.market.start is not None
    assert settings.market.start.tzinfo is not None
    assert TOKEN not in repr(settings) + str(settings)


def test_later_sources_win(tmp_path: Path) -> None:
    """Base, environment file (named in YAML or by variable), .env, environment."""
    write(tmp_path, GOOD + "environment: staging\nrisk_sweep_seconds: 3\nreconcile_seconds: 10\n")
    write(tmp_path, "risk_sweep_seconds: 4\nreports: {weekly_day: mon}\n", "quarterdeck.staging.yaml")
    write(tmp_path, f"QUARTERDECK_TELEGRAM__TOKEN='{TOKEN}'\nexport QUARTERDECK_RISK_SWEEP_SECONDS=5\n", ".env")
    settings = load_settings(tmp_path, {"QUARTERDECK_CONFLICTS": "veto", "QUARTERDECK_MARKET__SYMBOLS": "[IBM]"})
    assert (settings.risk_sweep_seconds, settings.reconcile_seconds, settings.reports.weekly_day) == (5, 10, "mon")
    assert (settings.conflicts, settings.market.symbols) == ("veto", ("IBM",))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("users: [{id: 11, name: Ada, role: admin}]", "users: []", "users: nobody may use the bot"),
        ("users: [{id: 11, name: Ada, role: admin}]", "users:", "users: is missing; list who may"),
        ("role: admin", "role: viewer", "nobody is admin"),
        ("role: admin}", "role: admin}, {id: 11, name: Bob, role: viewer}", "two users have the same id: 11"),
        ("id: 11", "id: yes", "users.0 (Ada).id: an id is a number"),
        ("role: admin", "role: admin, time_zone: Mars", "time_zone: unknown time zone 'Mars'"),
        ("1.1", "1e400", "max_order_value_percent: input should be less than or equal to 1000"),
        ("1.1", ".nan", "max_order_value_percent"),
        ("1.1", "-.inf", "max_order_value_percent"),
        ("max_order_value_percent", "max_ordr_value", "did you mean max_order_value?"),
        ("symbols: [AAPL], start", "symbols: [AAPL], spead: 1, start", "market.spead: there is no such setting; did you mean speed?"),
        ("market: {symbols: [AAPL]", "market: {symbols: [AAPL, AAPL]", "named twice: AAPL"),
        ("symbols: [AAPL], start", "symbols: [XXXX], start", "there is no history of XXXX"),
        ("kind: trend", "kind: trent", "Did you mean trend?"),
        ("kind: trend", "kind: trend, parameters: {fast: 500}", "strategies.0 (trend).fast"),
        ("kind: trend", "kind: trend, sizing: {method: no}", "sizing method must be one of"),
        ("adapter: paper", "adapter: papper", "papper"),
        ("users: [", "users: [{", "line 2, column"),
        ("market:", "users: []\nmarket:", "'users' is given twice"),
        ("2000-03-01", "2000-13-45", "is not valid YAML"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    """And what to do."""
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new))
    assert words in problems(tmp_path)


def test_everything_wrong_at_once(tmp_path: Path) -> None:
    """No token, a bad limit, unknown keys in file and environment, and a bad strategy: one page."""
    write(tmp_path, GOOD.replace("1.1", "0").replace("kind: trend", "kind: trent") + "typo: 1\n")
    page = problems(tmp_path, {"QUARTERDECK_TYPPO": "1", "QUARTERDECK_MARKET__SPEDD": "2"})
    for words in ("telegram: is missing", "max_order_value_percent", "typo: there", "typpo (from QUARTERDECK_TYPPO)",
                  "market.spedd (from QUARTERDECK_MARKET__SPEDD)", "'trent'"):  # fmt: skip
        assert words in page


@pytest.mark.parametrize(
    "env",
    [
        {"QUARTERDECK_TELEGRAM": TOKEN},
        {"QUARTERDECK_TELEGRAM": TOKEN, **ENV},
        {"QUARTERDECK_TELEGRAM__TOKEN": TOKEN + "!"},
        {"QUARTERDECK_TELEGRAM__TOKN": TOKEN},
        {"QUARTERDECK_TELEGRAM__POLL_SECONDS": TOKEN},
        {"QUARTERDECK_TELEGRAM": "[" + TOKEN},
        {"QUARTERDECK_": TOKEN},
        {"QUARTERDECK_TELEGRAM____TOKEN": TOKEN},
    ],
)
def test_a_misplaced_token_is_a_problem_but_never_printed(tmp_path: Path, env: dict[str, str]) -> None:
    """Wherever it was put by mistake."""
    write(tmp_path)
    assert TOKEN not in problems(tmp_path, env)


def test_a_token_in_broken_yaml_is_not_printed(tmp_path: Path) -> None:
    """The line is named, not shown."""
    write(tmp_path, f'telegram: {{token: "{TOKEN}\nusers: [')
    assert TOKEN not in problems(tmp_path)


def test_missing_and_unreadable_files_say_what_to_do(tmp_path: Path) -> None:
    """No file, a directory in its place, another encoding, an environment without its file, a broken .env."""
    assert "there is no such file; make one" in problems(tmp_path)
    write(tmp_path)
    assert "quarterdeck.stagng.yaml: cannot be read" in problems(tmp_path, {**ENV, "QUARTERDECK_ENVIRONMENT": "stagng"})
    write(tmp_path, "QUARTERDECK_TELEGRAM__TOKEN\n", ".env")
    assert "has no value" in problems(tmp_path, {})
    (tmp_path / "quarterdeck.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in problems(tmp_path)


def test_a_token_never_travels_unencrypted(tmp_path: Path) -> None:
    """Except to this machine itself."""
    write(tmp_path)
    assert "unencrypted" in problems(tmp_path, {**ENV, "QUARTERDECK_TELEGRAM__BASE_URL": "http://example.org/bot"})
    loaded(tmp_path, QUARTERDECK_TELEGRAM__BASE_URL="http://127.0.0.1:8765/bot")
