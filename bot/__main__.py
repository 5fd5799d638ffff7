"""The command line: `quarterdeck run | sandbox | console | halt | check | verify`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from core.errors import SettingsError

_SANDBOX_DATA = Path("data") / "sandbox"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 if the settings must be mended."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.command(options)
    except SettingsError as error:
        count = len(error.problems)
        print(f"Quarterdeck cannot start: {count} problem{'s' if count > 1 else ''}.", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        print(f"Quarterdeck cannot use {error.filename}: {error.strerror}. Check --data-dir.", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quarterdeck", description="Command trading strategies from Telegram.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "run", "run the bot with the settings in a folder", _run, _with_folder)
    _add(commands, "check", "check the settings and say what is wrong", _check, _with_folder)
    _add(commands, "verify", "compute books and audit trail again from their history", _verify, _with_stored)
    _add(commands, "sandbox", "run the bot in a browser page: no account, keys or network", _sandbox, _with_sandbox)
    _add(commands, "console", "give commands to a running bot from this terminal", _console, _with_data)
    _add(commands, "halt", "stop all trading now, without Telegram", _halt, _with_halt)
    return parser


def _add(
    commands: Any,
    name: str,
    text: str,
    work: Callable[[argparse.Namespace], int],
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    parser = commands.add_parser(name, help=text, description=text)
    options(parser)
    parser.set_defaults(command=work)


def _with_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path(), metavar="DIR", help="folder with quarterdeck.yaml and .env"
    )


def _with_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, default=_SANDBOX_DATA, metavar="DIR", help="the bot's data directory")


def _with_stored(parser: argparse.ArgumentParser) -> None:
    _with_folder(parser)
    parser.add_argument("--sandbox", type=Path, metavar="DIR", help="a sandbox's data directory, in place of --config")


def _with_halt(parser: argparse.ArgumentParser) -> None:
    _with_data(parser)
    parser.add_argument("reason", nargs="*", help="why; it is shown to everyone")


def _with_sandbox(parser: argparse.ArgumentParser) -> None:
    _with_data(parser)
    parser.add_argument("--port", type=_port, default=8765, help="where the chat page is")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--speed", type=float, metavar="BARS_PER_SECOND", help="0 is as fast as possible")


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return number


def _run(options: argparse.Namespace) -> int:
    from bot.logging import configure
    from bot.program import Program
    from core.checking import load_checked

    configure()
    return _asyncio(Program(load_checked(options.config)).run())


def _check(options: argparse.Namespace) -> int:
    from core.checking import load_checked

    settings = load_checked(options.config)
    print(f"The settings are good: {len(settings.strategies)} strategies, {len(settings.users)} users.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from bot.sandbox.run import stored_settings
    from core.checking import load_checked
    from core.verifying import verify_everything

    settings = stored_settings(options.sandbox) if options.sandbox else load_checked(options.config)
    found = asyncio.run(verify_everything(settings))
    print("\n".join([*found.facts, *(f"WRONG: {each}" for each in found.problems)]))
    print("Everything is what its history says." if not found.problems else "Do not trade before this is understood.")
    return 1 if found.problems else 0


def _sandbox(options: argparse.Namespace) -> int:
    from bot.logging import configure
    from bot.sandbox.run import run_sandbox

    configure("WARNING")
    options.data_dir.mkdir(parents=True, exist_ok=True)
    return _asyncio(
        run_sandbox(
            port=options.port,
            data_dir=options.data_dir,
            speed=options.speed,
            browser=not options.no_browser,
            say=print,
        )
    )


def _console(options: argparse.Namespace) -> int:
    from bot.console_server import NotRunning, run_console

    try:
        return _asyncio(run_console(options.data_dir))
    except NotRunning as error:
        print(error, file=sys.stderr)
        return 1


def _halt(options: argparse.Namespace) -> int:
    from bot.console_server import NotRunning, halt

    async def tell() -> None:
        print(await halt(options.data_dir, " ".join(options.reason) or "halted from the console"))

    try:
        return _asyncio(tell())
    except NotRunning as error:
        print(error, file=sys.stderr)
        return 1


def _asyncio(work: Coroutine[Any, Any, None]) -> int:
    asyncio.run(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
