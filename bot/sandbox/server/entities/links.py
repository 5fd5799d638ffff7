"""Which link targets Telegram accepts, and how it writes them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

_HOST = re.compile(r"[\w\-.!$,~*'();&+=%\u0080-\U0010ffff]+", re.ASCII)
_IPV6 = re.compile(r"\[[0-9a-fA-F:.]+\]")
_SCHEME = re.compile(r"([^:/?#@\[\]]*)://")
_TARGET = re.compile(r"(?P<host>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_SPECIAL_HOST = re.compile(r"[A-Za-z0-9_\-]+")
_ADDRESS = re.compile(r"(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_PORT = re.compile(r"(?P<host>.*?)(?::(?P<port>\d*))?", re.DOTALL)
_SPECIAL = re.compile(r"(tg|ton|tonsite):(?://)?(.*)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+")
DATE_FORMAT = re.compile(r"|[rR]|[wdDtT]+")
_SPACES = re.compile(r"[\x00-\x20]")


class LinkError(ValueError):
    """The link cannot be used; the message is Telegram's reason."""


def mentioned_user(link: str) -> int | None:
    """The user id of a `tg://user?id=…` link."""
    number = _telegram(link, "user").get("id", "")
    return int(number) if _NUMBER.fullmatch(number) and 0 < int(number) < 1 << 52 else None


def custom_emoji(link: str) -> str:
    """The id in a `tg://emoji?id=…` link, or an empty string."""
    number = _telegram(link, "emoji").get("id", "")
    return number if _NUMBER.fullmatch(number) and 0 < abs(int(number)) < 1 << 63 else ""


def moment(link: str) -> str:
    """What a `tg://time?unix=…&format=…` link says, as `seconds:format`, or an empty string."""
    fields = _telegram(link, "time")
    number, form = fields.get("unix", ""), fields.get("format", "")
    known = _NUMBER.fullmatch(number) and 0 < int(number) < 1 << 31 and DATE_FORMAT.fullmatch(form)
    return f"{int(number)}:{form}" if known else ""


def _telegram(link: str, host: str) -> dict[str, str]:
    match = _SPECIAL.fullmatch(link)
    if match is None or match[1].lower() != "tg":
        return {}
    named, _, query = match[2].partition("?")
    return dict(parse_qsl(query.split("#")[0], keep_blank_values=True)) if named.rstrip("/") == host else {}


def checked(link: str) -> str:
    """The link as Telegram stores it, or an empty string when Telegram would drop it."""
    try:
        return strict(link)
    except LinkError:
        return ""


def strict(link: str) -> str:
    """The link as Telegram stores it; raises `LinkError` when it is unusable."""
    special = _SPECIAL.fullmatch(link)
    if special:
        return _special(special[1].lower(), special[2])
    scheme, address = "http", link
    match = _SCHEME.match(link)
    if match:
        scheme, address = match[1].lower(), link[match.end() :]
    if scheme not in {"http", "https"}:
        raise LinkError("Unsupported URL protocol")
    return f"{scheme}://{_address(address)}"


def _special(scheme: str, target: str) -> str:
    match = _TARGET.fullmatch(target)
    if match is None or not match["host"]:
        raise LinkError("URL host is empty")
    host, rest = match["host"], _escaped(match["rest"])
    if not _SPECIAL_HOST.fullmatch(host):
        raise LinkError("Disallowed character in URL host")
    slash = "" if scheme == "tg" or rest.startswith("/") else "/"
    return f"{scheme}://{host}{slash}{rest}"


def _escaped(rest: str) -> str:
    return _SPACES.sub(lambda match: f"%{ord(match[0]):02X}", rest.rstrip(" \t\r\n\0\v"))


def _address(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    assert match is not None
    user, at, server = match["authority"].rpartition("@")
    host, port = _host_and_port(server)
    if "." not in host and not host.startswith("["):
        raise LinkError("Wrong HTTP URL")
    rest = _escaped(match["rest"])
    path = rest if rest.startswith("/") else f"/{rest}"
    return f"{user}{at}{host}{port}{path}"


def _host_and_port(server: str) -> tuple[str, str]:
    ipv6 = _IPV6.match(server)
    match = _PORT.fullmatch(server[ipv6.end() :] if ipv6 else server)
    host = ipv6[0] if ipv6 and match and not match["host"] else (match["host"] if match else "")
    if not host:
        raise LinkError("URL host is empty")
    if match is None or not (ipv6 or _HOST.fullmatch(host)):
        raise LinkError("Disallowed character in URL host")
    port = match["port"]
    if port is not None and not (port and 0 < int(port) < 1 << 16):
        raise LinkError("Wrong port number specified in the URL")
    return host.lower() if host.isascii() else host, f":{int(port)}" if port else ""
