"""The command line: `quarterdeck init | run | sandbox | console | halt | check | verify | audit | totp`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError, UserError

if TYPE_CHECKING:
    from bot.init.files import Admin
    from bot.init.terminal import Terminal
    from core.settings import Settings

_SANDBOX_DATA = Path("data") / "sandbox"
_NOT_PROVED = (
    ": no line was changed, taken out or put in by somebody who left the rest alone.\n"
    "Whether the newest lines are gone, or all was written anew, only a kept head shows: take one from a report in "
    "the chat and give it as --head LINE:HASH."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 if the settings must be mended."""
    from bot.last_words import redact_last_words
    from core.store.private import only_for_owner

    redact_last_words()
    only_for_owner()
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
    _add(commands, "init", "set everything up, step by step, and pair the first admin", _init, _with_init)
    _add(commands, "run", "run the bot with the settings in a folder", _run, _with_folder)
    _add(commands, "check", "check the settings, or a broker, and say what is wrong", _check, _with_check)
    _add(commands, "alert-test", "send a test over every alert channel", _alert_test, _with_folder)
    _add(commands, "totp", "give somebody a second factor (TOTP)", _totp, _with_person)
    _add(commands, "audit", "check the audit trail, or export it, while the bot runs", _audit, _with_audit)
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


def _with_check(parser: argparse.ArgumentParser) -> None:
    _with_folder(parser)
    parser.add_argument(
        "--broker", metavar="NAME", help="connect to the broker of this account (or feed) and look; orders nothing"
    )


def _with_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, default=_SANDBOX_DATA, metavar="DIR", help="the bot's data directory")


def _with_stored(parser: argparse.ArgumentParser) -> None:
    _with_folder(parser)
    parser.add_argument("--sandbox", type=Path, metavar="DIR", help="a sandbox's data directory, in place of --config")


def _with_init(parser: argparse.ArgumentParser) -> None:
    _with_folder(parser)
    parser.add_argument("--wait", type=float, default=600.0, metavar="SECONDS", help="how long to wait for the code")


def _with_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the person's name, or Telegram id")
    _with_stored(parser)


def _with_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("verify", "export"), help="check the chain, or write it as JSON lines")
    _with_stored(parser)
    parser.add_argument(
        "--head",
        action="append",
        default=[],
        metavar="LINE:HASH",
        help="a head that was kept elsewhere, as reports in chat show it; may be given more than once",
    )


def _with_halt(parser: argparse.ArgumentParser) -> None:
    _with_data(parser)
    part = parser.add_mutually_exclusive_group()
    for kind in ("account", "broker", "strategy"):
        part.add_argument(f"--{kind}", metavar="NAME", help=f"only this {kind}; without: everything")
    parser.add_argument("reason", nargs="*", help="why; it is shown to everyone")


def _with_sandbox(parser: argparse.ArgumentParser) -> None:
    _with_data(parser)
    parser.add_argument("--port", type=_port, default=8765, help="where the chat page is")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--speed", type=float, metavar="BARS_PER_SECOND", help="0 is as fast as possible")
    parser.add_argument(
        "--live", default="", metavar="VENUE", help="trade on the prices of a venue as they are now, like binance"
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return number


def _run(options: argparse.Namespace) -> int:
    import faulthandler

    from bot.logging import configure
    from bot.program import Program
    from core.checking import load_checked

    faulthandler.enable()  # a crash in C, or a service manager's SIGABRT, says where every thread stood
    configure()
    return _asyncio(Program(load_checked(options.config)).run())


def _check(options: argparse.Namespace) -> int:
    from bot.channels.building import told
    from core.checking import load_checked

    settings = load_checked(options.config)
    if options.broker:
        return _check_broker(settings, options.broker)
    print(f"The settings are good: {len(settings.strategies)} strategies, {len(settings.users)} users.")
    print(told(settings))
    return 0


def _check_broker(settings: Settings, name: str) -> int:
    from bot.logging import configure
    from brokers.network import OPEN
    from core.broker_check import check_broker

    configure("CRITICAL")
    return 0 if asyncio.run(check_broker(settings, name, OPEN, print)) else 1


def _alert_test(options: argparse.Namespace) -> int:
    from bot.alert_test import alert_test
    from bot.logging import configure
    from core.checking import load_checked
    from core.redaction import hide, secrets_of

    settings = load_checked(options.config)
    configure("CRITICAL")
    hide(*secrets_of(settings))
    return 0 if asyncio.run(alert_test(settings, print)) else 1


def _verify(options: argparse.Namespace) -> int:
    from bot.sandbox.run import stored_settings
    from core.checking import load_checked
    from core.verifying import verify_everything

    settings = stored_settings(options.sandbox) if options.sandbox else load_checked(options.config)
    found = asyncio.run(verify_everything(settings))
    print("\n".join([*found.facts, *(f"WRONG: {each}" for each in found.problems)]))
    print("Everything is what its history says." if not found.problems else "Do not trade before this is understood.")
    return 1 if found.problems else 0


def _init(options: argparse.Namespace) -> int:
    from bot.init.guide import Guide
    from bot.init.terminal import NoMoreAnswers, Terminal
    from core.clock import SystemClock

    terminal = Terminal()
    guide = Guide(options.config, terminal, SystemClock(), time.sleep, os.environ, options.wait)
    try:
        admin = guide.run()
    except (NoMoreAnswers, KeyboardInterrupt) as stopped:
        terminal.say(f"\nNothing was written{f': {stopped}' if str(stopped) else ''}.")
        return 130 if isinstance(stopped, KeyboardInterrupt) else 1
    return _finish_init(options, terminal, admin)


def _finish_init(options: argparse.Namespace, terminal: Terminal, admin: Admin | None) -> int:
    """The second factor, and what to do next; whatever is left out here can be done later."""
    from bot.enrolling import enrol
    from bot.init.terminal import NoMoreAnswers
    from core.checking import load_checked

    where = "" if options.config == Path() else f" --config {options.config}"
    try:
        settings = load_checked(options.config)
    except SettingsError as error:
        terminal.say("\n".join(["", "Not complete yet:", *(f"  - {problem}" for problem in error.problems)]))
        return 1
    try:
        if admin is not None and terminal.confirm("\nSet up your second factor (TOTP) now", default=True):
            enrol(settings, str(admin.user_id), terminal)
    except (NoMoreAnswers, KeyboardInterrupt):
        terminal.say(f"\nThe second factor is put off:  quarterdeck totp {admin.user_id if admin else 'NAME'}{where}")
    terminal.say(f"\nAll is set up. Start the bot:  quarterdeck run{where}\nThen send it /start in Telegram.")
    return 0


def _totp(options: argparse.Namespace) -> int:
    from bot.console_server import NotRunning
    from bot.enrolling import enrol
    from bot.init.terminal import NoMoreAnswers, Terminal
    from bot.sandbox.run import stored_settings
    from core.checking import load_checked

    settings = stored_settings(options.sandbox) if options.sandbox else load_checked(options.config)
    try:
        return 0 if enrol(settings, options.name, Terminal()) else 1
    except SettingsError:
        raise
    except (UserError, NoMoreAnswers, NotRunning) as error:
        print(error, file=sys.stderr)
        return 1


def _audit(options: argparse.Namespace) -> int:
    from bot.sandbox.run import stored_settings
    from core.access.audit import Kept
    from core.auditing import examine, export
    from core.checking import load_checked

    settings = stored_settings(options.sandbox) if options.sandbox else load_checked(options.config)
    if options.what == "export":
        return _asyncio(export(settings, print))
    try:
        kept = [Kept.read(text) for text in options.head]
    except ValueError as error:
        raise SettingsError([f"--head: {error}"]) from None
    found = asyncio.run(examine(settings, kept))
    print(
        "\n".join(
            [f"audit: {found.head.line} lines, head {found.head}", *(f"WRONG: {each}" for each in found.problems)]
        )
    )
    if not found.problems:
        print("The chain holds" + (" and has every head that was kept." if kept else _NOT_PROVED))
    return 1 if found.problems else 0


def _sandbox(options: argparse.Namespace) -> int:
    from bot.logging import configure
    from bot.sandbox.choosing import check_venue
    from bot.sandbox.run import run_sandbox
    from core.store.private import make_private

    configure("WARNING")
    check_venue(options.live)
    own = options.live and options.data_dir == _SANDBOX_DATA  # beside the one on history
    data_dir = _SANDBOX_DATA.with_name(f"sandbox-{options.live}") if own else options.data_dir
    make_private(data_dir)
    return _asyncio(
        run_sandbox(
            port=options.port,
            data_dir=data_dir,
            live=options.live,
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

    named = ((kind, getattr(options, kind)) for kind in ("account", "broker", "strategy"))
    scope = next((each for each in named if each[1]), ())

    async def tell() -> None:
        print(await halt(options.data_dir, " ".join(options.reason) or "halted from the console", scope))

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
