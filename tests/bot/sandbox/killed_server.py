"""A sandbox that is killed: run with a folder; says when it has kept a message and an update."""

import asyncio
import sys
from pathlib import Path

import httpx

from bot.sandbox.server import ADMIN, SandboxServer


async def main(folder: Path) -> None:
    server = SandboxServer(data_dir=folder, port=0)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        keys = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
        body = {"chat_id": ADMIN.id, "text": "before", "reply_markup": keys}
        (await http.post(f"/bot{server.token}/sendMessage", json=body)).raise_for_status()
        said = {"user_id": ADMIN.id, "chat_id": ADMIN.id, "text": "/start"}
        (await http.post("/sandbox/messages", json=said)).raise_for_status()
    sys.stdout.write("kept\n")
    sys.stdout.flush()
    await asyncio.sleep(60)


asyncio.run(main(Path(sys.argv[1])))
