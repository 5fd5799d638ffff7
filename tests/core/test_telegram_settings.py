"""Groups and the webhook in the settings: what is refused, with words, and without showing the secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from core.settings import GroupMode, GroupSettings, TelegramSettings, TelegramWebhookSettings

TOKEN = "123456789:" + "A" * 35
SECRET = "s" * 32


def hook(**more: Any) -> TelegramWebhookSettings:
    return TelegramWebhookSettings(**{"url": "https://bot.example.org/telegram", "secret": SecretStr(SECRET), **more})


def test_what_is_meant() -> None:
    """A group only looks unless it says otherwise; without a webhook we poll."""
    settings = TelegramSettings(token=SecretStr(TOKEN), groups=(GroupSettings(id=-100),))
    assert settings.groups[0].mode is GroupMode.READ_ONLY
    assert settings.webhook is None
    assert (hook().host, hook().port, hook().path) == ("127.0.0.1", 8443, "/telegram")
    assert (hook(listen="[::1]:9000").host, hook(url="https://bot.example.org").path) == ("::1", "/")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "http://bot.example.org/x"}, "https://"),
        ({"url": "https://bot.example.org:9999/x"}, "8443"),
        ({"url": "bot.example.org"}, "web address"),
        ({"secret": SecretStr("short-but-secret")}, "openssl"),
        ({"secret": SecretStr("ü" * 40)}, "openssl"),
        ({"listen": "8443"}, "127.0.0.1:8443"),
        ({"listen": "127.0.0.1:99999"}, "127.0.0.1:8443"),
    ],
)
def test_what_is_refused(more: dict[str, Any], says: str) -> None:
    """In words that help; the secret is in none of them."""
    with pytest.raises(ValidationError) as caught:
        hook(**more)
    assert says in str(caught.value)
    assert "short-but-secret" not in str(caught.value)


def test_groups_are_negative_and_named_once() -> None:
    """A person's id is no group's."""
    with pytest.raises(ValidationError):
        GroupSettings(id=100)
    twice = (GroupSettings(id=-100), GroupSettings(id=-100))
    with pytest.raises(ValidationError, match="same id"):
        TelegramSettings(token=SecretStr(TOKEN), groups=twice)
