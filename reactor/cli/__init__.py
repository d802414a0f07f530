"""The command line. Law: a command gets checked arguments and returns or raises; only this file ends with a status."""

from __future__ import annotations

import os
import platform
import selectors
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

from ..transport import EXTENSION
from . import bench, demo, dump, echo, send, serve, vendor
from .failure import FAILED, MISUSED, Failure, reason


class Command(Protocol):
    """What a command's module has."""

    SUMMARY: str

    def add_arguments(self, parser: ArgumentParser) -> None: ...
    def run(self, args: Namespace) -> None: ...


_COMMANDS: dict[str, Command] = {
    "demo": demo,
    "echo": echo,
    "send": send,
    "dump": dump,
    "bench": bench,
    "serve": serve,
    "vendor": vendor,
}


class Parser(ArgumentParser):
    """An ArgumentParser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"{self.prog.split()[-1]}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _open_streams()
    args = Namespace(command=__name__.split(".")[0])  # while we don't know it
    try:
        try:
            parser = _parser()
            parser.parse_args(argv, args)
            if args.command in _COMMANDS:
                _COMMANDS[args.command].run(args)
            else:
                parser.print_help()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough: `| head`
        return _give_up_output()
    except Failure as exc:
        return _complain(args.command, str(exc), exc.status)
    except OSError as exc:
        _give_up_output()
        return _complain(args.command, reason(exc), FAILED)
    except KeyboardInterrupt:
        return _complain(args.command, "interrupted", FAILED)
    return 0


def _open_streams() -> None:
    """Have three standard streams whatever the shell closed: else a socket would take their numbers, and our output."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(number, True)
    os.close(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what its encoding can't say is spelt


def _give_up_output() -> int:
    """Let what is left of the output go nowhere: or the flush at exit would fail once more."""
    with suppress(OSError, ValueError):  # it has no number in a test
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    return FAILED


def _parser() -> Parser:
    package = __name__.rpartition(".")[0]  # "reactor", or where a vendored copy lies
    parser = Parser(
        prog=f"python -m {package}", description="Length-prefixed messages over TCP, from the command line."
    )
    parser.add_argument("--version", action="version", version=_version(package))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in _COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY))
    return parser


def _version(package: str) -> str:
    twin = "compiled" if EXTENSION else "pure"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    version = vars(sys.modules[package])["__version__"]
    return f"{package} {version}, {twin} twin, {selectors.DefaultSelector.__name__}, {python}"


def _complain(command: str, text: str, status: int) -> int:
    with suppress(OSError):  # nobody reads that, either
        print(f"{command}: {text}", file=sys.stderr, flush=True)
    return status
