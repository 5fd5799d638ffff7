"""Someone at the chat page: says things and waits for the answer, with as little work of their own as can be."""

import http.client
import json
import socket
import time
from typing import Any

ADMIN = 1001
TRADER = 1004
HEADERS = {"Content-Type": "application/json"}


class NoAnswer(Exception):
    """The bot has not answered in time."""


class Person:
    """A user of the sandbox in their private chat. Blocking: use it in a thread where a loop runs."""

    def __init__(self, port: int, number: int = ADMIN) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._http.connect()
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = number
        self._seen = self._get(f"/sandbox/events?chat_id={number}&after=0&tail=1")["last_seq"]

    def close(self) -> None:
        self._http.close()

    def ask(self, text: str, expected: str, within: float = 30.0) -> tuple[float, str]:
        """Say `text`; (seconds until the page has the bot's message with `expected` in it, that message)."""
        self.catch_up()
        begin = time.perf_counter()
        said = self.say(text)
        heard: list[str] = []
        while time.perf_counter() - begin < within:
            for event in self._news(2):
                message = event["message"]
                shown = message["text"] or message["caption"] or ""
                is_reply = event["kind"] == "message" and message["from"]["is_bot"] and message["message_id"] > said
                if is_reply and expected in shown:
                    return time.perf_counter() - begin, shown
                if is_reply:
                    heard.append(f"{time.perf_counter() - begin:.0f} s: {shown[:70]!r}")
        raise NoAnswer(f"{text}: no {expected!r} within {within:g} s; heard {heard[:8]}")

    def say(self, text: str) -> int:
        """Say `text` and wait for nothing; the number of the message."""
        body = json.dumps({"user_id": self._number, "chat_id": self._number, "text": text})
        self._http.request("POST", "/sandbox/messages", body, HEADERS)
        return int(json.loads(self._http.getresponse().read())["message_id"])

    def catch_up(self) -> None:
        """Forget what has been said so far."""
        while self._news(0):
            pass

    def round_trip(self) -> float:
        """Seconds of one small request that no bot takes part in."""
        begin = time.perf_counter()
        self._get(f"/sandbox/typing?chat_id={self._number}")
        return time.perf_counter() - begin

    def _news(self, wait: float) -> list[dict[str, Any]]:
        answer = self._get(f"/sandbox/events?chat_id={self._number}&after={self._seen}&wait={wait:g}")
        self._seen = answer["last_seq"]
        return answer["events"]

    def _get(self, path: str) -> dict[str, Any]:
        self._http.request("GET", path)
        return json.loads(self._http.getresponse().read())
