"""Answers to pressed buttons, and reactions."""

from __future__ import annotations

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import Call, method

_LONGEST_ANSWER = 200


@method("answerCallbackQuery")
def answer_callback_query(call: Call) -> bool:
    """Tell the user something, once, while the app still waits."""
    text = call.params.text("text")
    since = call.world.clock() - call.world.limits.callback_seconds
    query_id = call.params.text("callback_query_id")
    if not call.world.history.open_callback(query_id, since):
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if len(text) > _LONGEST_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    answer = {"text": text or None, "show_alert": call.params.flag("show_alert")}
    url = call.params.text("url")
    if url:
        raise bad_request("URL_INVALID")
    call.world.history.answer_callback(query_id, answer)
    call.world.answers_bell.ring()
    return True


@method("setMessageReaction")
def set_message_reaction(call: Call) -> bool:
    """Put the bot's one emoji on a message, or take it away."""
    message = call.message(call.chat(), "react")
    reactions = call.params.json("reaction") or []
    if not isinstance(reactions, list) or not all(isinstance(entry, dict) for entry in reactions):
        raise bad_request("can't parse reaction types JSON object")
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(entry.get("type") != "emoji" or not entry.get("emoji") for entry in reactions):
        raise bad_request("REACTION_INVALID")
    message.reactions = reactions
    call.world.change(message)
    return True
