"""The database that the settings name."""

from __future__ import annotations

from core.settings import Settings
from core.store.database import Database, sqlite_url


def database_of(settings: Settings, *, durable: bool = True) -> Database:
    """The server's database if `database_url` names one, else a file in the data directory; not opened yet."""
    secret = settings.database_url
    path = settings.data_dir / "quarterdeck.sqlite3"
    url = secret.get_secret_value() if secret else sqlite_url(path, durable=durable)
    return Database(url, require_durable=durable)
