"""A user of the sandbox: says things, presses buttons and reads, all through the sandbox's JSON API."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Message = dict[str, Any]

PATIENCE = 40.0  # only what is broken waits for so long, or a machine with much else to do
FAULTS = ("Something went wrong", "Traceback", "incident")
_PUSH = re.compile(r"#(\d+(-#\d+)?|\?) · \d{4}-\d\d-\d\d \d\d:\d\d UTC\Z")


class NoAnswer(AssertionError):
    """The bot said nothing in time."""


def is_push(message: Message) -> bool:
    """Whether a message is an alert, and not an answer to anything."""
    return bool(_PUSH.search(said(message)))


def is_sign(message: Message) -> bool:
    """Whether a message only says that the answer is being worked on, as on a machine with much else to do."""
    return said(message).startswith("⏳") and "being worked on" in said(message).casefold()


def is_answer(event: dict[str, Any]) -> bool:
    """Whether an event is a message that answers something: no alert, and not Telegram's own word that one was pinned."""
    return event["kind"] == "message" and event["message"]["pinned"] is None and not is_push(event["message"])


def said(message: Message) -> str:
    """What a message says, be it text or a caption."""
    return message["text"] or message["caption"] or ""


def buttons(message: Message) -> Iterator[dict[str, Any]]:
    """Every button of a message."""
    return (button for row in message["buttons"] for button in row)


def labels(message: Message) -> list[str]:
    """What is written on the buttons."""
    return [button["text"] for button in buttons(message)]


def find(message: Message, label: str) -> dict[str, Any]:
    """The button whose text contains `label`."""
    found = [button for button in buttons(message) if label in button["text"]]
    assert found, f"no button {label!r} among {labels(message)} of {said(message)!r}"
    return found[0]


class Person:
    """One user in their private chat; `http` is shared. Every wait is bounded."""

    def __init__(self, http: httpx.Client, user_id: int, chat_id: int | None = None) -> None:
        self.http = http
        self.id = user_id
        self.chat_id = user_id if chat_id is None else chat_id

    # --- reading -----------------------------------------------------------------------------------

    def events(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        """What happened in the chat after a sequence number."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"chat_id": self.chat_id, "after": after, "wait": wait}
            answer = self.http.get("/sandbox/events", params=query, timeout=wait + 60)
            assert answer.status_code == 200, answer.text
            events = answer.json()["events"]
            found += events
            if len(events) < 500:
                return found
            after, wait = events[-1]["seq"], 0

    def seq(self) -> int:
        """Where the chat stands now."""
        (chat,) = [each for each in self.http.get("/sandbox/state").json()["chats"] if each["id"] == self.chat_id]
        return int(chat["last_seq"])

    def chat(self) -> list[Message]:
        """Every message as it looks now, oldest first."""
        shown: dict[int, Message] = {}
        for event in self.events():
            message = event["message"]
            if event["kind"] == "delete":
                shown.pop(message["message_id"], None)
            else:
                shown[message["message_id"]] = message
        return [shown[number] for number in sorted(shown)]

    def look(self, message_id: int) -> Message:
        """One message as it looks now."""
        return next(each for each in self.chat() if each["message_id"] == message_id)

    def pushes(self, after: int = 0) -> list[Message]:
        """The alerts that came after a sequence number."""
        return [event["message"] for event in self.events(after) if event["kind"] == "message" and
                event["message"]["from"]["is_bot"] and is_push(event["message"])]  # fmt: skip

    def wait(self, wanted: Callable[[dict[str, Any]], bool], after: int, patience: float = PATIENCE) -> dict[str, Any]:
        """The first event after a sequence number that is wanted. Raises `NoAnswer`."""
        deadline = time.monotonic() + patience
        seen: list[str] = []
        while (left := deadline - time.monotonic()) > 0:
            for event in self.events(after, min(left, 5.0)):
                after = event["seq"]
                seen.append(f"{event['kind']}: {said(event['message'])[:80]}")
                if event["message"]["from"]["is_bot"] and wanted(event):
                    return event
        raise NoAnswer(f"nothing in {patience:g} s that was wanted; there was {seen[-5:]}")

    def wait_for_push(self, words: str, after: int = 0, patience: float = PATIENCE) -> Message:
        """The first alert that contains `words`."""
        event = self.wait(
            lambda one: one["kind"] == "message" and is_push(one["message"]) and words in said(one["message"]),
            after,
            patience,
        )
        message: Message = event["message"]
        return message

    def quiet(self, after: int, seconds: float) -> bool:
        """Whether the bot says nothing for so long."""
        try:
            self.wait(lambda _: True, after, seconds)
        except NoAnswer:
            return True
        return False

    # --- acting ------------------------------------------------------------------------------------

    def send(self, text: str, **more: Any) -> int:
        """Say something without waiting for an answer; the number of the message."""
        body = {"user_id": self.id, "chat_id": self.chat_id, "text": text, **more}
        answer = self.http.post("/sandbox/messages", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["message_id"])

    def say(self, text: str, patience: float = PATIENCE, **more: Any) -> Message:
        """Say something; the bot's answer (the message with the buttons, if it sends several)."""
        return self.replies(text, patience, **more)[-1]

    def replies(self, text: str, patience: float = PATIENCE, **more: Any) -> list[Message]:
        """Say something; everything that the bot answers, documents first."""
        after = self.seq()
        self.send(text, **more)
        return self._answers(after, patience)

    def _answers(self, after: int, patience: float) -> list[Message]:
        found: list[Message] = []
        signs: set[int] = set()

        def answers(one: dict[str, Any]) -> bool:
            number = one["message"]["message_id"]
            if is_sign(one["message"]):
                signs.add(number)
                return False
            return is_answer(one) or (one["kind"] == "edit" and number in signs)  # the sign becomes the answer

        while True:
            event = self.wait(answers, after, patience)
            found.append(event["message"])
            after = event["seq"]
            if not event["message"]["document_url"]:
                return found

    def toast(self, message: Message, label: str) -> dict[str, Any]:
        """Press a button; only the answer to the press."""
        return self.raw_press(message["message_id"], find(message, label)["data"])

    def raw_press(self, message_id: int, data: str) -> dict[str, Any]:
        """Press by data; the answer to the press."""
        body = {"user_id": self.id, "chat_id": self.chat_id, "message_id": message_id, "data": data}
        answer = self.http.post("/sandbox/presses", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        assert not result["timed_out"], f"nobody answered the press of {data}"
        return result

    def press(self, message: Message, label: str, patience: float = PATIENCE) -> Message:
        """Press a button; the message that shows the answer: the same one edited, or a new one."""
        return self.press_data(message, find(message, label)["data"], patience)

    def press_data(self, message: Message, data: str, patience: float = PATIENCE) -> Message:
        """The same by the button's data."""
        after, number = self.seq(), message["message_id"]
        self.raw_press(number, data)

        def answers(one: dict[str, Any]) -> bool:
            if is_sign(one["message"]):
                return False
            if one["kind"] == "edit":
                return bool(one["message"]["message_id"] == number)
            return is_answer(one) and not one["message"]["document_url"]

        found: Message = self.wait(answers, after, patience)["message"]
        return found

    def download(self, url: str) -> bytes:
        """A photo or document of the chat."""
        answer = self.http.get(url)
        assert answer.status_code == 200, answer.text
        return answer.content
