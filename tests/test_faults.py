"""Faults: peers that reset, stall, trickle, storm and flood, and errors of every call. The others go on."""

from __future__ import annotations

import errno
import os
import resource
import selectors
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, Recorder, open_descriptors, run_until, tls_contexts

from reactor import ConnectionTimeout, EventLoop, FrameTruncated, Framing, Limits, Reactor, Server
from reactor.testing import ManualClock, MemorySocket, memory_pair
from reactor.transport import sockets
from reactor.transport.tls import TLS

LOCAL = "127.0.0.1"
STORM = 4_000
HELLO = Framing().encode(b"hello")


@pytest.fixture
def peers() -> Iterator[list[socket.socket]]:
    """Plain sockets, closed at the end."""
    socks: list[socket.socket] = []
    yield socks
    for sock in socks:
        sock.close()


def dial(server: Server, peers: list[socket.socket], receive_buffer: int | None = None) -> socket.socket:
    """Connect a plain socket to a server."""
    sock = socket.socket()
    peers.append(sock)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(server.addresses[0])
    return sock


def reset(sock: socket.socket) -> None:
    sockets.close(sock, reset=True)


def is_served(net: Reactor, server: Server) -> None:
    """Check that a client of good manners gets its answer."""
    client = FrameRecorder()
    net.connect_tcp(lambda: client, LOCAL, server.addresses[0][1])
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    client.transport.close()
    run_until(net, lambda: client.ended)


def is_over(net: Reactor) -> None:
    """Wait until no connection stands."""
    run_until(net, lambda: net.stats()["connections"] == 0)


# --- a reset, whenever it comes


def test_a_reset_before_the_connection_is_accepted(net: Reactor, echo: type[Echo], peers: list[socket.socket]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    for _ in range(5):
        reset(dial(server, peers))
    is_served(net, server)
    is_over(net)
    assert all(each.ended for each in echo.made_here)


def test_a_reset_right_after_the_connection_is_made(net: Reactor, echo: type[Echo], peers: list[socket.socket]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    peer = dial(server, peers)
    run_until(net, lambda: echo.made_here)
    reset(peer)
    run_until(net, lambda: echo.made_here[0].ended)
    assert isinstance(echo.made_here[0].lost, ConnectionResetError)
    is_served(net, server)


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_a_reset_inside_a_frame(net: Reactor, echo: type[Echo], peers: list[socket.socket], cut: int) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    peer = dial(server, peers)
    peer.sendall(HELLO + HELLO[:cut])
    run_until(net, lambda: echo.made_here and echo.made_here[0].messages)
    reset(peer)
    run_until(net, lambda: echo.made_here[0].ended)
    assert isinstance(echo.made_here[0].lost, (ConnectionResetError, BrokenPipeError))
    assert echo.made_here[0].messages == [b"hello"]
    is_served(net, server)


@pytest.mark.parametrize("closing", [False, True])
def test_a_reset_while_bytes_wait_for_the_peer(net: Reactor, peers: list[socket.socket], closing: bool) -> None:
    ours = Recorder()
    server = net.listen_tcp(lambda: ours, LOCAL, 0)
    peer = dial(server, peers, receive_buffer=4096)
    run_until(net, lambda: ours.calls)
    fill(net, ours)
    if closing:
        ours.transport.close()
        net.run_once(0)
        assert not ours.ended
    reset(peer)
    run_until(net, lambda: ours.ended)
    assert isinstance(ours.lost, (ConnectionResetError, BrokenPipeError))
    assert ours.transport.get_write_buffer_size() == 0
    assert "resume" not in ours.calls


def fill(net: Reactor, ours: Recorder) -> None:
    """Write until the kernel takes no more."""
    quiet = 0
    while quiet < 5:
        before = ours.transport.get_write_buffer_size()
        if not before:
            ours.transport.write(bytes(256 * 1024))
        net.run_once(0)
        quiet = quiet + 1 if before and ours.transport.get_write_buffer_size() == before else 0


def test_a_reset_while_our_last_bytes_linger(net: Reactor, peers: list[socket.socket]) -> None:
    ours = Recorder()
    server = net.listen_tcp(lambda: ours, LOCAL, 0)
    peer = dial(server, peers, receive_buffer=4096)
    run_until(net, lambda: ours.calls)
    ours.transport.write(bytes(64 * 1024))  # more than the peer's window, less than our kernel's buffer
    ours.transport.close()
    run_until(net, lambda: ours.ended)
    reset(peer)
    for _ in range(5):
        net.run_once(0.01)
    assert ours.lost is None


def test_a_reset_of_a_paused_connection_is_told_when_it_resumes(net: Reactor, peers: list[socket.socket]) -> None:
    ours = Recorder()
    server = net.listen_tcp(lambda: ours, LOCAL, 0)
    peer = dial(server, peers)
    run_until(net, lambda: ours.calls)
    ours.transport.pause_reading()
    reset(peer)
    for _ in range(5):
        net.run_once(0.01)
    assert ours.calls == ["made"]
    ours.transport.resume_reading()
    run_until(net, lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionResetError)


# --- peers that take their time


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    """A reactor over real sockets, on a clock that is told the time."""
    with Reactor(clock=clock) as net:
        yield net


def test_a_peer_that_never_reads_meets_the_write_timeout(
    told: Reactor, clock: ManualClock, peers: list[socket.socket]
) -> None:
    ours = Recorder()
    server = told.listen_tcp(lambda: ours, LOCAL, 0, limits=Limits(write_timeout=30))
    dial(server, peers, receive_buffer=4096)
    run_until(told, lambda: ours.calls)
    fill(told, ours)
    clock.advance(29)
    told.run_once(0)
    assert not ours.ended
    clock.advance(1)
    run_until(told, lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert "write_timeout" in str(ours.lost)


def test_a_peer_that_never_reads_holds_a_close_for_close_timeout_only(
    told: Reactor, clock: ManualClock, peers: list[socket.socket]
) -> None:
    ours = Recorder()
    server = told.listen_tcp(lambda: ours, LOCAL, 0, limits=Limits(close_timeout=3))
    peer = dial(server, peers, receive_buffer=4096)
    run_until(told, lambda: ours.calls)
    fill(told, ours)
    ours.transport.close()
    clock.advance(3)
    run_until(told, lambda: ours.ended)
    assert "close_timeout" in str(ours.lost)
    with pytest.raises(ConnectionResetError):
        read_all(peer)


def test_a_peer_that_trickles_meets_the_frame_timeout_and_not_the_idle_one(
    told: Reactor, clock: ManualClock, echo: type[Echo], peers: list[socket.socket]
) -> None:
    server = told.listen_tcp(echo, LOCAL, 0, limits=Limits(idle_timeout=5, frame_timeout=30))
    peer = dial(server, peers)
    run_until(told, lambda: echo.made_here)
    ours = echo.made_here[0]
    for sent, byte in enumerate(Framing().encode(bytes(100))[:30], 1):
        peer.sendall(bytes([byte]))
        run_until(told, lambda sent=sent: ours.decoder.buffered == sent)
        assert not ours.ended
        clock.advance(1)
    run_until(told, lambda: ours.ended)
    assert "frame_timeout" in str(ours.lost)
    is_served(told, server)


def test_a_peer_that_says_nothing_meets_the_idle_timeout(
    told: Reactor, clock: ManualClock, echo: type[Echo], peers: list[socket.socket]
) -> None:
    server = told.listen_tcp(echo, LOCAL, 0, limits=Limits(idle_timeout=5))
    dial(server, peers)
    run_until(told, lambda: echo.made_here)
    clock.advance(5)
    run_until(told, lambda: echo.made_here[0].ended)
    assert "idle_timeout" in str(echo.made_here[0].lost)


def test_a_peer_that_begins_no_handshake_meets_the_handshake_timeout(
    told: Reactor, clock: ManualClock, contexts: Contexts, peers: list[socket.socket]
) -> None:
    ours = Recorder()
    server = told.listen_tcp(lambda: ours, LOCAL, 0, tls=contexts[0], limits=Limits(handshake_timeout=10))
    dial(server, peers)
    run_until(told, lambda: server.connections)
    clock.advance(10)
    run_until(told, lambda: not server.connections)
    assert ours.calls == []
    assert told.stats()["handshake_failures"] == 1


def read_all(peer: socket.socket) -> None:
    while peer.recv(1 << 16):
        pass


# --- storms and floods


def test_a_storm_of_connections_that_are_reset_leaves_nothing_behind(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    before = len(open_descriptors())
    for number in range(STORM):
        with socket.create_connection(server.addresses[0]) as peer:
            if number % 3 == 0:
                peer.sendall(HELLO[: number % 9])
            if number % 3 < 2:
                reset(peer)
        if number % 10 == 0:  # a turn takes 16: the queue in the kernel never fills
            net.run_once(0)
    run_until(net, lambda: len(echo.made_here) == STORM and net.stats()["connections"] == 0)
    assert all(each.ended for each in echo.made_here)
    is_served(net, server)
    run_until(net, lambda: len(open_descriptors()) <= before)
    assert server.connections == 0


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Return what lets the process have only so many descriptors more than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more: int) -> None:
        highest = max(open_descriptors())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + more, hard))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_without_descriptors_sheds_who_comes_and_recovers(
    told: Reactor,
    clock: ManualClock,
    echo: type[Echo],
    peers: list[socket.socket],
    few_descriptors: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = told.listen_tcp(echo, LOCAL, 0)
    few_descriptors(8)
    with pytest.raises(OSError, match="Too many open files"):
        take_every_descriptor(peers)
    callers = peers[-3:]
    for caller in callers:
        caller.settimeout(10)
        caller.connect(server.addresses[0])
    run_until(told, lambda: server.shed == len(callers))
    assert echo.made_here == []
    for caller in callers:
        with pytest.raises(ConnectionResetError):
            caller.recv(1)
    peers[0].connect(server.addresses[0])
    events = told.stats()["events"]
    for _ in range(3):
        told.run_once(0)
    assert told.stats()["events"] == events, "it must not look at the listening socket while it can take nobody"
    assert len([each for each in caplog.records if "accepts nobody for now" in each.message]) == 1
    for peer in peers[1:]:
        peer.close()
    clock.advance(1)
    run_until(told, lambda: echo.made_here)
    is_served(told, server)


def take_every_descriptor(peers: list[socket.socket]) -> None:
    while True:
        peers.append(socket.socket())


def test_floods_of_empty_frames_leave_turns_to_others(
    net: Reactor, echo: type[Echo], peers: list[socket.socket]
) -> None:
    server = net.listen_tcp(FrameRecorder, LOCAL, 0)
    answering = net.listen_tcp(echo, LOCAL, 0)
    floods = [dial(server, peers) for _ in range(2)]
    quiet = dial(answering, peers)
    run_until(net, lambda: server.connections == 2 and answering.connections == 1)
    for each in (*floods, quiet):
        each.setblocking(False)
    for round_ in range(20):
        for each in floods:
            pour(each)
        quiet.sendall(Framing().encode(bytes([round_])))
        answer, turns = b"", 0
        while not answer and turns < 4:
            net.run_once(0)
            turns += 1
            answer = received(quiet)
            for each in floods:
                pour(each)
        assert answer == Framing().encode(bytes([round_])), f"no answer in {turns} turns"


def pour(sock: socket.socket) -> None:
    """Send empty frames until the kernel takes no more."""
    try:
        while True:
            sock.send(bytes(1 << 16))
    except BlockingIOError:
        pass


def received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 16)
    except BlockingIOError:
        return b""


# --- errors from the calls themselves


def scripted(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ECONNRESET, errno.ENOBUFS, errno.ETIMEDOUT, errno.EHOSTUNREACH])
@pytest.mark.parametrize("hook", ["fail_send", "fail_read"])
@pytest.mark.parametrize("kind", [Recorder, FrameRecorder])
def test_an_error_of_a_call_is_the_cause(loop: EventLoop, hook: str, code: int, kind: type[Any]) -> None:
    one, other = kind(), Recorder()
    left, _, sock = pair(loop, one, other)
    error = scripted(code)
    setattr(sock, hook, error)
    left.write(b"never sent")
    turns(loop)
    assert type(one.lost) is type(error)
    assert one.lost.errno == code
    assert one.ended
    assert left.get_write_buffer_size() == 0
    assert sock.closed
    assert other.ended


@pytest.mark.parametrize("hook", ["fail_send", "fail_read"])
def test_a_call_that_finds_nothing_to_do_is_made_again(loop: EventLoop, hook: str) -> None:
    one, other = Recorder(), Recorder()
    left, right, sock = pair(loop, one, other)
    setattr(sock, hook, scripted(errno.EAGAIN))
    left.write(b"there")
    right.write(b"back")
    turns(loop)
    assert (one.data, other.data) == (b"back", b"there")
    left.close()
    turns(loop)


@pytest.mark.parametrize("when", ["while it writes", "while it closes", "in the callback that closes"])
def test_an_error_while_sending_ends_it_once(loop: EventLoop, when: str) -> None:
    class Closes(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"last words")
            self.transport.close()

    one = Closes()
    left, right, sock = pair(loop, one, Recorder(), capacity=4)
    right.pause_reading()
    if when == "in the callback that closes":
        right.write(b"go")
    else:
        left.write(b"more than 4 bytes")
        turns(loop, 2)
        if when == "while it closes":
            left.close()
    sock.fail_send = error = scripted(errno.EPIPE)
    turns(loop)
    assert one.calls.count("lost") == 1
    assert one.lost is error
    right.abort()
    turns(loop)


def test_an_error_of_one_connection_is_no_matter_of_the_others(loop: EventLoop) -> None:
    good, answer = Recorder(), Recorder()
    left, _, _ = pair(loop, good, answer)
    for code in errno.EPIPE, errno.ENOBUFS, errno.ETIMEDOUT:
        bad = Recorder()
        _, _, sock = pair(loop, bad, Recorder())
        sock.fail_read = scripted(code)
        left.write(b"x")
        turns(loop)
        assert bad.ended
    assert answer.data == b"xxx"
    left.close()
    turns(loop)


def test_what_came_before_an_error_was_delivered(loop: EventLoop) -> None:
    one = FrameRecorder()
    _, right, sock = pair(loop, one, Recorder())
    right.write(HELLO * 3 + HELLO[:2])
    turns(loop)
    sock.fail_read = scripted(errno.ECONNRESET)
    turns(loop)
    assert one.messages == [b"hello"] * 3
    assert isinstance(one.lost, ConnectionResetError)


def test_an_end_inside_a_frame_is_truncation_even_when_nothing_can_be_sent(loop: EventLoop, clock: ManualClock) -> None:
    one = FrameRecorder()
    left, right, _ = pair(loop, one, Recorder(), capacity=8)
    right.write(HELLO[:6])
    turns(loop)
    right.pause_reading()
    left.write(bytes(20))
    right.write_eof()
    turns(loop)
    assert not one.ended  # what was answered has its time to leave
    clock.advance(5.1)
    turns(loop)
    assert isinstance(one.lost, FrameTruncated)
    right.abort()
    turns(loop)


def pair(loop: EventLoop, one: Any, other: Any, **options: Any) -> tuple[Any, Any, MemorySocket]:
    left, right = memory_pair(loop, one, other, **options)
    turns(loop, 1)
    return left, right, left.get_extra_info("socket")


def turns(loop: EventLoop, count: int = 8) -> None:
    for _ in range(count):
        loop.run_once(0)


# --- TLS

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
NAME = "reactor.test"


@pytest.fixture(scope="module")
def contexts() -> Contexts:
    """The contexts of a server and of a client that trusts it."""
    return tls_contexts(NAME)


def secured(contexts: Contexts) -> tuple[TLS, TLS]:
    return TLS(contexts[1], False, NAME), TLS(contexts[0], True, None)


def test_a_peer_that_says_goodbye_and_closes_at_once_ends_cleanly(loop: EventLoop, contexts: Contexts) -> None:
    one, other = Recorder(), Recorder()
    left, _ = memory_pair(loop, one, other, tls=secured(contexts))
    turns(loop)
    left.write(b"last words")
    left.close()
    turns(loop)
    assert other.data == b"last words"
    assert other.lost is None, "its answer to close_notify finds nobody, and nothing is lost by that"


def test_a_peer_that_closes_without_goodbye_is_truncation(loop: EventLoop, contexts: Contexts) -> None:
    one, other = Recorder(), Recorder()
    left, _ = memory_pair(loop, one, other, tls=secured(contexts))
    turns(loop)
    left.write(b"cut")
    turns(loop)
    left.get_extra_info("socket").shutdown(socket.SHUT_WR)
    turns(loop)
    assert other.data == b"cut"
    assert isinstance(other.lost, ssl.SSLEOFError)
    assert "eof" not in other.calls
    left.abort()
    turns(loop)


@pytest.mark.parametrize("in_one_read", [False, True])
def test_what_came_before_a_broken_record_is_delivered(loop: EventLoop, contexts: Contexts, in_one_read: bool) -> None:
    one, other = FrameRecorder(), FrameRecorder()
    left, _ = memory_pair(loop, one, other, tls=secured(contexts))
    turns(loop)
    left.set_write_buffer_limits(0)  # what is written leaves at once
    one.send(b"good")
    turns(loop, 0 if in_one_read else 8)
    left.get_extra_info("socket").send(b"\x17\x03\x03\x00\x20" + bytes(32))
    turns(loop)
    assert other.messages == [b"good"]
    assert isinstance(other.lost, ssl.SSLError)


def test_a_client_that_speaks_no_tls_is_refused_and_the_next_is_served(
    net: Reactor, contexts: Contexts, peers: list[socket.socket]
) -> None:
    ours: list[Recorder] = []

    def factory() -> Recorder:
        ours.append(Recorder())
        return ours[-1]

    server = net.listen_tcp(factory, LOCAL, 0, tls=contexts[0])
    dial(server, peers).sendall(b"GET / HTTP/1.1\r\n\r\n")
    run_until(net, lambda: net.stats()["handshake_failures"] == 1)
    assert ours[0].calls == []
    client, port = Recorder(), server.addresses[0][1]
    net.connect_tcp(lambda: client, LOCAL, port, tls=contexts[1], server_hostname=NAME)
    run_until(net, lambda: client.calls and ours[-1].calls)
    client.transport.write(b"secret")
    run_until(net, lambda: ours[-1].data == b"secret")
    client.transport.close()
    run_until(net, lambda: client.ended and ours[-1].ended)


class Small(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that has no room any more, as epoll says beyond max_user_watches."""

    full = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().register(fileobj, events, data)


def test_who_can_not_be_watched_is_ended_and_reported_once_and_the_others_go_on(
    echo: type[Echo], peers: list[socket.socket]
) -> None:
    selector = Small()
    with Reactor(selector) as net:
        reports: list[str] = []
        net.set_exception_handler(lambda loop, context: reports.append(str(context["exception"])))
        server = net.listen_tcp(echo, LOCAL, 0)
        dial(server, peers)
        run_until(net, lambda: server.connections)
        selector.full = True
        refused = dial(server, peers)
        run_until(net, lambda: reports)
        refused.settimeout(20)
        with suppress(ConnectionResetError):
            assert refused.recv(1) == b""
        assert server.connections == 1
        assert reports == ["the socket can't be watched: [Errno 28] No space left on device"]
        selector.full = False
        is_served(net, server)


# --- numbers that select() can't take


@pytest.fixture
def none_below_1024() -> Iterator[Callable[[], None]]:
    """Return what takes every number that select() could take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this process may have no such numbers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]

    def take() -> None:
        while taken[-1] < 1024:
            taken.append(os.dup(taken[0]))

    yield take
    for fd in taken:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def selecting() -> Iterator[tuple[Reactor, list[str]]]:
    """A reactor on select(), and its reports."""
    reports: list[str] = []
    with Reactor(selectors.SelectSelector()) as net:
        net.set_exception_handler(lambda loop, context: reports.append(str(context["exception"])))
        yield net, reports


def test_a_connection_whose_number_select_can_not_take_ends_alone_and_is_told_once(
    selecting: tuple[Reactor, list[str]],
    echo: type[Echo],
    peers: list[socket.socket],
    none_below_1024: Callable[[], None],
) -> None:
    net, reports = selecting
    server = net.listen_tcp(echo, LOCAL, 0)
    stands = dial(server, peers)
    run_until(net, lambda: echo.made_here)
    none_below_1024()
    refused = dial(server, peers)
    run_until(net, lambda: reports)
    with suppress(ConnectionResetError):
        assert refused.recv(1) == b""
    stands.sendall(HELLO)
    run_until(net, lambda: echo.made_here[0].messages == [b"hello"])
    assert len(reports) == 1
    assert "select() takes no descriptor as high as 1" in reports[0]


def test_a_dial_whose_number_select_can_not_take_fails_and_the_loop_goes_on(
    selecting: tuple[Reactor, list[str]], none_below_1024: Callable[[], None]
) -> None:
    net, reports = selecting
    failures: list[BaseException] = []
    with socket.create_server((LOCAL, 0)) as server:
        none_below_1024()
        net.connect_tcp(Recorder, *server.getsockname(), on_failure=failures.append)
        run_until(net, lambda: failures)
        net.run_once(0)
    assert "select() takes no descriptor" in str(failures[0])
    assert (reports, len(failures)) == ([], 1)


def test_a_reader_whose_number_select_can_not_take_is_refused(
    selecting: tuple[Reactor, list[str]], none_below_1024: Callable[[], None]
) -> None:
    net, _ = selecting
    none_below_1024()
    one, other = socket.socketpair()
    with one, other:
        other.send(b"x")
        for add in (net.add_reader, net.add_writer):
            with pytest.raises(OSError, match=rf"select\(\) takes no descriptor as high as {one.fileno()}"):
                add(one, pytest.fail)
        net.run_once(0)
        assert net.remove_reader(one) is False


def test_a_reactor_whose_bell_select_can_not_watch_is_not_made(none_below_1024: Callable[[], None]) -> None:
    none_below_1024()
    with pytest.raises(OSError, match=r"select\(\) takes no descriptor"):
        Reactor(selectors.SelectSelector())
