"""Goes through setting up, question by question, and can be run again to go on where it was left."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from bot.init import files
from bot.init.bot_api import BotApi, NotReached, TokenRefused
from bot.init.files import STRATEGIES, Admin
from bot.init.pairing import NobodyCame, Paired, Pairing, Pause
from bot.init.terminal import NoMoreAnswers, Terminal
from core.access.vault import new_key
from core.clock import Clock
from core.errors import SettingsError
from core.redaction import hide
from core.settings.reading import read_dotenv, read_yaml
from core.settings.telegram import TOKEN, TelegramSettings

_TOKEN, _KEY, _BASE = "QUARTERDECK_TELEGRAM__TOKEN", "QUARTERDECK_VAULT_KEY", "QUARTERDECK_TELEGRAM__BASE_URL"
_MOST_CASH = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What is there already: the files as text, and what they say."""

    dotenv: str
    variables: Mapping[str, str]
    yaml: str | None
    settings: Mapping[str, Any]

    @property
    def has_users(self) -> bool:
        """Whether somebody is paired already."""
        return bool(self.settings.get("users"))

    @property
    def base_url(self) -> str:
        """Where the Bot API is."""
        told = self.settings.get("telegram")
        return str(self.variables.get(_BASE) or (told or {}).get("base_url") or _default_base_url())


class Guide:
    """One run of `quarterdeck init` on one folder."""

    def __init__(
        self,
        folder: Path,
        terminal: Terminal,
        clock: Clock,
        pause: Pause,
        environment: Mapping[str, str],
        seconds: float,
    ) -> None:
        self._folder = folder
        self._dotenv = folder / ".env"
        self._yaml = folder / "quarterdeck.yaml"
        self._terminal = terminal
        self._clock = clock
        self._pause = pause
        self._environment = environment
        self._seconds = seconds

    def run(self) -> Admin | None:
        """Ask, write, and pair; the admin who was paired, None if that is put off.

        Raises `NoMoreAnswers` or `KeyboardInterrupt` with nothing written, `SettingsError` for unreadable files.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        found = self._look()
        if found.has_users and found.variables.get(_TOKEN):
            self._terminal.say(f"{self._yaml} is complete: a token is there, and somebody may use the bot.")
            if not self._terminal.confirm("Set everything up anew (the old files are kept beside)", default=False):
                return None
            found = self._start_anew()
        self._greet(found)
        token, bot = self._ask_token(found)
        person = self._ask_person() if not found.has_users else None
        plan = None if found.yaml is not None else self._ask_plan()
        admin = self._pair(found, token, bot, person) if person else None
        self._write(found, token, plan, admin)
        self._end(admin, is_paired=found.has_users or admin is not None)
        return admin

    # --- what is there -----------------------------------------------------------------------------

    def _look(self) -> Found:
        text = self._dotenv.read_text(encoding="utf-8-sig") if self._dotenv.exists() else ""
        inside = {name: value for name, value in read_dotenv(self._dotenv).items() if value}
        outside = {
            name: value for name, value in self._environment.items() if name.startswith("QUARTERDECK_") and value
        }
        yaml = self._yaml.read_text(encoding="utf-8-sig") if self._yaml.exists() else None
        settings = read_yaml(self._yaml) if yaml is not None else {}
        return Found(text, {**inside, **outside}, yaml, settings)

    def _start_anew(self) -> Found:
        for path in (self._yaml, self._dotenv):
            if path.exists():
                self._terminal.say(f"{path} is kept as {files.put_aside(path)}.")
        return self._look()

    def _greet(self, found: Found) -> None:
        say = self._terminal.say
        say(
            f"This sets Quarterdeck up in {self._folder.resolve()}.\n"
            "Nothing is written before the end; Ctrl-C leaves all as it is."
        )
        if found.yaml is not None:
            say(f"{self._yaml} is there: it stays as it is, I add only what is missing.")
        say()

    # --- questions ---------------------------------------------------------------------------------

    def _ask_token(self, found: Found) -> tuple[str, str]:
        """The bot's token and name; no name if Telegram cannot be reached."""
        known = found.variables.get(_TOKEN, "")
        if known and (name := self._name_of(found, known)) is not None:
            if self._terminal.confirm(f"The token of {_at(name)} is there already. Keep it", default=True):
                return known, name
        else:
            self._terminal.say(
                "Talk to @BotFather in Telegram, send /newbot, and follow it. It gives you a token: a secret."
            )
        while True:
            token = self._terminal.ask("The bot's token", _token, secret=True)
            if (name := self._name_of(found, token)) is not None:
                return token, name

    def _name_of(self, found: Found, token: str) -> str | None:
        """The bot's name; empty if Telegram cannot be asked and we go on without; None to ask for another token."""
        hide(token)
        _check_address(found.base_url, token)
        with closing(BotApi(found.base_url, token)) as api:
            try:
                name = api.name()
            except TokenRefused:
                self._terminal.say("  Telegram knows no bot with this token.")
                return None
            except NotReached as error:
                self._terminal.say(f"  Telegram cannot be reached from here ({error}).")
                return "" if self._terminal.confirm("Go on without asking it", default=False) else None
        self._terminal.say(f"  This is @{name}.")
        return name

    def _ask_person(self) -> tuple[str, str]:
        """The first admin's name and time zone."""
        name = self._terminal.ask("Your name, as the bot is to call you", _name)
        return name, self._terminal.ask("Your time zone", _zone, _own_zone(self._environment))

    def _ask_plan(self) -> tuple[int, tuple[str, ...]]:
        """The account's money, and its strategies."""
        self._terminal.say(
            "\nThere is one kind of account for now: paper, a SIMULATED one over replayed market history."
        )
        cash = self._terminal.ask("Money at the start, in USD", _cash, "100000")
        self._terminal.say("\nStrategies to begin with (more in docs/configuration.md):")
        for number, (name, (summary, _)) in enumerate(STRATEGIES.items(), 1):
            self._terminal.say(f"  {number}  {name}: {summary}")
        return cash, self._terminal.ask("Which? Numbers like 1,3, or all, or none", _strategies, "all")

    # --- pairing -----------------------------------------------------------------------------------

    def _pair(self, found: Found, token: str, bot: str, person: tuple[str, str]) -> Admin | None:
        """The first admin, by a code sent to the bot; by a number typed here if Telegram cannot be reached."""
        name, zone = person
        try:
            paired = self._wait(found, token, bot) if bot else self._typed_number()
        except NobodyCame:
            self._terminal.say("\nNobody has sent the code in time.")
            return None
        except (KeyboardInterrupt, NoMoreAnswers):
            self._terminal.say("\nPairing is put off.")
            return None
        except TokenRefused:
            self._terminal.say("\nTelegram does not take the token any more.")
            return None
        return Admin(paired.user_id, name, zone) if paired else None

    def _wait(self, found: Found, token: str, bot: str) -> Paired:
        with closing(BotApi(found.base_url, token)) as api:
            return Pairing(api, self._terminal, self._clock, self._pause, bot, self._seconds).run()

    def _typed_number(self) -> Paired | None:
        number = self._terminal.ask("Your numeric Telegram id, or nothing to be paired later", _number)
        return Paired(number, str(number)) if number else None

    # --- the end -----------------------------------------------------------------------------------

    def _write(self, found: Found, token: str, plan: tuple[int, tuple[str, ...]] | None, admin: Admin | None) -> None:
        values = {_TOKEN: token} if self._environment.get(_TOKEN) != token else {}
        if not found.variables.get(_KEY):
            values[_KEY] = new_key()
        if values:
            files.write(self._dotenv, files.with_variables(found.dotenv, values))
            self._terminal.say(f"\nWritten: {self._dotenv} (only you can read it; never share or commit it)")
        if plan is not None:
            files.write(self._yaml, files.settings_text(*plan, admin, self._data_dir()))
            self._terminal.say(f"Written: {self._yaml}")
        elif admin is not None and found.yaml is not None:
            files.write(self._yaml, files.with_admin(found.yaml, admin))
            self._terminal.say(f"Added to {self._yaml}: you, as admin")

    def _data_dir(self) -> str:
        """Beside the settings; a relative path counts from where the program is started."""
        return "data" if self._folder.resolve() == Path.cwd() else str(self._folder.resolve() / "data")

    def _end(self, admin: Admin | None, *, is_paired: bool) -> None:
        where = "" if self._folder == Path() else f" --config {self._folder}"
        if not is_paired:
            self._terminal.say(f"\nNobody may use the bot yet. Go on when you like:  quarterdeck init{where}")
        elif admin is not None:
            self._terminal.say(f"\n{admin.name} ({admin.user_id}) is the first admin.")


def _default_base_url() -> str:
    return str(TelegramSettings.model_fields["base_url"].default)


def _check_address(base_url: str, token: str) -> None:
    """The same rules as at the start: a token never travels unencrypted."""
    try:
        TelegramSettings.model_validate({"token": token, "base_url": base_url})
    except ValueError as error:
        raise SettingsError([f"telegram.base_url: {error}"]) from None


def _at(name: str) -> str:
    return f"@{name}" if name else "your bot"


def _token(answer: str) -> str:
    if not TOKEN.fullmatch(answer):
        raise ValueError("That is no bot token; @BotFather gives one like 123456789:AAE… for your bot.")
    return answer


def _name(answer: str) -> str:
    if not 0 < len(answer) <= 60 or not answer.isprintable():
        raise ValueError("A name has 1 to 60 letters.")
    return answer


def _zone(answer: str) -> str:
    try:
        return ZoneInfo(answer).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(answer, available_timezones(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "use a name like Europe/Berlin or UTC."
        raise ValueError(f"There is no time zone {answer[:40]!r}; {hint}") from None


def _own_zone(environment: Mapping[str, str]) -> str:
    """The time zone of this machine, if it says which."""
    given = environment.get("TZ", "").lstrip(":")
    linked = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    return next((each for each in (given, linked) if each in available_timezones()), "UTC")


def _cash(answer: str) -> int:
    plain = re.sub(r"[_, ']", "", answer)
    if not plain.isascii() or not plain.isdigit() or not 1 <= int(plain) <= _MOST_CASH:
        raise ValueError(f"A whole number from 1 to {_MOST_CASH:,}.")
    return int(plain)


def _strategies(answer: str) -> tuple[str, ...]:
    names = tuple(STRATEGIES)
    if answer.lower() in ("all", "none"):
        return names if answer.lower() == "all" else ()
    words = [word for word in re.split(r"[\s,]+", answer) if word]
    numbers = {str(number): name for number, name in enumerate(names, 1)}
    if unknown := [word for word in words if word not in numbers and word not in names]:
        raise ValueError(f"There is no {unknown[0][:20]!r}: numbers from 1 to {len(names)}, or all, or none.")
    wanted = {numbers.get(word, word) for word in words}
    return tuple(name for name in names if name in wanted)


def _number(answer: str) -> int:
    if not answer:
        return 0
    if not answer.isascii() or not answer.isdigit() or not 0 < int(answer) < 2**52:
        raise ValueError("An id is a number like 123456789, not your @name.")
    return int(answer)
