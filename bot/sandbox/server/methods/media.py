"""Photos, documents and albums."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from bot.sandbox.server.entities.text import Formatted
from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.files import DOWNLOAD_LIMIT
from bot.sandbox.server.keyboards import reply_markup
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.model import StoredFile
from bot.sandbox.server.params import Params

_ALBUM = range(2, 11)


@dataclass(frozen=True, slots=True)
class Item:
    """A checked entry of an album."""

    file: StoredFile
    caption: Formatted
    above: bool


def _file(call: Call, kind: str, given: Any, field: str) -> StoredFile:
    name = str(given or "")
    upload = call.params.uploads.get(name.removeprefix("attach://") if name.startswith("attach://") else field)
    if upload is not None and (name.startswith("attach://") or not name):
        if kind == "photo":
            return call.world.files.add_photo(upload.data)
        return call.world.files.add_document(upload.name, upload.data)
    if not name or name.startswith("attach://"):
        raise bad_request(f"there is no {kind} in the request")
    if name.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")
    return _known(call, kind, name)


def _known(call: Call, kind: str, file_id: str) -> StoredFile:
    file = call.world.files.find(file_id)
    if file is None:
        raise bad_request("wrong file identifier/HTTP URL specified")
    if file.kind != kind:
        raise bad_request(f"can't use file of type {file.kind.title()} as {kind.title()}")
    return file


def _send(call: Call, kind: str) -> dict[str, Any]:
    markup = reply_markup(call.params)
    caption = call.caption()
    chat = call.writable_chat()
    message = call.draft(chat)
    file = _file(call, kind, call.params.text(kind), kind)
    message.kind, message.file_id, message.markup = kind, file.file_id, markup
    message.text, message.entities = caption.text, caption.entities
    message.caption_above = call.params.flag("show_caption_above_media")
    call.charge(chat)
    return call.sent(message)


@method("sendPhoto")
def send_photo(call: Call) -> dict[str, Any]:
    """Send an image of at most 10 MB."""
    return _send(call, "photo")


@method("sendDocument")
def send_document(call: Call) -> dict[str, Any]:
    """Send any file of at most 50 MB."""
    return _send(call, "document")


def input_media(call: Call, entry: dict[str, Any]) -> Item:
    """An `InputMedia` object, its file stored; raises `ApiError`."""
    kind = str(entry.get("type", ""))
    if kind not in {"photo", "document"}:
        raise bad_request(f'can\'t parse InputMedia: Unsupported type "{kind}" specified')
    caption = call.caption(Params(entry))
    file = _file(call, kind, entry.get("media"), "media")
    return Item(file, caption, bool(entry.get("show_caption_above_media")))


@method("sendMediaGroup")
def send_media_group(call: Call) -> list[dict[str, Any]]:
    """Send an album of 2 to 10 photos, or of documents."""
    entries = call.params.json("media")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_request("can't parse media JSON object")
    if len(entries) not in _ALBUM:
        raise bad_request("group send failed: wrong number of media" if entries else "media is empty")
    if len({str(entry.get("type")) for entry in entries}) > 1:
        raise bad_request("document can't be mixed with other media types")
    chat = call.writable_chat()
    items = [input_media(call, entry) for entry in entries]
    call.charge(chat, len(items))
    album = str(secrets.randbits(52))
    return [_send_item(call, call.draft(chat), item, album) for item in items]


def _send_item(call: Call, message: Any, item: Item, album: str) -> dict[str, Any]:
    message.kind, message.file_id, message.album = item.file.kind, item.file.file_id, album
    message.text, message.entities = item.caption.text, item.caption.entities
    message.caption_above = item.above
    return call.sent(message)


@method("getFile")
def get_file(call: Call) -> dict[str, Any]:
    """Where to download a file of at most 20 MB."""
    if not call.params.has("file_id"):
        raise bad_request("file_id not specified")
    file = call.world.files.find(call.params.text("file_id"))
    if file is None:
        raise bad_request("invalid file_id")
    if file.size > DOWNLOAD_LIMIT:
        raise bad_request("file is too big")
    return {
        "file_id": file.file_id, "file_unique_id": file.unique_id, "file_size": file.size,
        "file_path": file.path,
    }  # fmt: skip
