"""The address of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/NAME. Show only its place."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_OPTIONS = frozenset({"host", "sslmode"})
_FORM = "postgres://USER:PASSWORD@HOST:5432/NAME"


def problem_of_postgres_url(url: str) -> str | None:
    """What is wrong with an address, without a word of it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return f"this is not an address; write {_FORM}, special characters of the password as % codes"
    options = dict(parse_qsl(parts.query))
    if parts.scheme not in ("postgres", "postgresql"):
        return f"this is not a PostgreSQL address; write {_FORM}, or leave it out for a SQLite file in data_dir"
    if not (parts.path.strip("/") and parts.username and (parts.hostname or "host" in options)):
        return f"a part is missing; write {_FORM}"
    if unknown := set(options) - _OPTIONS:
        return f"there is no option {min(unknown)[:20]!r}; known are host (the folder of a socket) and sslmode"
    return None


def postgres_credentials(url: str) -> dict[str, Any]:
    """What the driver wants to know."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    credentials: dict[str, Any] = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password) if parts.password else None,
        "host": options.get("host") or parts.hostname,
        "port": parts.port or 5432,
        "database": unquote(parts.path.lstrip("/")),
        "place": postgres_place(url),
    }
    if "sslmode" in options:
        credentials["ssl"] = options["sslmode"]
    return credentials


def postgres_place(url: str) -> str:
    """Where it is, without users or passwords."""
    parts = urlsplit(url)
    host = dict(parse_qsl(parts.query)).get("host") or parts.hostname
    return f"postgres://{host}:{parts.port or 5432}/{unquote(parts.path.lstrip('/'))}"
