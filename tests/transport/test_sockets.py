"""Every socket call, and what its errors mean."""

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reactor.transport import _stream, sockets

LOCAL = ("127.0.0.1", 0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with sockets.listen_on(socket.AF_INET, LOCAL, 5, False) as sock:
        yield sock


@pytest.fixture
def take(twin: ModuleType) -> sockets.Take:
    """What accepts once, of either twin."""
    return _stream.take_next


class Failing:
    """A listening socket whose accept() fails by a script of errnos, then finds nobody."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def _accept(self) -> Any:
        if self.codes:
            raise OSError(self.codes.pop(0), "scripted")
        raise BlockingIOError(errno.EAGAIN, "nobody")


def test_a_port_in_use_is_named(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    with pytest.raises(OSError, match=f"can't listen on {host}:{port}: Address already in use") as caught:
        sockets.listen_on(socket.AF_INET, (host, port), 5, False)
    assert caught.value.errno == errno.EADDRINUSE


def test_two_may_listen_on_a_port_if_both_say_so() -> None:
    with sockets.listen_on(socket.AF_INET, LOCAL, 5, True) as one:
        sockets.listen_on(socket.AF_INET, one.getsockname(), 5, True).close()


def test_nobody_waiting_is_no_error(listener: socket.socket, take: sockets.Take) -> None:
    assert sockets.accept(listener, take) is None


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENONET])
def test_a_connection_that_died_in_the_queue_is_passed_over(code: int) -> None:
    assert sockets.accept(Failing(code, code), sockets.take_next) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENONET])
def test_an_error_that_stays_is_passed_over_a_few_times_and_raised(code: int) -> None:
    listener = Failing(*[code] * 1000)
    with pytest.raises(OSError, match="scripted"):
        sockets.accept(listener, sockets.take_next)  # type: ignore[arg-type]
    assert len(listener.codes) > 900


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_running_out_is_told_apart(code: int) -> None:
    with pytest.raises(sockets.OutOfDescriptors):
        sockets.accept(Failing(code), sockets.take_next)  # type: ignore[arg-type]


def test_any_other_accept_error_is_raised() -> None:
    with pytest.raises(OSError, match="scripted"):
        sockets.accept(Failing(errno.EBADF), sockets.take_next)  # type: ignore[arg-type]


def test_an_accepted_socket_is_ready_for_use(listener: socket.socket, take: sockets.Take) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted = sockets.accept(listener, take)
        assert accepted is not None
        sock, peer = accepted
        with closing(sock):
            assert peer == client.getsockname()
            assert not sock.getblocking()
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@pytest.mark.parametrize("named", [False, True])
def test_the_peer_of_an_accepted_socket_is_what_getpeername_says(
    family: socket.AddressFamily, named: bool, take: sockets.Take, tmp_path: Path
) -> None:
    here = {socket.AF_INET: LOCAL, socket.AF_INET6: ("::1", 0), socket.AF_UNIX: str(tmp_path / "listener")}
    with socket.socket(family) as listening, socket.socket(family) as client:
        listening.bind(here[family])
        listening.listen()
        listening.setblocking(False)
        if named:
            client.bind(str(tmp_path / "client") if family == socket.AF_UNIX else here[family])
        client.connect(listening.getsockname())
        accepted = sockets.accept(listening, take)
        assert accepted is not None
        sock, peer = accepted
        assert peer == sock.getpeername() == client.getsockname()
        sock.close()


def test_an_accepted_socket_is_a_socket_to_whoever_asks(listener: socket.socket, take: sockets.Take) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted = sockets.accept(listener, take)
        assert accepted is not None
        sock, _ = accepted
        fd = sock.fileno()
        assert (sock.family, sock.type, sock.gettimeout()) == (socket.AF_INET, socket.SOCK_STREAM, 0)
        assert f"fd={fd}" in repr(sock)
        with sock.dup() as another:
            assert another.getpeername() == client.getsockname()
        assert sock.fileno() == fd
        assert not os.get_inheritable(fd)
        sock.close()
        sock.close()
        assert sock.fileno() == -1
        assert client.recv(1) == b""


def test_an_accepted_socket_that_is_closed_before_anybody_asked_answers_as_a_closed_one(
    listener: socket.socket, take: sockets.Take
) -> None:
    with socket.create_connection(listener.getsockname()):
        accepted = sockets.accept(listener, take)
        assert accepted is not None
        sock, _ = accepted
        sock.close()
        sock.close()
        assert sock.fileno() == -1
        assert "closed" in repr(sock)
        with pytest.raises(OSError, match=r"bad family|Bad file descriptor"):
            sock.getsockname()


def test_an_accepted_socket_that_nobody_keeps_is_closed(listener: socket.socket, take: sockets.Take) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            accepted = sockets.accept(listener, take)
            del accepted
        assert client.recv(1) == b""


def test_reading_tells_data_end_and_nothing_apart() -> None:
    one, other = socket.socketpair()
    with one, other:
        sockets.prepare(one)
        buffer = memoryview(bytearray(10))
        assert sockets.receive(one, buffer) is None
        other.send(b"abc")
        assert (sockets.receive(one, buffer), bytes(buffer[:3])) == (3, b"abc")
        sockets.end_writing(other)
        assert sockets.receive(one, buffer) == 0


def test_a_reset_reaches_the_peer(listener: socket.socket, take: sockets.Take) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted = sockets.accept(listener, take)
        assert accepted is not None
        sockets.close(accepted[0], reset=True)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_connection_to_itself_is_refused() -> None:
    with sockets.listen_on(socket.AF_INET, LOCAL, 1, False) as free:
        address = free.getsockname()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.connect(address)  # TCP's simultaneous open: it really works
        error = sockets.connect_result(sock, address)
    assert isinstance(error, ConnectionRefusedError)
    assert "to itself" in str(error)


def test_naming_an_error_keeps_its_class() -> None:
    assert isinstance(sockets.named(ConnectionRefusedError(errno.ECONNREFUSED, "no"), "x"), ConnectionRefusedError)
    assert isinstance(sockets.named(socket.gaierror(socket.EAI_NONAME, "no"), "x"), socket.gaierror)


def test_a_path_that_cannot_be_encoded_leaves_no_socket() -> None:
    with pytest.raises(UnicodeEncodeError):
        sockets.start_connect(socket.AF_UNIX, "\ud800")
