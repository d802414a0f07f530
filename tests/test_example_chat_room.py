"""examples/chat_room.py, talked to by plain sockets."""

from __future__ import annotations

import runpy
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from conftest import TWINS
from example_programs import EXAMPLES, Program, ended
from helpers import Recorder, run_until

from reactor import Limits, Reactor


class Guest:
    """Somebody at a terminal."""

    def __init__(self, sock: socket) -> None:
        self.sock = sock
        self.lines = sock.makefile("rb")
        assert self.reads() == "* Who are you? NAME ROOM, please."

    def says(self, words: str) -> None:
        self.sock.sendall(words.encode() + b"\n")

    def reads(self) -> str:
        return self.lines.readline().decode().rstrip("\n")


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program(request.param, "chat_room.py", "127.0.0.1", 0) as server:
        yield server


@pytest.fixture
def guest(server: Program) -> Iterator[Any]:
    """Let somebody come in, and into a room."""
    with ExitStack() as guests:

        def come(*words: str) -> Guest:
            guest = Guest(guests.enter_context(server.connect()))
            guests.enter_context(guest.lines)
            if words:
                guest.says(" ".join(words))
                assert guest.reads().startswith(f"* {words[0]} comes; here: ")
            return guest

        yield come


def test_what_is_said_in_a_room_is_heard_there_and_nowhere_else(guest: Any) -> None:
    ann, other, bob = guest("ann", "garden"), guest("ann", "kitchen"), guest("bob", "garden")
    assert ann.reads() == "* bob comes; here: ann, bob"
    bob.says("hello, ünd")
    assert [ann.reads(), bob.reads()] == ["bob: hello, ünd"] * 2
    bob.sock.close()
    bob.lines.close()
    assert ann.reads() == "* bob has gone"
    other.says("nobody else")
    assert other.reads() == "ann: nobody else"


def test_a_name_is_one_members_of_a_room(guest: Any) -> None:
    guest("ann", "attic")
    second = guest()
    second.says("ann attic")
    assert second.reads() == "* That name is taken. Another?"
    second.says("no room")
    assert second.reads() == "* no comes; here: no"
    third = guest()
    third.says("nameless")
    assert third.reads() == "* NAME ROOM, please."


def test_what_a_terminal_would_obey_is_left_out(guest: Any) -> None:
    ann = guest("ann", "cellar")
    ann.sock.sendall(b"\x1b[2Jred\r \xff\n")
    assert ann.reads() == "ann: [2Jred \N{REPLACEMENT CHARACTER}"


def test_a_line_without_an_end_ends_its_member_and_the_room_is_told_why(guest: Any) -> None:
    ann, bob = guest("ann", "hall"), guest("bob", "hall")
    assert ann.reads() == "* bob comes; here: ann, bob"
    bob.sock.sendall(b"x" * 2000)
    assert "max_frame_length" in (line := ann.reads())
    assert line.startswith("* bob has gone: ")
    assert ended(bob.sock)


def test_who_talks_too_much_waits_and_all_of_it_is_heard(guest: Any) -> None:
    ann = guest("ann", "tower")
    ann.says("\n".join(map(str, range(10))))
    assert [ann.reads() for _ in range(10)] == [f"ann: {number}" for number in range(10)]


def test_on_ctrl_c_all_are_closed(server: Program, guest: Any) -> None:
    ann = guest("ann", "garden")
    server.drain(signal.SIGINT)
    assert ann.reads() == ""
    assert server.stop(None) == ("", "")


def test_who_is_too_slow_for_the_room_is_ended_by_the_limit_and_the_others_go_on(net: Reactor, tmp_path: Path) -> None:
    """In this process and at a Unix socket, for the limits are to be low, and the kernel to hold little."""
    example = runpy.run_path(str(EXAMPLES / "chat_room.py"))
    globals_of_it = example["Member"].message_received.__globals__
    globals_of_it["PACE"] = 0
    limits, rooms = Limits(max_write_buffer=20_000), example["Rooms"]()
    net.listen_unix(partial(example["Member"], net, rooms), tmp_path / "chat", limits=limits)
    slow, quick = Recorder(), Recorder()
    for each, name in ((slow, b"slow"), (quick, b"quick")):
        net.connect_unix(lambda each=each: each, tmp_path / "chat")
        run_until(net, lambda each=each: b"please" in each.data)
        each.transport.write(name + b" room\n")
        run_until(net, lambda each=each: b"comes" in each.data)
    slow.transport.pause_reading()
    for said in range(1, 2000):
        quick.transport.write(b"x" * 900 + b"\n")
        run_until(net, lambda said=said: quick.data.count(b"quick: ") == said)
        if b"slow has gone" in quick.data:
            break
    assert b"max_write_buffer is 20000" in quick.data
    assert list(rooms["room"]) == ["quick"]
