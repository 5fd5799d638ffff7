"""Asks in a terminal, or takes the answers from a pipe, line by line."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import TypeVar

from core.redaction import escaped, redact

T = TypeVar("T")
_YES = {"y": True, "yes": True, "n": False, "no": False}
_MOST_ATTEMPTS = 20  # a pipe that answers wrongly must come to an end


class NoMoreAnswers(Exception):
    """The input has ended, or nothing sensible comes."""


class Terminal:
    """Questions and answers. Secrets that are typed are not shown, and none is ever printed."""

    def say(self, text: str = "") -> None:
        """Print lines; anything odd in them shows as its code."""
        for line in redact(text).split("\n"):
            _out(escaped(line))

    def show_secret(self, text: str) -> None:
        """Print what is meant for the eyes of whoever sits here: a code, a seed, a picture of one."""
        _out(text)

    def ask(self, question: str, check: Callable[[str], T], default: str = "", *, secret: bool = False) -> T:
        """Ask until `check` takes the answer; what it raises as `ValueError` is told. Raises `NoMoreAnswers`."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        for _ in range(_MOST_ATTEMPTS):
            answer = self._read(shown, secret=secret).strip() or default
            try:
                return check(answer)
            except ValueError as problem:
                self.say(f"  {problem}")
        raise NoMoreAnswers("too many answers that make no sense")

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no. Raises `NoMoreAnswers`."""

        def check(answer: str) -> bool:
            if not answer:
                return default
            if answer.lower() not in _YES:
                raise ValueError("Answer y or n.")
            return _YES[answer.lower()]

        return self.ask(f"{question} [{'Y/n' if default else 'y/N'}]", check)

    def _read(self, prompt: str, *, secret: bool) -> str:
        if secret and sys.stdin.isatty():
            try:
                return getpass.getpass(prompt)
            except EOFError:
                raise NoMoreAnswers("the input has ended") from None
        sys.stdout.write(prompt)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            _out("")
            raise NoMoreAnswers("the input has ended")
        if not sys.stdin.isatty():
            _out("")  # nobody has pressed Enter
        return line


def _out(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
