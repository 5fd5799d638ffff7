"""pyTelegramBotAPI, which knows nothing of us, as an outside witness."""

import asyncio
import io
import threading
from collections.abc import Iterator

import pytest
import telebot
from telebot import apihelper, types
from telebot.apihelper import ApiTelegramException

from bot.sandbox.server import ADMIN, SandboxServer
from tests.bot.sandbox.clients import until
from tests.bot.sandbox.images import png

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:telebot")


@pytest.fixture
def witness(server: SandboxServer, monkeypatch) -> Iterator[telebot.TeleBot]:
    monkeypatch.setattr(apihelper, "API_URL", server.url + "/bot{0}/{1}")
    monkeypatch.setattr(apihelper, "FILE_URL", server.url + "/file/bot{0}/{1}")
    bot = telebot.TeleBot(server.token, threaded=False, validate_token=False)
    yield bot
    apihelper._get_req_session(reset=True).close()


async def polled(witness: telebot.TeleBot) -> threading.Thread:
    thread = threading.Thread(target=witness.infinity_polling, kwargs={"timeout": 1, "long_polling_timeout": 1})
    thread.start()
    return thread


async def test_a_whole_conversation(witness, ada, in_thread):
    keys = types.InlineKeyboardMarkup()
    keys.add(
        types.InlineKeyboardButton("Yes", callback_data="yes"), types.InlineKeyboardButton("Web", url="https://a.b")
    )
    seen = []

    @witness.message_handler(commands=["start"])
    def start(message):
        seen.append(message.text)
        witness.reply_to(message, "<b>Sure?</b>", parse_mode="HTML", reply_markup=keys)

    @witness.callback_query_handler(func=lambda query: query.data == "yes")
    def yes(query):
        witness.edit_message_text("Done", query.message.chat.id, query.message.message_id)
        witness.answer_callback_query(query.id, "ok")

    thread = await polled(witness)
    try:
        await ada.say("/start now")
        question = None
        while question is None or question["from"]["id"] == ADMIN.id:
            question = (await ada.events(after=1, wait=5))["events"][-1]["message"]
        assert question["html"] == "<b>Sure?</b>"
        assert question["reply_to"] == 1
        assert await ada.press(question["message_id"], "yes") == {"text": "ok", "show_alert": False, "timed_out": False}
        assert (await ada.last())["text"] == "Done"
        assert seen == ["/start now"]
    finally:
        witness.stop_polling()
        await in_thread(thread.join)


async def test_sending_everything(witness, in_thread):
    assert (await in_thread(witness.get_me)).username == "quarterdeck_sandbox_bot"
    photo = await in_thread(witness.send_photo, ADMIN.id, png(7, 5), "*c*", "MarkdownV2")
    assert (photo.photo[-1].width, photo.caption, photo.caption_entities[0].type) == (7, "c", "bold")
    info = await in_thread(witness.get_file, photo.photo[-1].file_id)
    assert await in_thread(witness.download_file, info.file_path) == png(7, 5)
    file = io.BytesIO(b"a,b")
    file.name = "t.csv"
    document = await in_thread(witness.send_document, ADMIN.id, file)
    assert document.document.file_name == "t.csv"
    album = [types.InputMediaPhoto(png()), types.InputMediaPhoto(png(), caption="2")]
    assert [message.caption for message in await in_thread(witness.send_media_group, ADMIN.id, album)] == [None, "2"]
    assert await in_thread(witness.pin_chat_message, ADMIN.id, photo.message_id)
    assert (await in_thread(witness.get_chat, ADMIN.id)).pinned_message.message_id == photo.message_id
    assert await in_thread(witness.set_my_commands, [types.BotCommand("start", "Begin")])
    assert (await in_thread(witness.get_my_commands))[0].description == "Begin"
    assert await in_thread(witness.send_chat_action, ADMIN.id, "typing")
    assert await in_thread(witness.delete_message, ADMIN.id, document.message_id)
    assert (await in_thread(witness.get_webhook_info)).url == ""
    assert (await in_thread(witness.get_chat_member, ADMIN.id, ADMIN.id)).status == "member"


async def test_refusals(witness, server, in_thread):
    async def error(call, *arguments, **named):
        with pytest.raises(ApiTelegramException) as caught:
            await in_thread(lambda: call(*arguments, **named))
        return caught.value.error_code, caught.value.description

    assert await error(witness.send_message, 4242, "x") == (400, "Bad Request: chat not found")
    message = await in_thread(witness.send_message, ADMIN.id, "x")
    code, description = await error(witness.edit_message_text, "x", ADMIN.id, message.message_id)
    assert (code, "message is not modified: specified new" in description) == (400, True)
    assert await error(witness.send_message, ADMIN.id, "<b>", parse_mode="HTML") == (
        400, 'Bad Request: can\'t parse entities: Can\'t find end tag corresponding to start tag "b"',
    )  # fmt: skip
    server.faults.fail("sendMessage", status=429, description="Too Many Requests: retry after 3", retry_after=3)
    with pytest.raises(ApiTelegramException) as caught:
        await in_thread(witness.send_message, ADMIN.id, "x")
    assert caught.value.result_json["parameters"] == {"retry_after": 3}
    waiting = asyncio.create_task(in_thread(lambda: witness.get_updates(long_polling_timeout=40)))
    await until(lambda: server.world.updates._poll)
    second = asyncio.create_task(in_thread(lambda: apihelper.get_updates(server.token, long_polling_timeout=1)))
    with pytest.raises(ApiTelegramException, match="Conflict: terminated by other getUpdates request"):
        await waiting
    assert await second == []
