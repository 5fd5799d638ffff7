"""python-telegram-bot against the sandbox: every object it receives is one it knows completely."""

import asyncio

import httpx
import pytest
import telegram
from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaDocument, InputMediaPhoto
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter

from bot.sandbox.server import ADMIN, STRANGER, Chat, Limits, SandboxServer
from tests.bot.sandbox.clients import exact_bot, unknown_fields, until
from tests.bot.sandbox.images import jpeg, png

GO = InlineKeyboardMarkup(
    [[InlineKeyboardButton("Go", callback_data="go"), InlineKeyboardButton("Docs", url="https://a.b/c")]]
)


def checked(thing):
    assert unknown_fields(thing) == []
    return thing


async def refused(call, reason):
    with pytest.raises((BadRequest, Forbidden)) as caught:
        await call
    assert caught.value.message.lower() == reason.lower()


async def test_identity(bot, server):
    me = checked(await bot.get_me())
    assert (me.is_bot, me.username) == (True, "quarterdeck_sandbox_bot")
    assert server.token.startswith(f"{me.id}:")


async def test_text_with_everything(bot):
    first = checked(await bot.send_message(ADMIN.id, "first"))
    message = checked(
        await bot.send_message(
            ADMIN.id, "<b>P&amp;L</b> /status 😀 <a href='https://a.b'>x</a>", parse_mode="HTML", reply_markup=GO,
            reply_parameters=telegram.ReplyParameters(first.message_id), disable_notification=True, protect_content=True,
            link_preview_options=telegram.LinkPreviewOptions(is_disabled=True),
        )
    )  # fmt: skip
    assert message.text == "P&L /status 😀 x"
    assert [(entity.type, entity.offset, entity.length) for entity in message.entities] == [
        ("bold", 0, 3), ("bot_command", 4, 7), ("text_link", 15, 1),
    ]  # fmt: skip
    assert message.reply_to_message.message_id == first.message_id
    assert message.reply_markup == GO
    assert message.has_protected_content


async def test_buttons_commands_and_answers(bot, ada):
    sent = await bot.send_message(ADMIN.id, "press", reply_markup=GO)
    said = await ada.say("/start deep", reply_to=sent.message_id)
    (update,) = checked(await bot.get_updates(timeout=40))
    assert update.message.message_id == said["message_id"]
    assert update.message.entities[0].type == "bot_command"
    assert update.message.reply_to_message.message_id == sent.message_id

    pressing = asyncio.create_task(ada.press(sent.message_id, "go"))
    (update,) = checked(await bot.get_updates(offset=update.update_id + 1, timeout=40))
    query = update.callback_query
    assert (query.data, query.from_user.id, query.message.message_id) == ("go", ADMIN.id, sent.message_id)
    assert await query.answer("done", show_alert=True)
    assert await pressing == {"text": "done", "show_alert": True, "timed_out": False}
    await refused(query.answer("again"), "Query is too old and response timeout expired or query id is invalid")


async def test_editing(bot, ada):
    message = await bot.send_message(ADMIN.id, "a", reply_markup=GO)
    unchanged = (
        "Message is not modified: specified new message content and reply markup are exactly the same "
        "as a current content and reply markup of the message"
    )
    await refused(message.edit_text("a", reply_markup=GO), unchanged)
    edited = checked(await message.edit_text("*b*", parse_mode="MarkdownV2"))
    assert (edited.text, edited.reply_markup, edited.edit_date is not None) == ("b", None, True)
    checked(await message.edit_reply_markup(GO))
    await refused(message.edit_reply_markup(GO), unchanged)
    await refused(message.edit_caption("x"), "There is no caption in the message to edit")
    said = await ada.say("mine")
    await refused(bot.edit_message_text("x", ADMIN.id, said["message_id"]), "Message can't be edited")
    await refused(bot.edit_message_text("x", ADMIN.id, 99_999), "Message to edit not found")
    kinds = [event["kind"] for event in (await ada.events())["events"]]
    assert kinds == ["message", "edit", "edit", "message"]


async def test_photos_and_documents(bot, ada):
    photo = checked(await bot.send_photo(ADMIN.id, png(30, 20), caption="<b>c</b>", parse_mode="HTML", reply_markup=GO))
    assert (photo.photo[-1].width, photo.photo[-1].height, photo.caption) == (30, 20, "c")
    assert bytes(await (await photo.photo[-1].get_file()).download_as_bytearray()) == png(30, 20)
    again = checked(await bot.send_photo(ADMIN.id, photo.photo[-1].file_id))
    assert again.photo[-1].file_unique_id == photo.photo[-1].file_unique_id
    document = checked(await bot.send_document(ADMIN.id, b"a,b\n", filename="../../t.csv"))
    assert (document.document.file_name, document.document.mime_type) == ("t.csv", "text/csv")
    edited = checked(await photo.edit_media(InputMediaPhoto(png(9, 9), caption="new"), reply_markup=GO))
    assert (edited.caption, edited.photo[-1].width) == ("new", 9)
    checked(await photo.edit_caption("newer"))
    await refused(photo.edit_text("x"), "There is no text in the message to edit")
    album = checked(
        await bot.send_media_group(ADMIN.id, [InputMediaDocument(b"1"), InputMediaDocument(b"2", caption="two")])
    )
    assert len({message.media_group_id for message in album}) == 1
    assert (await ada.last())["document_url"].startswith("/sandbox/files/")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no image", "Image_process_failed"), (b"", "File must be non-empty"), (jpeg(9000, 2000), "Photo_invalid_dimensions"),
     (png(1, 50), "Photo_invalid_dimensions"),
     (b"\xff\xd8" + bytes(10 * 1024 * 1024), "File of size 10485762 bytes is too big for a photo; the maximum size is 10485760 bytes")],
)  # fmt: skip
async def test_bad_photos(bot, data, reason):
    await refused(bot.send_photo(ADMIN.id, telegram.InputFile(data, filename="x.jpg")), reason)


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("", None, "Message text is empty"),
        ("  \n ", None, "Text must be non-empty"),
        ("<b> </b>", "HTML", "Text must be non-empty"),
        ("x" * 4097, None, "Message is too long"),
        ("<b>x", "HTML", "Can't parse entities: can't find end tag corresponding to start tag \"b\""),
        (
            "1.5",
            "MarkdownV2",
            "Can't parse entities: character '.' is reserved and must be escaped with the preceding '\\'",
        ),
        ("*x", "Markdown", "Can't parse entities: can't find end of the entity starting at byte offset 0"),
        ("x", "Nonsense", "Unsupported parse_mode"),
    ],
)
async def test_bad_texts(bot, text, mode, reason):
    await refused(bot.send_message(ADMIN.id, text, parse_mode=mode), reason)


async def test_length_is_counted_after_parsing(bot):
    message = await bot.send_message(ADMIN.id, "<b>" + "&lt;" * 4096 + "</b>", parse_mode="HTML")
    assert len(message.text) == 4096
    await refused(message.edit_text("x" * 4097), "Message_too_long")
    await refused(bot.send_photo(ADMIN.id, png(), caption="x" * 1025), "Message caption is too long")


def keyboard(*buttons):
    return {"inline_keyboard": [list(buttons)]}


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        (keyboard({"text": "x", "callback_data": "é" * 33}), "BUTTON_DATA_INVALID"),
        (keyboard({"text": "x", "callback_data": ""}), "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        (keyboard({"callback_data": "x"}), "can't parse inline keyboard button: Can't find field \"text\""),
        (keyboard({"text": "x", "url": "ftp://a.b"}), "inline keyboard button URL 'ftp://a.b' is invalid: Unsupported URL protocol"),
        (keyboard({"text": "x", "url": "not-a-url"}), "inline keyboard button URL 'not-a-url' is invalid: Wrong HTTP URL"),
        (keyboard({"text": "x", "pay": True}), "BUTTON_TYPE_INVALID"),
        (keyboard({"text": "x", "web_app": {"url": "http://a.b"}}), "inline keyboard button Web App URL 'http://a.b' is invalid: Only HTTPS links are allowed"),
        ({"inline_keyboard": "bad"}, 'field "inline_keyboard" must be of type Array'),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "x"}]] * 101}, "reply markup is too long"),
        ({"force_reply": "yes"}, 'field "force_reply" must be of type Boolean'),
        ([1], "object expected as reply markup"),
    ],
)  # fmt: skip
async def test_bad_keyboards(http, server, markup, reason):
    answer = await http.post(
        f"/bot{server.token}/sendMessage", json={"chat_id": ADMIN.id, "text": "x", "reply_markup": markup}
    )
    assert answer.json() == {"ok": False, "error_code": 400, "description": f"Bad Request: {reason}"}


async def test_wide_rows_are_reflowed(bot):
    row = [InlineKeyboardButton(str(number), callback_data=str(number)) for number in range(10)]
    message = await bot.send_message(ADMIN.id, "x", reply_markup=InlineKeyboardMarkup([row]))
    assert [len(keys) for keys in message.reply_markup.inline_keyboard] == [8, 2]


async def test_chats_and_pins(bot, server, ada):
    message = await bot.send_message(ADMIN.id, "pin me")
    assert await message.pin()
    chat = checked(await bot.get_chat(ADMIN.id))
    assert chat.pinned_message.message_id == message.message_id
    assert (await ada.events())["pinned"] == [message.message_id]
    assert (await ada.last())["pinned"] == message.message_id
    assert await bot.unpin_chat_message(ADMIN.id, message.message_id)
    await refused(bot.unpin_chat_message(ADMIN.id, message.message_id), "Message to unpin not found")
    assert await bot.unpin_all_chat_messages(ADMIN.id)
    assert checked(await bot.get_chat_member(ADMIN.id, ADMIN.id)).status == "member"
    assert await bot.get_chat_member_count(ADMIN.id) == 2
    await refused(bot.get_chat(4242), "Chat not found")
    server.world.add_chat(Chat(-1001, "supergroup", "Desk", members=[ADMIN.id]))
    assert checked(await bot.get_chat(-1001)).title == "Desk"
    assert [member.user.id for member in checked(await bot.get_chat_administrators(-1001))] == [ADMIN.id]
    assert checked(await bot.send_message(-1001, "hi all")).chat.type == "supergroup"


async def test_deleting_forwarding_copying_reacting(bot, ada):
    said = await ada.say("keep")
    forwarded = checked(await bot.forward_message(ADMIN.id, ADMIN.id, said["message_id"]))
    assert forwarded.forward_origin.sender_user.id == ADMIN.id
    copied = checked(await bot.copy_message(ADMIN.id, ADMIN.id, said["message_id"]))
    assert await bot.set_message_reaction(ADMIN.id, said["message_id"], "👍")
    assert await bot.delete_message(ADMIN.id, copied.message_id)
    await refused(bot.delete_message(ADMIN.id, copied.message_id), "Message to delete not found")
    assert await bot.delete_messages(ADMIN.id, [forwarded.message_id, 12_345])
    old = await ada.say("very old", date_offset=-49 * 3600)
    await refused(bot.delete_message(ADMIN.id, old["message_id"]), "Message can't be deleted for everyone")


async def test_commands_names_and_menu(bot, ada):
    assert await bot.set_my_commands([BotCommand("start", "Begin"), BotCommand("stop", "End")])
    assert [command.command for command in checked(await bot.get_my_commands())] == ["start", "stop"]
    assert (await ada.events())["commands"][1] == {"command": "stop", "description": "End"}
    scope = telegram.BotCommandScopeChat(ADMIN.id)
    await bot.set_my_commands([BotCommand("halt", "Stop all")], scope=scope)
    assert [entry["command"] for entry in (await ada.events())["commands"]] == ["halt"]
    assert await bot.delete_my_commands(scope=scope)
    assert len((await ada.events())["commands"]) == 2
    await refused(bot.set_my_commands([BotCommand("Bad-Name", "x")]), "Bot_command_invalid")
    await bot.set_my_description("About")
    await bot.set_my_short_description("Short")
    assert checked(await bot.get_my_description()).description == "About"
    assert checked(await bot.get_my_short_description()).short_description == "Short"
    assert checked(await bot.get_my_name()).name == "Quarterdeck"
    assert await bot.set_chat_menu_button(ADMIN.id, telegram.MenuButtonCommands())
    assert checked(await bot.get_chat_menu_button(ADMIN.id)).type == "commands"


async def test_updates_are_kept_until_confirmed(bot, ada):
    for text in ("1", "2", "3"):
        await ada.say(text)
    updates = await bot.get_updates()
    assert [update.message.text for update in updates] == ["1", "2", "3"]
    assert len(await bot.get_updates(limit=2)) == 2
    assert [update.message.text for update in await bot.get_updates(offset=updates[1].update_id)] == ["2", "3"]
    assert [update.message.text for update in await bot.get_updates(offset=-1)] == ["3"]
    assert len(await bot.get_updates()) == 1
    assert await bot.get_updates(offset=updates[2].update_id + 1) == ()
    await bot.get_updates(allowed_updates=["callback_query"])
    await ada.say("unwanted")
    assert await bot.get_updates() == ()


async def test_a_second_poll_ends_the_first(bot, server, ada):
    first = asyncio.create_task(bot.get_updates(timeout=40))
    await until(lambda: server.world.updates._poll)
    async with exact_bot(server) as other:
        second = asyncio.create_task(other.get_updates(timeout=40))
        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await first
        await ada.say("hello")
        assert len(await second) == 1


async def test_webhook_state(bot):
    assert await bot.set_webhook("https://a.b/hook", allowed_updates=["message"])
    assert checked(await bot.get_webhook_info()).url == "https://a.b/hook"
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    assert await bot.delete_webhook()
    assert checked(await bot.get_webhook_info()).url == ""
    await refused(bot.set_webhook("http://a.b"), "Bad webhook: an https url must be provided for webhook")


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_faults(bot, server, ada):
    server.faults.fail("sendMessage", status=429, description="Too Many Requests: retry after 7", retry_after=7)
    with pytest.raises(RetryAfter):
        await bot.send_message(ADMIN.id, "x")
    server.faults.fail("sendmessage", status=502, description="Bad Gateway")
    with pytest.raises(NetworkError):
        await bot.send_message(ADMIN.id, "x")
    server.faults.drop("sendMessage", after=True)
    with pytest.raises(NetworkError):
        await bot.send_message(ADMIN.id, "arrived all the same")
    assert (await ada.last())["text"] == "arrived all the same"
    server.faults.down = True
    with pytest.raises(NetworkError):
        await bot.get_me()
    server.faults.down = False
    server.faults.block(ADMIN.id)
    await refused(bot.send_message(ADMIN.id, "x"), "Forbidden: bot was blocked by the user")
    server.faults.clear()
    server.faults.slow("sendMessage", seconds=0.05)
    server.faults.duplicate_next_updates()
    await bot.send_message(ADMIN.id, "x")
    await ada.say("twice")
    updates = await bot.get_updates()
    assert len({update.update_id for update in updates}) == 2
    assert len({update.message.message_id for update in updates}) == 1


async def test_a_stranger_must_speak_first(bot, server, http):
    await refused(bot.send_message(STRANGER.id, "hi"), "Forbidden: bot can't initiate conversation with a user")
    body = {"user_id": STRANGER.id, "chat_id": STRANGER.id, "text": "/start"}
    assert (await http.post("/sandbox/messages", json=body)).status_code == 200
    await bot.send_message(STRANGER.id, "hi")


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_rates(tmp_path):
    now = [1000.0]
    server = SandboxServer(data_dir=tmp_path, port=0, clock=lambda: now[0])
    await server.start()
    async with exact_bot(server) as bot:
        message = None
        for number in range(20):
            message = await bot.send_message(ADMIN.id, str(number))
        with pytest.raises(RetryAfter) as caught:
            await message.edit_text("one too many")
        assert caught.value._retry_after.total_seconds() == 1
        now[0] += 1
        await message.edit_text("in time")
        server.world.add_chat(Chat(-5, "group", "g", members=[ADMIN.id]))
        now[0] += 100
        for number in range(20):
            await bot.send_message(-5, str(number))
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(-5, "x")
        assert caught.value._retry_after.total_seconds() == 3
    await server.stop()


async def test_late_answers_are_too_late(tmp_path):
    now = [1000.0]
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits(callback_seconds=0.2), clock=lambda: now[0])
    await server.start()
    async with exact_bot(server) as bot:
        await bot.send_message(ADMIN.id, "x", reply_markup=GO)
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            body = {"user_id": ADMIN.id, "chat_id": ADMIN.id, "message_id": 1, "data": "go"}
            answer = (await http.post("/sandbox/presses", json=body)).json()
        assert answer == {"text": None, "show_alert": False, "timed_out": True}
        now[0] += 1
        (update,) = await bot.get_updates()
        await refused(
            update.callback_query.answer(), "Query is too old and response timeout expired or query id is invalid"
        )
    await server.stop()


@pytest.mark.parametrize("token", ["1:" + "A" * 35])
async def test_a_wrong_token(server, token):
    bot = telegram.Bot(token, base_url=server.bot_base_url)
    with pytest.raises(InvalidToken):
        await bot.initialize()
    await bot.shutdown()
