"""The bot's command list and its menu button."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.params import whole
from bot.sandbox.server.world import World

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_MOST_COMMANDS = 100
_LONGEST_DESCRIPTION = 256
_SCOPES = frozenset({"default", "all_private_chats", "all_group_chats", "all_chat_administrators"})
_CHAT_SCOPES = frozenset({"chat", "chat_administrators", "chat_member"})


def _key(call: Call) -> str:
    scope = call.params.object("scope") or {"type": "default"}
    kind = str(scope.get("type", ""))
    language = call.params.text("language_code")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise bad_request("BOT_COMMAND_LANGUAGE_INVALID")
    if kind in _SCOPES:
        return f"commands.{kind}.{language}"
    if kind not in _CHAT_SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    if whole(scope.get("chat_id")) not in call.world.chats:
        raise bad_request("chat not found")
    return f"commands.{kind}.{scope['chat_id']}.{scope.get('user_id', '')}.{language}"


def _command(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise bad_request("expected an Object as BotCommand")
    name, description = str(entry.get("command", "")).removeprefix("/"), str(entry.get("description", ""))
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not description.strip():
        raise bad_request("command description must be non-empty")
    if len(description) > _LONGEST_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description.strip()}


@method("setMyCommands")
def set_my_commands(call: Call) -> bool:
    """Set the commands of one scope and language."""
    entries = call.params.json("commands")
    if not isinstance(entries, list):
        raise bad_request("expected an Array of BotCommand")
    if len(entries) > _MOST_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    commands = [_command(entry) for entry in entries]
    call.world.history.remember(_key(call), commands or None)
    call.world.events_bell.ring()
    return True


@method("getMyCommands")
def get_my_commands(call: Call) -> list[dict[str, str]]:
    """The commands of exactly one scope and language."""
    found: list[dict[str, str]] = call.world.history.setting(_key(call), [])
    return found


@method("deleteMyCommands")
def delete_my_commands(call: Call) -> bool:
    """Forget the commands of one scope and language."""
    call.world.history.remember(_key(call), None)
    call.world.events_bell.ring()
    return True


def commands_for(world: World, chat_id: int) -> list[dict[str, str]]:
    """The commands that a person sees in a private chat: the narrowest scope that has any."""
    for key in (f"chat.{chat_id}..", "all_private_chats.", "default."):
        for language in ("en", ""):
            found: list[dict[str, str]] | None = world.history.setting(f"commands.{key}{language}")
            if found:
                return found
    return []


@method("setChatMenuButton")
def set_chat_menu_button(call: Call) -> bool:
    """Choose what the button beside the text field does."""
    button = call.params.object("menu_button") or {"type": "default"}
    if str(button.get("type")) not in {"default", "commands", "web_app"}:
        raise bad_request("can't parse MenuButton: Unsupported type specified")
    call.world.history.remember(f"menu.{_menu_chat(call)}", button)
    return True


@method("getChatMenuButton")
def get_chat_menu_button(call: Call) -> dict[str, Any]:
    """What the button does."""
    default = call.world.history.setting("menu.", {"type": "commands"})
    found: dict[str, Any] = call.world.history.setting(f"menu.{_menu_chat(call)}", default)
    return found


def _menu_chat(call: Call) -> str:
    return str(call.chat().id) if call.params.has("chat_id") else ""
