"""Uploaded files: what they are, where they lie."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Iterable
from pathlib import Path

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.history import History
from bot.sandbox.server.model import StoredFile

PHOTO_LIMIT = 10 * 1024 * 1024
DOCUMENT_LIMIT = 50 * 1024 * 1024
DOWNLOAD_LIMIT = 20 * 1024 * 1024
_LONGEST_SIDES = 10_000
_WIDEST_RATIO = 20
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


class Files:
    """Keeps uploads in a folder and their particulars in the history."""

    def __init__(self, folder: Path, history: History) -> None:
        self._folder = folder
        self._history = history

    def find(self, file_id: str) -> StoredFile | None:
        """A file by the id that the bot knows."""
        return self._history.file(file_id)

    def read(self, file: StoredFile) -> bytes:
        """The file's bytes."""
        return (self._folder / file.path).read_bytes()

    def location(self, file: StoredFile) -> Path:
        """Where the bytes lie."""
        return self._folder / file.path

    def all(self) -> Iterable[StoredFile]:
        """Every file."""
        return self._history.files()

    def by_path(self, path: str) -> StoredFile | None:
        """A file by the path that `getFile` tells."""
        return next((file for file in self._history.files() if file.path == path), None)

    def add_photo(self, data: bytes) -> StoredFile:
        """Store a photo; raises `ApiError` where Telegram refuses it."""
        _check_size(data, PHOTO_LIMIT, "photo")
        mime, width, height = image_size(data)
        if not mime or not width or not height:
            raise bad_request("IMAGE_PROCESS_FAILED")
        ratio = max(width, height) / min(width, height)
        if width + height > _LONGEST_SIDES or ratio > _WIDEST_RATIO:
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        return self._store("photo", f"photo.{_SUFFIXES[mime]}", mime, data, (width, height))

    def add_document(self, name: str, data: bytes) -> StoredFile:
        """Store a document; raises `ApiError` where Telegram refuses it."""
        _check_size(data, DOCUMENT_LIMIT, "document")
        name = Path(name.replace("\\", "/")).name or "file"
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._store("document", name, mime, data, (0, 0))

    def _store(self, kind: str, name: str, mime: str, data: bytes, size: tuple[int, int]) -> StoredFile:
        unique = secrets.token_urlsafe(11)
        path = f"{kind}s/file_{unique}{Path(name).suffix[:12]}"
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        prefix = "AgACAgIAAxk" if kind == "photo" else "BQACAgIAAxk"
        file_id = prefix + secrets.token_urlsafe(36)
        file = StoredFile(file_id, f"AQAD{unique}", kind, path, name, mime, len(data), *size)
        self._history.add_file(file)
        return file


def _check_size(data: bytes, limit: int, kind: str) -> None:
    if not data:
        raise bad_request("file must be non-empty")
    if len(data) > limit:
        raise bad_request(f"file of size {len(data)} bytes is too big for a {kind}; the maximum size is {limit} bytes")


def image_size(data: bytes) -> tuple[str, int, int]:
    """Media type, width and height in pixels, read from the header; an empty type for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return "image/png", _big(data[16:20]), _big(data[20:24])
    if data[:6] in {b"GIF87a", b"GIF89a"} and len(data) >= 10:
        return "image/gif", int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data.startswith(b"\xff\xd8"):
        return ("image/jpeg", *_jpeg_size(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return ("image/webp", *_webp_size(data))
    return "", 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], _big(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 2 + size
    return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    little = "little"
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], little), 1 + int.from_bytes(data[27:30], little)  # type: ignore[arg-type]
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], little)  # type: ignore[arg-type]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = int.from_bytes(data[26:28], little), int.from_bytes(data[28:30], little)  # type: ignore[arg-type]
    return width & 0x3FFF, height & 0x3FFF
