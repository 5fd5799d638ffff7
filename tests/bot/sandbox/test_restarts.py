"""What survives the end of the process."""

import asyncio
import sys
from pathlib import Path

import httpx

from bot.sandbox.server import ADMIN, Limits, SandboxServer
from tests.bot.sandbox.clients import Person, exact_bot
from tests.bot.sandbox.images import png


async def test_everything_survives_a_restart(tmp_path):
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    async with exact_bot(server) as bot, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        photo = await bot.send_photo(ADMIN.id, png())
        await photo.pin()
        await bot.set_my_commands([("start", "Begin")])
        await Person(http, ADMIN.id).say("unanswered")
        (first,) = await bot.get_updates()
        seq = (await Person(http, ADMIN.id).events())["last_seq"]
    await server.stop()

    again = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    assert again.token != server.token
    await again.start()
    async with exact_bot(again) as bot, httpx.AsyncClient(base_url=again.url, timeout=60) as http:
        ada = Person(http, ADMIN.id)
        assert await bot.get_updates() == (first,)
        assert (await bot.get_chat(ADMIN.id)).pinned_message.photo == photo.photo
        assert bytes(await (await bot.get_file(photo.photo[0].file_id)).download_as_bytearray()) == png()
        assert (await ada.events())["last_seq"] == seq
        assert (await ada.events())["commands"]
        await bot.edit_message_caption(ADMIN.id, photo.message_id, caption="edited after the restart")
        await ada.say("second")
        assert (await bot.get_updates(offset=first.update_id + 1))[0].update_id == first.update_id + 1
        assert (await ada.events(after=seq))["events"][0]["seq"] > seq
    await again.stop()


async def test_everything_survives_a_kill(tmp_path):
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("killed_server.py")), str(tmp_path),
        stdout=asyncio.subprocess.PIPE, cwd=root, env={"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert await process.stdout.readline() == b"kept\n"
    process.kill()
    await process.communicate()

    server = SandboxServer(data_dir=tmp_path, port=0)
    await server.start()
    async with exact_bot(server) as bot, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        (update,) = await bot.get_updates()
        assert update.message.text == "/start"
        assert [event["message"]["text"] for event in (await Person(http, ADMIN.id).events())["events"]] == [
            "before",
            "/start",
        ]
        pressing = asyncio.create_task(Person(http, ADMIN.id).press(1, "go"))
        (pressed,) = await bot.get_updates(offset=update.update_id + 1, timeout=40)
        await pressed.callback_query.answer("still here")
        assert (await pressing)["text"] == "still here"
    await server.stop()


async def test_a_press_that_nobody_answered_is_redelivered(tmp_path):
    server = SandboxServer(data_dir=tmp_path, port=0)
    await server.start()
    async with exact_bot(server) as bot, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        await bot.send_message(
            ADMIN.id, "x", reply_markup={"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
        )
        pressing = asyncio.create_task(Person(http, ADMIN.id).press(1, "go"))
        await bot.get_updates(timeout=40)
        await server.stop()
        assert (await pressing)["timed_out"]
    again = SandboxServer(data_dir=tmp_path, port=0)
    await again.start()
    async with exact_bot(again) as bot:
        (update,) = await bot.get_updates()
        assert await update.callback_query.answer("in time")
    await again.stop()
