"""The command line. Law: a command gets checked arguments and returns or raises; only this file ends with a status."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn, Protocol

from . import bench, demo, dump, echo, send
from .failure import FAILED, MISUSED, Failure, reason


class Command(Protocol):
    """What a command's module has."""

    SUMMARY: str

    def add_arguments(self, parser: ArgumentParser) -> None: ...
    def run(self, args: Namespace) -> None: ...


_COMMANDS: dict[str, Command] = {"demo": demo, "echo": echo, "send": send, "dump": dump, "bench": bench}


class Parser(ArgumentParser):
    """An ArgumentParser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"{self.prog.split()[-1]}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = _parser().parse_args(argv)
    try:
        _COMMANDS[args.command].run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails once more
        return FAILED
    except Failure as exc:
        return _complain(args.command, str(exc), exc.status)
    except OSError as exc:
        return _complain(args.command, reason(exc), FAILED)
    except KeyboardInterrupt:
        return _complain(args.command, "interrupted", FAILED)
    return 0


def _parser() -> Parser:
    package = __name__.rpartition(".")[0]  # "reactor", or where a vendored copy lies
    parser = Parser(
        prog=f"python -m {package}", description="Length-prefixed messages over TCP, from the command line."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY))
    return parser


def _complain(command: str, text: str, status: int) -> int:
    print(f"{command}: {text}", file=sys.stderr)
    return status
