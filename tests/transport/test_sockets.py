"""Every socket call, and what its errors mean."""

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from reactor.transport import sockets

LOCAL = ("127.0.0.1", 0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with sockets.listen_on(socket.AF_INET, LOCAL, 5, False) as sock:
        yield sock


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


def test_nobody_waiting_is_no_error(listener: socket.socket) -> None:
    assert sockets.accept(listener) is None


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENONET])
def test_a_connection_that_died_in_the_queue_is_passed_over(code: int) -> None:
    assert sockets.accept(Failing(code, code)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENONET])
def test_an_error_that_stays_is_passed_over_a_few_times_and_raised(code: int) -> None:
    listener = Failing(*[code] * 1000)
    with pytest.raises(OSError, match="scripted"):
        sockets.accept(listener)  # type: ignore[arg-type]
    assert len(listener.codes) > 900


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_running_out_is_told_apart(code: int) -> None:
    with pytest.raises(sockets.OutOfDescriptors):
        sockets.accept(Failing(code))  # type: ignore[arg-type]


def test_any_other_accept_error_is_raised() -> None:
    with pytest.raises(OSError, match="scripted"):
        sockets.accept(Failing(errno.EBADF))  # type: ignore[arg-type]


def test_an_accepted_socket_is_ready_for_use(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted = sockets.accept(listener)
        assert accepted is not None
        sock, peer = accepted
        with sock:
            assert peer == client.getsockname()
            assert not sock.getblocking()
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


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


def test_sending_tells_how_much_was_taken() -> None:
    one, other = socket.socketpair()
    with one, other:
        sockets.prepare(one)
        assert sockets.send(one, [b"ab", memoryview(b"c")]) == 3
        assert other.recv(10) == b"abc"
        while sockets.send(one, [bytes(1 << 20)]):
            pass
        assert sockets.send(one, [b"x"]) == 0


def test_a_reset_reaches_the_peer(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted = sockets.accept(listener)
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


def test_a_lent_socket_is_for_looking_at(listener: socket.socket) -> None:
    lent = sockets.lend(listener)
    assert (lent.getsockname(), lent.family, lent.fileno()) == (
        listener.getsockname(),
        socket.AF_INET,
        listener.fileno(),
    )
    lent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    for name in ("close", "detach", "recv", "send", "settimeout"):
        with pytest.raises(AttributeError, match="for the transport"):
            getattr(lent, name)


def test_a_path_that_cannot_be_encoded_leaves_no_socket() -> None:
    with pytest.raises(UnicodeEncodeError):
        sockets.start_connect(socket.AF_UNIX, "\ud800")
