"""Small things that tests of several modules share."""

from __future__ import annotations

import os
import signal
import ssl
import stat
import threading
import time
from collections.abc import Callable
from typing import Any

import trustme

from reactor import EventLoop, FramedProtocol, Protocol

_PATIENCE = 20.0  # seconds until a condition that never comes fails the test
_DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # the BSDs and macOS have the latter
_OURS = (stat.S_IFSOCK, stat.S_IFIFO, 0)  # 0: an epoll, an eventfd


NOT_OURS: set[int] = set()  # what another library opens once and for good, and anew in a child


def open_files() -> dict[int, tuple[int, int, int]]:
    """Return the open sockets, pipes and selectors by number: their kind, and which they are."""
    found = {}
    for fd in open_descriptors() - NOT_OURS:
        try:
            about = os.fstat(fd)
        except OSError:  # the one that listed them
            continue
        if stat.S_IFMT(about.st_mode) in _OURS:
            found[fd] = (stat.S_IFMT(about.st_mode), about.st_dev, about.st_ino)
    return found


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def open_descriptors() -> set[int]:
    """Return the numbers that are in use, and that of the list itself."""
    return set(map(int, os.listdir(_DESCRIPTORS)))


def tls_contexts(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server of that name, and of a client that trusts it."""
    authority, server = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def run_until(loop: EventLoop, condition: Callable[[], Any]) -> None:
    """Make turns until the condition holds; fail if it doesn't in a long time."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{condition} never held"
        loop.run_once(0.05)


def elsewhere(use: Callable[[], object]) -> BaseException | None:
    """Call on another thread, and wait for it; return what it raised."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            use()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(_PATIENCE)
    assert not thread.is_alive()
    return raised[0] if raised else None


def elsewhere_in_a_turn(loop: EventLoop, use: Callable[[], object]) -> BaseException | None:
    """Call on another thread while the loop is in a turn; return what it raised."""
    raised: list[BaseException | None] = []
    loop.call_soon(lambda: raised.append(elsewhere(use)))
    loop.run_once(0)
    assert len(raised) == 1
    return raised[0]


def wakeup_fd() -> int:
    """Return where the process's signals ring."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


class Fork:
    """One fork, called wherever it is to happen inside `with`. The child goes on, to the end of that and no further.

    `heard()`: what the child has said, or how it got there.
    """

    def __init__(self) -> None:
        self.called = self.child = False
        self.said: object = None
        self.pid = 0

    def __call__(self) -> None:
        self.called = True
        self._reading, self._writing = os.pipe()
        self.pid = os.fork()
        self.child = self.pid == 0
        os.close(self._reading if self.child else self._writing)
        if self.child:  # nobody waits for it for ever
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(_PATIENCE))

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self.child:
            try:
                said = f"{kind.__name__}: {error}" if kind is not None else str(self.said)
                os.write(self._writing, said.encode())
            finally:
                os._exit(0)

    @property
    def pipe(self) -> int:
        """The file by which the child says something."""
        return self._writing

    def heard(self) -> str:
        with open(self._reading) as pipe:
            said = pipe.read()
        self.ended()
        return said

    def ended(self) -> int:
        """Wait for the child; return its exit code, the negative number of a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def in_child(act: Callable[[], object]) -> str:
    """Do something in a child; return what it returned, or raised, as text."""
    with Fork() as fork:
        fork()
        if fork.child:
            fork.said = act()
    return fork.heard()


class Recorder(Protocol):
    """Writes down its callbacks in order, and everything it was sent."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof")
        return None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost = exc

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    @property
    def ended(self) -> bool:
        return "lost" in self.calls


class FrameRecorder(FramedProtocol):
    """Writes down its messages and its end."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.made = self.ended = False
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.made = True

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True
        self.lost = exc


class Echo(FrameRecorder):
    """Answers every message with itself. The `echo` fixture makes a class of it that knows its instances."""

    made_here: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.made_here.append(self)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message)
