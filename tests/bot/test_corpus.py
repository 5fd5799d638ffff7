"""Every kind of update and of message that the Bot API documents, with a command in it wherever text fits: none is obeyed.

The client library reads each of them without a field that it does not know: so they are what Telegram really sends.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import telegram

from bot.backlog import Job
from bot.dispatch import Outcome
from bot.updates import Typed, read
from tests.bot.fakes import NOW
from tests.bot.stage import FakeSurface, Stage

ADA = {"id": 1, "is_bot": False, "first_name": "Ada"}
BOT = {"id": 7, "is_bot": True, "first_name": "b", "username": "b_bot"}
CHAT = {"id": 1, "type": "private", "first_name": "Ada"}
CHANNEL = {"id": -1009, "type": "channel", "title": "c"}
HALT = [{"type": "bot_command", "offset": 0, "length": 5}]
FILE = {"file_id": "f", "file_unique_id": "u"}
STAR = {"type": "emoji", "emoji": "👍"}
AT = int(NOW.timestamp())


def message(**more: Any) -> dict[str, Any]:
    body = {"message_id": 5, "date": AT, "chat": CHAT, "from": ADA, "text": "/halt", "entities": HALT, **more}
    return {name: value for name, value in body.items() if value is not None}


def media(**more: Any) -> dict[str, Any]:
    return message(text=None, entities=None, caption="/halt", caption_entities=HALT, **more)


def bare(**more: Any) -> dict[str, Any]:
    return message(text=None, entities=None, **more)


# Updates of every kind but `message` and `callback_query`; of `callback_query` those without a button of ours.
MEMBER = {"status": "member", "user": ADA}
KINDS: dict[str, dict[str, Any]] = {
    "edited_message": message(edit_date=AT),
    "channel_post": message(chat=CHANNEL, sender_chat=CHANNEL, **{"from": None}),
    "edited_channel_post": message(chat=CHANNEL, sender_chat=CHANNEL, edit_date=AT, **{"from": None}),
    "inline_query": {"id": "1", "from": ADA, "query": "/halt", "offset": ""},
    "chosen_inline_result": {"result_id": "1", "from": ADA, "query": "/halt"},
    "callback_query": {"id": "1", "from": ADA, "chat_instance": "1", "inline_message_id": "i", "data": "h1|x"},
    "shipping_query": {"id": "1", "from": ADA, "invoice_payload": "/halt", "shipping_address": {
        "country_code": "DE", "state": "", "city": "", "street_line1": "", "street_line2": "", "post_code": ""}},
    "pre_checkout_query": {"id": "1", "from": ADA, "currency": "EUR", "total_amount": 1, "invoice_payload": "/halt"},
    "poll": {"id": "1", "question": "/halt", "options": [], "total_voter_count": 0, "is_closed": False,
             "is_anonymous": True, "type": "regular", "allows_multiple_answers": False,
             "allows_revoting": False, "members_only": False},
    "poll_answer": {"poll_id": "1", "user": ADA, "option_ids": [0], "option_persistent_ids": []},
    "chat_member": {"chat": CHAT, "from": ADA, "date": AT, "old_chat_member": MEMBER, "new_chat_member": MEMBER},
    "chat_join_request": {"chat": CHANNEL, "from": ADA, "user_chat_id": 1, "date": AT, "bio": "/halt"},
    "chat_boost": {"chat": CHANNEL, "boost": {"boost_id": "b", "add_date": AT, "expiration_date": AT,
                                              "source": {"source": "premium", "user": ADA}}},
    "removed_chat_boost": {"chat": CHANNEL, "boost_id": "b", "remove_date": AT, "source": {"source": "premium", "user": ADA}},
    "message_reaction": {"chat": CHAT, "message_id": 5, "user": ADA, "date": AT, "old_reaction": [], "new_reaction": [STAR]},
    "message_reaction_count": {"chat": CHAT, "message_id": 5, "date": AT, "reactions": [{"type": STAR, "total_count": 1}]},
    "business_connection": {"id": "b", "user": ADA, "user_chat_id": 1, "date": AT, "is_enabled": True},
    "business_message": message(business_connection_id="b"),
    "edited_business_message": message(business_connection_id="b", edit_date=AT),
    "deleted_business_messages": {"business_connection_id": "b", "chat": CHAT, "message_ids": [5]},
    "purchased_paid_media": {"from": ADA, "paid_media_payload": "/halt"},
    "managed_bot": {"user": ADA, "bot": BOT},
    "guest_message": message(guest_query_id="g"),
}  # fmt: skip

# Messages that a known person's private chat can bring and that are not their own plain words.
MESSAGES: dict[str, dict[str, Any]] = {
    "forward of a user": message(forward_origin={"type": "user", "sender_user": ADA, "date": 1}),
    "forward of a hidden user": message(forward_origin={"type": "hidden_user", "sender_user_name": "x", "date": 1}),
    "forward of a chat": message(forward_origin={"type": "chat", "sender_chat": CHANNEL, "date": 1}),
    "forward of a channel": message(forward_origin={"type": "channel", "chat": CHANNEL, "message_id": 1, "date": 1}),
    "automatic forward": message(is_automatic_forward=True),
    "via a bot": message(via_bot=BOT),
    "in a channel's name": message(sender_chat=CHANNEL),
    "by the service": message(**{"from": {**ADA, "id": 777000}}),
    "by an anonymous admin": message(**{"from": {**BOT, "id": 1087968824}}),
    "by the channel bot": message(**{"from": {**BOT, "id": 136817688}}),
    "by a bot": message(**{"from": {**ADA, "is_bot": True}}),
    "by nobody": message(**{"from": None}),
    "by a business bot": message(sender_business_bot=BOT),
    "scheduled or away": message(is_from_offline=True),
    "photo": media(photo=[{**FILE, "width": 1, "height": 1}]),
    "document": media(document=FILE),
    "video": media(video={**FILE, "width": 1, "height": 1, "duration": 1}),
    "voice": media(voice={**FILE, "duration": 1}),
    "audio": media(audio={**FILE, "duration": 1}),
    "animation": media(animation={**FILE, "width": 1, "height": 1, "duration": 1}, document=FILE),
    "paid media": media(paid_media={"star_count": 1, "paid_media": [{"type": "preview"}]}),
    "story": bare(story={"chat": CHANNEL, "id": 1}),
    "dice": bare(dice={"emoji": "🎲", "value": 1}),
    "contact": bare(contact={"phone_number": "1", "first_name": "/halt"}),
    "location": bare(location={"latitude": 1.0, "longitude": 1.0}),
    "poll": bare(poll=KINDS["poll"]),
    "sticker": bare(
        sticker={**FILE, "type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False}
    ),
    "web app": bare(web_app_data={"data": "/halt", "button_text": "/halt"}),
    "users shared": bare(users_shared={"request_id": 1, "users": []}),
    "pinned": bare(pinned_message=message()),
    "background": bare(chat_background_set={"type": {"type": "chat_theme", "theme_name": "x"}}),
}
MODES = {"update": KINDS, "message": MESSAGES}
CASES = [(f"{mode}: {name}", name if mode == "update" else "message", body)
         for mode, bodies in MODES.items() for name, body in bodies.items()]  # fmt: skip


def strange(value: Any) -> list[str]:
    """Fields that the library does not know, wherever they are."""
    if isinstance(value, list | tuple):
        return [each for one in value for each in strange(one)]
    if not isinstance(value, telegram.TelegramObject):
        return []
    names = [name for name in value.to_dict(recursive=False) if name != "api_kwargs"]
    return [*value.api_kwargs, *(each for name in names for each in strange(getattr(value, name, None)))]


@pytest.mark.parametrize(("kind", "body"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_it_is_no_command(kind: str, body: dict[str, Any]) -> None:
    """Nothing is done; a person of ours hears why, at most once; the others hear nothing."""
    update = {"update_id": 1, kind: body}
    parsed = telegram.Update.de_json(update, None)
    assert parsed is not None
    assert strange(parsed) == []
    stage, surface = Stage(), FakeSurface()
    front, job = stage.front(surface), Job(1, json.dumps(update), NOW)
    front.place(job)
    assert await front.handle(job) is Outcome.REFUSED
    assert stage.service.calls == []
    assert len(surface.shown) <= 1


def test_every_kind_is_there() -> None:
    """What this version of the Bot API can send at all."""
    fields = set(inspect.signature(telegram.Update.__init__).parameters) - {"self", "update_id", "api_kwargs"}
    assert fields - {"message", "my_chat_member"} == set(KINDS)


@pytest.mark.parametrize(
    "more",
    [
        {"reply_to_message": message()},
        {"external_reply": {"origin": {"type": "user", "sender_user": ADA, "date": 1}}},
        {"quote": {"text": "/halt", "position": 0}},
        {"reply_to_story": {"chat": CHANNEL, "id": 1}},
        {"link_preview_options": {"is_disabled": True}},
        {"effect_id": "1"},
        {"has_protected_content": True},
        {"a_field_of_next_year": {"x": 1}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_own_words_are_heard_whatever_comes_with_them(more: dict[str, Any]) -> None:
    """A halt must not fail because Telegram adds a field."""
    incoming = read(json.dumps({"update_id": 1, "message": message(**more)}))
    assert isinstance(incoming, Typed)
    assert incoming.text == "/halt"
