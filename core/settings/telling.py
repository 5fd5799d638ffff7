"""What is wrong with settings, in words: one line a problem, with its place and its remedy, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from core.settings.alerts import AlertSettings
from core.settings.channels import EmailSettings, WebhookSettings
from core.settings.market import MarketSettings
from core.settings.sections import (
    AccountSettings,
    ReportSettings,
    Settings,
    StrategySettings,
    UserSettings,
)
from core.settings.telegram import TOKEN, GroupSettings, TelegramSettings, TelegramWebhookSettings
from core.settings.vigil import HeartbeatSettings, WatchdogSettings
from risk.limits import RiskLimits

_TOKEN_REMEDY = "set QUARTERDECK_TELEGRAM__TOKEN in .env to the token that @BotFather gave you"  # noqa: S105
_REMEDIES = {
    "telegram": _TOKEN_REMEDY,
    "telegram.token": _TOKEN_REMEDY,
    "users": "list who may use the bot: users: [{id: 123456789, name: Ada, role: admin}]",
    "market": "say what to replay: market: {symbols: [AAPL]}",
    "accounts": "add an account: accounts: {paper: {broker: {adapter: paper}}}",
}
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "telegram": TelegramSettings, "users": UserSettings, "market": MarketSettings, "accounts": AccountSettings,
    "strategies": StrategySettings, "reports": ReportSettings, "limits": RiskLimits,
    "alerts": AlertSettings, "email": EmailSettings, "webhook": WebhookSettings, "heartbeat": HeartbeatSettings,
    "watchdog": WatchdogSettings, "groups": GroupSettings,
}  # fmt: skip
_SECRET = frozenset({"token", "broker", "database_url", "vault_key", "email", "webhook", "apprise", "heartbeat"})

_SHAPES = {
    "model_type": "must be a section: settings of its own, indented below it",
    "dict_type": "must be a section: settings of its own, indented below it",
    "tuple_type": "must be a list, like [a, b]",
}

Place = tuple[str | int, ...]


def problems_of(
    error: ValidationError, raw: Mapping[str, Any], variables: Mapping[tuple[str, ...], str]
) -> tuple[str, ...]:
    """Every problem in a line. `variables` are the environment variables that settings came from."""
    return tuple(sorted(_told(each, raw, variables) for each in error.errors(include_url=False, include_context=False)))


def _told(error: Any, raw: Mapping[str, Any], variables: Mapping[tuple[str, ...], str]) -> str:
    parts: Place = error["loc"]
    source = variables.get(tuple(map(str, parts)), "")
    place = ".".join(_steps(parts, raw)) + (f" (from {source})" if source else "")
    return f"{place or 'settings'}: {_what(error, parts)}"


def _what(error: Any, parts: Place) -> str:
    kind = error["type"]
    if kind == "missing":
        return f"is missing; {_REMEDIES.get('.'.join(map(str, parts)), 'add it')}"
    if kind == "extra_forbidden":
        return f"there is no such setting; {_near(parts)}"
    if kind in _SHAPES:
        return _SHAPES[kind]
    if kind == "string_pattern_mismatch":
        return f"does not fit: {_meaning(parts)}{_found(parts, error['input'])}"
    message = str(error["msg"]).removeprefix("Value error, ")
    found = "" if kind == "value_error" else _found(parts, error["input"])
    return f"{message[:1].lower()}{message[1:]}{found}"


def _steps(parts: Place, raw: Any) -> Iterator[str]:
    """The steps of a place; an item of a list is shown with its name."""
    for part in parts:
        raw = _inside(raw, part)
        name = raw.get("name") if isinstance(part, int) and isinstance(raw, Mapping) else None
        yield f"{part} ({str(name)[:60]})" if name else str(part)[:60]


def _inside(raw: Any, part: str | int) -> Any:
    try:
        return raw[part]
    except (KeyError, IndexError, TypeError):
        return None


def _found(parts: Place, value: object) -> str:
    """What was given, if it is short and cannot be a secret."""
    if _SECRET.intersection(map(str, parts)) or parts == ("telegram",):
        return ""
    text = repr(str(value))
    is_plain = (value is not None and not isinstance(value, Mapping | Sequence)) or isinstance(value, str)
    return f" (found {text[:60]})" if is_plain and not TOKEN.search(text) else ""


def _section(parts: Place) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for part in parts[:-1]:
        theirs = model is TelegramSettings and part == "webhook"  # alerts have a webhook, too
        model = TelegramWebhookSettings if theirs else _SECTIONS.get(str(part), model)
    return model


def _meaning(parts: Place) -> str:
    field = _section(parts).model_fields.get(str(parts[-1]))
    return (field.description or "see README.md") if field else "see README.md"


def _near(parts: Place) -> str:
    known = sorted(_section(parts).model_fields)
    near = get_close_matches(str(parts[-1]), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"remove it, or use one of: {', '.join(known)}"
