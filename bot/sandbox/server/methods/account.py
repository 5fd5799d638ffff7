"""The bot's own account: getMe, names, descriptions."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import METHODS, Call, Handler, method

_TEXTS = {"Name": 64, "Description": 512, "ShortDescription": 120}


@method("getMe")
def get_me(call: Call) -> dict[str, Any]:
    """The bot as a `User`."""
    return {
        **call.world.bot.to_api(), "can_join_groups": True, "can_read_all_group_messages": False,
        "supports_inline_queries": False, "can_connect_to_business": False, "has_main_web_app": False,
    }  # fmt: skip


@method("logOut")
@method("close")
def leave(_: Call) -> bool:
    """Accepted and without effect: there is no other server to move to."""
    return True


def _field(name: str) -> str:
    return {"Name": "name", "Description": "description", "ShortDescription": "short_description"}[name]


def _setter(name: str, longest: int) -> Handler:
    def handler(call: Call) -> bool:
        value = call.params.text(_field(name))
        if len(value) > longest:
            raise bad_request(f"BOT_{_field(name).upper()}_TOO_LONG")
        key = f"bot.{_field(name)}.{call.params.text('language_code')}"
        call.world.history.remember(key, value or None)
        return True

    return handler


def _getter(name: str) -> Handler:
    def handler(call: Call) -> dict[str, str]:
        default = call.world.bot.first_name if name == "Name" else ""
        key = f"bot.{_field(name)}."
        language = call.params.text("language_code")
        value = call.world.history.setting(key + language, call.world.history.setting(key, default))
        return {_field(name): value}

    return handler


for _name, _longest in _TEXTS.items():
    METHODS[f"setmy{_name.lower()}"] = _setter(_name, _longest)
    METHODS[f"getmy{_name.lower()}"] = _getter(_name)
