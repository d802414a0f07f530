"""Pipes: protocols as over sockets, and files that are left as they were found."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import Fork, FrameRecorder, Recorder, is_open, open_descriptors, run_until

from reactor import Limits, Reactor
from reactor.testing import check_transport
from reactor.testing.conformance import PROMISES

pty = pytest.importorskip("pty", reason="pipes are for systems whose selectors take them")
ROOT = Path(__file__).parent.parent.parent


class Files:
    """Descriptors that a test has; those that a transport hasn't closed are closed at its end."""

    def __init__(self) -> None:
        self._known: list[tuple[int, tuple[int, int]]] = []

    def pipe(self) -> tuple[int, int]:
        return self.keep(*os.pipe())

    def tty(self) -> tuple[int, int]:
        return self.keep(*pty.openpty())

    def keep(self, *fds: int) -> Any:
        self._known += [(fd, self._which(fd)) for fd in fds]
        return fds if len(fds) > 1 else fds[0]

    def _which(self, fd: int) -> tuple[int, int]:
        return os.fstat(fd).st_dev, os.fstat(fd).st_ino

    def close(self) -> None:
        for fd, which in self._known:
            with suppress(OSError):
                if self._which(fd) == which:
                    os.close(fd)


@pytest.fixture
def files() -> Iterator[Files]:
    made = Files()
    yield made
    made.close()


def taken(fd: int, most: int = 1 << 20) -> bytes:
    """Read what is there, without waiting."""
    os.set_blocking(fd, False)
    with suppress(BlockingIOError):
        return os.read(fd, most)
    return b""


class Upper(FrameRecorder):
    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message.upper())


# --- what comes and goes


def test_messages_come_and_go_over_two_pipes(net: Reactor, files: Files, twin: ModuleType) -> None:
    (read, theirs), (answers, write) = files.pipe(), files.pipe()
    ours = Upper()
    transport = net.connect_pipe(lambda: ours, read, write)
    assert not ours.made, "never from inside the call"
    os.write(theirs, b"\0\0\0\5hello\0\0")
    run_until(net, lambda: ours.messages)
    net.run_once(0)
    assert taken(answers) == b"\0\0\0\5HELLO"
    assert transport.get_extra_info("pipe") == (read, write)
    os.write(theirs, b"\0\5again")
    run_until(net, lambda: len(ours.messages) == 2)
    os.close(theirs)
    run_until(net, lambda: ours.ended)
    assert ours.lost is None
    assert taken(answers) == b"\0\0\0\5AGAIN"
    assert os.read(answers, 1) == b""


def test_who_only_reads_is_told_the_end_and_can_not_write(net: Reactor, files: Files, twin: ModuleType) -> None:
    read, theirs = files.pipe()
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, read)
    os.write(theirs, b"all there is")
    run_until(net, lambda: ours.data)
    with pytest.raises(RuntimeError, match="no write"):
        transport.write(b"x")
    assert not transport.can_write_eof()
    os.close(theirs)
    run_until(net, lambda: ours.ended)
    assert (ours.calls, ours.lost) == (["made", "data", "eof", "lost"], None)


def test_who_only_writes_sends_all_at_the_readers_pace(net: Reactor, files: Files, twin: ModuleType) -> None:
    theirs, write = files.pipe()
    ours, got = Recorder(), bytearray()
    transport = net.connect_pipe(lambda: ours, write=write)
    run_until(net, lambda: ours.calls)
    sent = os.urandom(1 << 20)
    transport.write(sent)
    net.run_once(0)
    assert ours.calls == ["made", "pause"]
    run_until(net, lambda: got.extend(taken(theirs)) or "resume" in ours.calls)
    transport.write_eof()
    run_until(net, lambda: got.extend(taken(theirs)) or ours.ended)
    got.extend(taken(theirs))
    assert got == sent
    assert (ours.calls, ours.lost) == (["made", "pause", "resume", "lost"], None)
    assert os.read(theirs, 1) == b""


def test_write_eof_ends_one_side_alone(net: Reactor, files: Files, twin: ModuleType) -> None:
    (read, theirs), (answers, write) = files.pipe(), files.pipe()
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, read, write)
    run_until(net, lambda: ours.calls)
    transport.write(b"the last")
    transport.write_eof()
    net.run_once(0)
    assert (taken(answers), os.read(answers, 1)) == (b"the last", b"")
    os.write(theirs, b"and its answer")
    run_until(net, lambda: ours.data == b"and its answer")
    os.close(theirs)
    run_until(net, lambda: ours.ended)
    assert ours.lost is None


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells of an end that nobody waits for")
def test_a_writer_is_told_when_nobody_reads_any_more(net: Reactor, files: Files, twin: ModuleType) -> None:
    theirs, write = files.pipe()
    ours = Recorder()
    net.connect_pipe(lambda: ours, write=write)
    run_until(net, lambda: ours.calls)
    os.close(theirs)
    run_until(net, lambda: ours.ended)
    assert isinstance(ours.lost, BrokenPipeError)


def test_a_write_that_meets_no_reader_ends_it(net: Reactor, files: Files, twin: ModuleType) -> None:
    (read, theirs), (answers, write) = files.pipe(), files.pipe()
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, read, write)
    os.write(theirs, b"in time")
    os.close(answers)
    run_until(net, lambda: ours.data)
    transport.write(b"for nobody")
    run_until(net, lambda: ours.ended)
    assert ours.data == b"in time"
    assert isinstance(ours.lost, BrokenPipeError)


def test_a_regular_file_is_read_and_written_like_a_pipe(net: Reactor, twin: ModuleType) -> None:
    class Copies(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(data)

    content, ours, ticks = os.urandom(2 << 20), Copies(), list[int]()
    with tempfile.TemporaryFile() as source, tempfile.NamedTemporaryFile() as copy:
        source.write(content)
        source.seek(0)
        ticker = net.call_every(0.0001, ticks.append, 1)
        net.connect_pipe(lambda: ours, source, os.open(copy.name, os.O_WRONLY))
        run_until(net, lambda: ours.ended)
        ticker.cancel()
        assert ours.data == content
        assert Path(copy.name).read_bytes() == content
        assert source.closed
    assert (ours.lost, ours.calls.count("data") > 4, bool(ticks)) == (None, True, True)
    assert net.stats()["ready"] == 0


def test_a_paused_one_reads_nothing_of_a_regular_file(net: Reactor, twin: ModuleType) -> None:
    class Reads(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    ours = Reads()
    with tempfile.TemporaryFile() as source:
        source.write(bytes(1 << 20))
        source.seek(0)
        transport = net.connect_pipe(lambda: ours, source)
        run_until(net, lambda: ours.data)
        size = len(ours.data)
        for _ in range(4):
            net.run_once(0)
        assert (len(ours.data), net.stats()["ready"]) == (size, 0)
        transport.resume_reading()
        run_until(net, lambda: len(ours.data) > size)
        transport.abort()
        run_until(net, lambda: ours.ended)


def test_a_tty_is_one_file_for_both_sides(net: Reactor, files: Files, twin: ModuleType) -> None:
    person, terminal = files.tty()
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, terminal, terminal)
    run_until(net, lambda: ours.calls)
    transport.write(b"who are you?")
    net.run_once(0)
    assert os.read(person, 100) == b"who are you?"
    os.write(person, b"me\n")
    run_until(net, lambda: ours.data)
    assert ours.data == b"me\n"
    with pytest.raises(RuntimeError, match="can't end one side alone"):
        transport.write_eof()
    os.close(person)
    run_until(net, lambda: ours.ended)
    assert ours.lost is None


def test_a_ttys_other_side_that_goes_is_an_end(net: Reactor, files: Files, twin: ModuleType) -> None:
    master, terminal = files.tty()
    ours = Recorder()
    net.connect_pipe(lambda: ours, master, os.dup(master))
    os.write(terminal, b"bye\n")
    os.close(terminal)
    run_until(net, lambda: ours.ended)
    assert (ours.data, ours.lost) == (b"bye\r\n", None)


def test_waits_are_those_of_every_connection(net: Reactor, files: Files) -> None:
    read, _ = files.pipe()
    ours = Recorder()
    net.connect_pipe(lambda: ours, read, limits=Limits(read_timeout=0.01))
    run_until(net, lambda: ours.ended)
    assert "which is read_timeout" in str(ours.lost)
    assert net.stats()["connections"] == 0


ABOUT_SOCKETS = {66, 91}  # an end that is made behind TLS's back; "socket", "peername" and "sockname"


@contextmanager
def over_pipes(one: Any, other: Any, limits: Limits) -> Iterator[Reactor]:
    (read, other_write), (other_read, write) = os.pipe(), os.pipe()
    with Reactor() as net:
        net.connect_pipe(lambda: one, read, write, limits=limits)
        net.connect_pipe(lambda: other, other_read, other_write, limits=limits)
        yield net


def test_two_pipes_keep_every_promise_of_a_transport(twin: ModuleType) -> None:
    check_transport(over_pipes, only=sorted(set(PROMISES) - ABOUT_SOCKETS))


# --- how they are left


@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize("end", ["close", "abort", "reactor"])
def test_how_a_file_blocked_is_given_back(net: Reactor, files: Files, blocked: bool, end: str) -> None:
    (read, _), (_, write) = files.pipe(), files.pipe()
    shared = [files.keep(os.dup(fd)) for fd in (read, write)]  # as a shell shares its terminal
    for fd in (read, write):
        os.set_blocking(fd, blocked)
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, read, write)
    run_until(net, lambda: ours.calls)
    assert [os.get_blocking(fd) for fd in shared] == [False, False]
    if end == "reactor":
        net.close()
    else:
        getattr(transport, end)()
        run_until(net, lambda: ours.ended)
    assert [os.get_blocking(fd) for fd in shared] == [blocked, blocked]
    for fd in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_file_that_is_both_sides_never_blocks_though_one_side_has_ended(net: Reactor, files: Files) -> None:
    person, terminal = files.tty()
    second = os.dup(terminal)
    ours = Recorder()
    transport = net.connect_pipe(lambda: ours, terminal, second)
    run_until(net, lambda: ours.calls)
    transport.write_eof()
    net.run_once(0)
    assert os.get_blocking(terminal) is False
    os.write(person, b"still heard\n")
    run_until(net, lambda: ours.data)
    transport.close()
    run_until(net, lambda: ours.ended)


def test_a_child_of_fork_leaves_the_parents_files_as_they_are(net: Reactor, files: Files) -> None:
    read, theirs = files.pipe()
    shared, ours = files.keep(os.dup(read)), Recorder()
    net.connect_pipe(lambda: ours, read)
    run_until(net, lambda: ours.calls)
    with Fork() as fork:
        fork()
        if fork.child:
            fork.said = read in open_descriptors()
    assert fork.heard() == "False"
    assert os.get_blocking(shared) is False
    os.write(theirs, b"for the parent")
    run_until(net, lambda: ours.data)


STDIO = """
from reactor import FramedProtocol, Reactor

class Port(FramedProtocol):
    def message_received(self, message):
        self.send(message.upper())
    def connection_lost(self, exc):
        reactor.stop()

with Reactor() as reactor:
    reactor.connect_pipe(Port, 0, 1)
    reactor.run()
print("still here")
"""


def test_stdio_is_spoken_over_and_left_open() -> None:
    """As Erlang's ports and native messaging have it: a child process and its parent."""
    run = subprocess.run(
        [sys.executable, "-c", STDIO], input=b"\0\0\0\2hi" * 3, capture_output=True, cwd=ROOT, timeout=60
    )
    assert (run.stdout, run.stderr) == (b"\0\0\0\2HI" * 3 + b"still here\n", b"")


def test_the_example_of_a_child_process_talks_to_the_example_of_a_port() -> None:
    words = [sys.executable, "examples/child_process.py", sys.executable, "examples/stdio_port.py"]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(words, capture_output=True, cwd=ROOT, env=here, timeout=60, check=True)
    assert (run.stdout, run.stderr) == (b"hello\n", b"")


def test_stdio_may_be_regular_files(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\0\0\0\2hi" * 3)
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as sink:
        subprocess.run([sys.executable, "-c", STDIO], stdin=source, stdout=sink, cwd=ROOT, timeout=60, check=True)
    assert (tmp_path / "out").read_bytes() == b"\0\0\0\2HI" * 3 + b"still here\n"


# --- what is wrong is named, and nothing is changed


def raises(*_: object) -> Any:
    raise KeyError("in the factory")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda read, write: {}, "read is None and write is None"),
        (lambda read, write: {"read": "x"}, "read is 'x'"),
        (lambda read, write: {"read": read, "write": True}, "write is True"),
        (lambda read, write: {"read": write}, "read is .*, which is open for writing only"),
        (lambda read, write: {"read": read, "write": read}, "write is .*, which is open for reading only"),
        (lambda read, write: {"read": -1}, "read is -1: Bad file descriptor"),
        (lambda read, write: {"read": read, "limits": {}}, "limits is {}"),
        (lambda read, write: {"read": read, "factory": None}, "factory is None"),
        (lambda read, write: {"read": read, "factory": lambda: None}, "returned None"),
        (lambda read, write: {"read": read, "factory": raises}, "in the factory"),
    ],
)
def test_what_is_wrong_is_named_and_the_files_are_closed(
    net: Reactor, files: Files, wrong: Callable[[int, int], dict[str, Any]], named: str
) -> None:
    (read, _), (_, write) = files.pipe(), files.pipe()
    copies = [files.keep(os.dup(each)) for each in (read, write)]
    arguments = wrong(read, write)
    before = open_descriptors()
    given = {each for name, each in arguments.items() if name in ("read", "write") and each in (read, write)}
    with pytest.raises((TypeError, ValueError, OSError, KeyError), match=named):
        net.connect_pipe(**{"factory": Recorder, **arguments})
    assert not any(map(is_open, given))
    assert len(open_descriptors()) == len(before) - len(given)
    assert [os.get_blocking(copy) for copy in copies] == [True, True]
    assert (net.stats()["connections"], net.stats()["ready"]) == (0, 0)


def test_file_objects_are_closed_by_their_own_close_if_the_call_raises(net: Reactor, files: Files) -> None:
    read, write = files.pipe()
    one, other = os.fdopen(read, "rb"), os.fdopen(write, "wb")
    with pytest.raises(TypeError, match="limits is"):
        net.connect_pipe(Recorder, one, other, limits={})  # type: ignore[arg-type]
    assert one.closed
    assert other.closed


def test_a_file_object_that_is_closed_is_named(net: Reactor, files: Files) -> None:
    file = os.fdopen(files.pipe()[0], "rb")
    file.close()
    with pytest.raises(TypeError, match=r"read is .*, it must be a file object that is open"):
        net.connect_pipe(Recorder, file)


def test_stdio_is_left_open_if_the_call_raises(net: Reactor) -> None:
    blocked = [os.get_blocking(fd) for fd in (0, 1)]
    with pytest.raises(TypeError, match="limits is"):
        net.connect_pipe(Recorder, 0, 1, limits={})  # type: ignore[arg-type]
    assert [os.get_blocking(fd) for fd in (0, 1)] == blocked


def test_one_file_for_both_is_closed_once(net: Reactor, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair()
    fd, closes, close = one.detach(), [], os.close
    monkeypatch.setattr(os, "close", lambda each: (closes.append(each), close(each)))
    net.connect_pipe(Recorder, fd, fd).abort()
    run_until(net, lambda: not net.stats()["connections"])
    assert closes.count(fd) == 1, "by then the number may be somebody else's"
    other.close()


def test_a_directory_is_none(net: Reactor, files: Files) -> None:
    with pytest.raises(ValueError, match="which is a directory"):
        net.connect_pipe(Recorder, files.keep(os.open(ROOT, os.O_RDONLY)))


def test_a_file_that_can_not_be_watched_is_reported_and_closed(net: Reactor, files: Files) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    read, _ = files.pipe()
    shared = files.keep(os.dup(read))
    register, net._selector.register = net._selector.register, raises  # type: ignore[method-assign,assignment]
    ours = Recorder()
    net.connect_pipe(lambda: ours, read)
    with suppress(KeyError):
        net.run_once(0)
    net._selector.register = register  # type: ignore[method-assign]
    run_until(net, lambda: reports)
    assert "can't be watched" in str(reports[0]["exception"])
    assert ours.calls == []
    assert os.get_blocking(shared)
