"""The pump, both twins, over real sockets: the ordinary is fast, and everything else is as it always was."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import random
import socket
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from conftest import TWINS
from helpers import FrameRecorder, run_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor import FramedProtocol, FrameTruncated, Framing, Limits, Reactor
from reactor.testing import ManualClock
from reactor.transport import Connection, sockets

FRAMES = [bytes([index]) * index for index in range(8)]


class Listed(FrameRecorder):
    """Takes the messages of a read at once."""

    def messages_received(self, messages: Any) -> None:
        self.messages += messages


@pytest.fixture
def peer() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets: the test's, and the connection's."""
    test, ours = socket.socketpair()
    sockets.prepare(ours)
    test.settimeout(20)
    yield test, ours
    test.close()


def connect(net: Reactor, ours: socket.socket, protocol: Any, **limits: Any) -> Connection:
    """Make a connection on a socket, as the reactor does."""

    def ended(connection: Connection, cause: BaseException | None, sock: socket.socket) -> None:
        net._let_go(connection, sock)

    connection = net._connect(ours, "peer", lambda: protocol, Limits(**limits), None, ended, None)
    assert connection is not None
    net._dialled[connection] = None
    connection.start()
    return connection


@pytest.mark.parametrize("name", TWINS)
def test_the_twins_have_the_same_names(name: str) -> None:
    twin = importlib.import_module(f"reactor.transport._stream_{name}").Stream
    pure = importlib.import_module("reactor.transport._stream_py").Stream
    names = {each for each in dir(pure) if not each.startswith("_")}
    assert names <= set(dir(twin))
    for each in names:
        if inspect.isfunction(getattr(pure, each)):
            ours, theirs = inspect.signature(getattr(pure, each)), inspect.signature(getattr(twin, each))
            assert list(ours.parameters) == list(theirs.parameters), each


def test_messages_come_and_go(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connect(net, ours, protocol)
    test.sendall(Framing().encode_many(FRAMES))
    run_until(net, lambda: len(protocol.messages) == len(FRAMES))
    assert protocol.messages == FRAMES
    protocol.send_many(FRAMES)
    net.run_once(0)
    assert test.recv(1000) == Framing().encode_many(FRAMES)


def test_every_way_of_sending_keeps_its_place(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connection = connect(net, ours, protocol)
    large = bytes(100_000)
    protocol.send(b"one")
    connection.write(b"two")
    protocol.send(bytearray(b"three"))
    protocol.send(large)
    protocol.send_many([b"four", b"five"])
    connection.writelines([b"six", b""])
    protocol.send(b"seven")
    framing = Framing()
    wanted = framing.encode(b"one") + b"two" + framing.encode_many([b"three", large, b"four", b"five"]) + b"six"
    wanted += framing.encode(b"seven")
    came = b""
    while len(came) < len(wanted):
        net.run_once(0)
        came += test.recv(1 << 20)
    assert came == wanted
    assert connection.get_write_buffer_size() == 0


SIZES = [0, 100, 8191, 8192, 20_000, 65_532, 65_533, 300_000]


@pytest.mark.parametrize("many", [False, True], ids=["send", "send_many"])
@given(st.lists(st.sampled_from(SIZES), min_size=1, max_size=12), st.sampled_from([4096, 1 << 20]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bodies_of_all_sizes_leave_in_order_whatever_the_socket_takes(
    twin: ModuleType, many: bool, sizes: list[int], room: int
) -> None:
    bodies = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    test, ours = socket.socketpair()
    sockets.prepare(ours)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
    with test, Reactor() as net:
        test.settimeout(20)
        protocol = FrameRecorder()
        connection = connect(net, ours, protocol)
        if many:
            protocol.send_many(bodies)
        else:
            for body in bodies:
                protocol.send(body)
        wanted, came = Framing().encode_many(bodies), b""
        while len(came) < len(wanted):
            net.run_once(0)
            came += test.recv(1 << 20)
        assert came == wanted
        assert connection.get_write_buffer_size() == 0


def test_what_waits_is_counted_whether_copied_or_referred_to(net: Reactor, twin: ModuleType, peer: Any) -> None:
    _, ours = peer
    protocol = FrameRecorder()
    connection = connect(net, ours, protocol)
    protocol.send(bytes(100))
    protocol.send(bytes(20_000))
    protocol.send_many([bytes(200), b""])
    assert connection.get_write_buffer_size() == 4 + 100 + 4 + 20_000 + 4 + 200 + 4
    net.run_once(0)
    assert connection.get_write_buffer_size() == 0


def test_never_more_than_64_kib_wait_for_the_end_of_the_turn(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connection = connect(net, ours, protocol)
    for _ in range(10):
        protocol.send(bytes(20_000))
        assert connection.get_write_buffer_size() <= 64 * 1024
    assert len(test.recv(1 << 20)) >= 20_004, "the first of them left at once"


@pytest.mark.parametrize(("size", "leaves"), [(100, False), (8 * 1024, True)])
def test_a_large_answer_leaves_behind_the_read_and_a_small_one_at_the_end_of_the_turn(
    net: Reactor, twin: ModuleType, peer: Any, size: int, leaves: bool
) -> None:
    test, ours = peer
    seen: list[bool] = []

    class Answers(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            self.send(bytes(size))
            net.call_soon(lambda: seen.append(connection.get_write_buffer_size() == 0))  # between the two

    connection = connect(net, ours, Answers())
    test.sendall(Framing().encode(b"x"))
    run_until(net, lambda: seen)
    assert seen == [leaves]
    assert len(test.recv(100_000)) == size + 4


def test_a_list_that_is_sent_may_be_changed_at_once(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connect(net, ours, protocol)
    bodies = [b"one", b"two"]
    protocol.send_many(bodies)
    bodies.clear()
    net.run_once(0)
    assert test.recv(100) == Framing().encode_many([b"one", b"two"])


@pytest.mark.parametrize("as_list", [False, True], ids=["message_received", "messages_received"])
def test_large_bodies_arrive_whole_between_small_ones(net: Reactor, twin: ModuleType, peer: Any, as_list: bool) -> None:
    test, ours = peer
    protocol = Listed() if as_list else FrameRecorder()
    connect(net, ours, protocol)
    bodies = [b"before", random.randbytes(1 << 20), b"", random.randbytes(700_000), b"behind"]
    wire = memoryview(Framing().encode_many(bodies))
    test.setblocking(False)
    while len(protocol.messages) < len(bodies):
        with contextlib.suppress(BlockingIOError):
            wire = wire[test.send(wire[: 1 << 18]) :] if wire else wire
        net.run_once(0)
    assert protocol.messages == bodies
    assert protocol.decoder.buffered == 0


def test_an_exception_in_a_large_message_ends_that_connection(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    reports: list[Any] = []
    net.set_exception_handler(lambda loop, context: reports.append(context["exception"]))

    class Fails(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            raise ValueError(len(message))

    protocol = Fails()
    connect(net, ours, protocol)
    wire = memoryview(Framing().encode(bytes(500_000)))
    test.setblocking(False)
    while not protocol.ended:
        with contextlib.suppress(BlockingIOError):
            wire = wire[test.send(wire[: 1 << 18]) :] if wire else wire
        net.run_once(0)
    assert [str(each) for each in reports] == [str(protocol.lost)] == ["500000"]


def test_a_peer_that_ends_inside_a_large_body_is_told_apart(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connect(net, ours, protocol)
    wire = Framing().encode(bytes(500_000))
    for begin in (0, 100_000, 200_000):
        test.sendall(wire[begin : begin + 100_000])
        for _ in range(5):
            net.run_once(0)
    test.close()
    run_until(net, lambda: protocol.ended)
    assert isinstance(protocol.lost, FrameTruncated)


@pytest.mark.parametrize("nothing", [[], (), iter(())], ids=["list", "tuple", "iterator"])
def test_sending_no_messages_sends_nothing(net: Reactor, twin: ModuleType, peer: Any, nothing: Any) -> None:
    test, ours = peer
    protocol = FrameRecorder()
    connection = connect(net, ours, protocol)
    protocol.send_many(nothing)
    net.run_once(0)
    assert connection.get_write_buffer_size() == 0
    protocol.send(b"something")
    net.run_once(0)
    assert test.recv(100) == Framing().encode(b"something")


def test_a_list_over_64_kib_leaves_at_once_however_it_is_made_up(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    paused: list[str] = []
    protocol = FrameRecorder()
    protocol.pause_writing = lambda: paused.append("pause")  # type: ignore[method-assign]
    connection = connect(net, ours, protocol, high_water=1 << 22)
    protocol.send_many([bytes(9000)] * 20 + [b""] * 1500)
    assert (connection.get_write_buffer_size(), paused) == (0, [])
    assert len(test.recv(1 << 20, socket.MSG_PEEK)) == 20 * 9004 + 1500 * 4


class Switches(FramedProtocol):
    """Goes on with another protocol at its first message."""

    def __init__(self, after: FramedProtocol) -> None:
        self.after = after

    def message_received(self, message: bytes) -> None:
        self.transport.set_protocol(self.after)


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    """A reactor over real sockets, on a clock that is told the time."""
    with Reactor(clock=clock) as told:
        yield told


def settle(net: Reactor) -> None:
    for _ in range(3):
        net.run_once(0)


def test_the_wait_for_a_frame_ends_with_it_also_behind_a_switch(
    told: Reactor, clock: ManualClock, twin: ModuleType, peer: Any
) -> None:
    test, ours = peer
    after = FrameRecorder()
    connection = connect(told, ours, Switches(after), frame_timeout=10)
    wire = Framing().encode_many([b"switch", b"second"])
    test.send(wire[:-3])
    settle(told)
    test.send(wire[-3:])
    settle(told)
    clock.advance(100)
    settle(told)
    assert (after.messages, after.ended) == ([b"second"], False)
    connection.abort()
    settle(told)


def test_a_frame_behind_a_switch_has_a_wait_of_its_own(
    told: Reactor, clock: ManualClock, twin: ModuleType, peer: Any
) -> None:
    test, ours = peer
    after = FrameRecorder()
    connect(told, ours, Switches(after), frame_timeout=10)
    wire = Framing().encode_many([b"switch", b"second"])
    test.send(wire[:5])
    settle(told)
    clock.advance(9)
    test.send(wire[5:15])
    settle(told)
    clock.advance(9)
    settle(told)
    assert not after.ended
    clock.advance(1)
    settle(told)
    assert "frame_timeout" in str(after.lost)


def test_the_wait_for_a_frame_ends_with_it_also_behind_an_interrupt(
    told: Reactor, clock: ManualClock, twin: ModuleType, peer: Any
) -> None:
    test, ours = peer

    class Interrupted(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if len(self.messages) == 1:
                raise KeyboardInterrupt

    protocol = Interrupted()
    connection = connect(told, ours, protocol, frame_timeout=10)
    wire = Framing().encode_many([b"first", b"second"])
    test.send(wire[:-3])
    with pytest.raises(KeyboardInterrupt):
        told.run_once(0)
    settle(told)
    test.send(wire[-3:])
    settle(told)
    clock.advance(100)
    settle(told)
    assert (protocol.messages, protocol.ended) == ([b"first", b"second"], False)
    connection.abort()
    settle(told)


def test_a_short_send_goes_on_when_the_peer_reads(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    protocol = FrameRecorder()
    connection = connect(net, ours, protocol)
    bodies = [bytes([index % 256]) * 100 for index in range(5000)]
    for body in bodies[:300]:
        protocol.send(body)
    net.run_once(0)
    assert connection.get_write_buffer_size() > 0, "the kernel took less than all of it"
    for body in bodies[300:]:
        protocol.send(body)
    wanted, came = Framing().encode_many(bodies), b""
    while len(came) < len(wanted):
        net.run_once(0)
        came += test.recv(1 << 16)
    assert came == wanted


def test_the_water_marks_and_the_cap_hold(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    calls: list[str] = []

    class Told(FrameRecorder):
        def pause_writing(self) -> None:
            calls.append("pause")

        def resume_writing(self) -> None:
            calls.append("resume")

    protocol = Told()
    connection = connect(net, ours, protocol, high_water=1000, low_water=100, max_write_buffer=3000, overflow="drop")
    while "pause" not in calls:
        protocol.send(bytes(500))
    for _ in range(20):
        protocol.send(bytes(500))
    assert 1000 < connection.get_write_buffer_size() <= 3000
    assert connection.writes_dropped
    test.setblocking(False)
    while "resume" not in calls:
        sockets.receive(test, memoryview(bytearray(1 << 20)))
        net.run_once(0.01)
    assert calls == ["pause", "resume"]


def test_send_is_lent_and_taken_back(net: Reactor, twin: ModuleType, peer: Any) -> None:
    _, ours = peer
    protocol, after = FrameRecorder(), FrameRecorder()
    connection = connect(net, ours, protocol)
    assert "send" in vars(protocol)
    connection.set_protocol(after)
    assert "send" not in vars(protocol)
    assert "send" in vars(after)
    connection.abort()
    net.run_once(0)
    assert "send" not in vars(after)
    after.send(b"too late")
    assert connection.writes_dropped == 1


def test_a_protocol_with_a_send_of_its_own_keeps_it(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer

    class Shouts(FramedProtocol):
        def send(self, message: Any, prefix: Any = b"") -> None:
            super().send(message.upper(), prefix)

    protocol = Shouts()
    connect(net, ours, protocol)
    protocol.send(b"hello")
    net.run_once(0)
    assert test.recv(100) == Framing().encode(b"HELLO")


def test_a_handler_that_is_replaced_counts_from_the_next_message_on(net: Reactor, twin: ModuleType, peer: Any) -> None:
    test, ours = peer
    seen: list[tuple[str, bytes]] = []

    class Steps(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            seen.append(("first", message))
            self.message_received = lambda message: seen.append(("later", message))  # type: ignore[method-assign]

    connect(net, ours, Steps())
    test.sendall(Framing().encode_many([b"a", b"b"]))
    run_until(net, lambda: len(seen) == 2)
    assert seen == [("first", b"a"), ("later", b"b")]


@pytest.mark.parametrize("index", range(len(FRAMES)))
@pytest.mark.parametrize("act", ["pause", "pause and resume", "close", "abort", "switch", "raise"])
def test_acting_inside_a_message_loses_nothing(net: Reactor, twin: ModuleType, peer: Any, act: str, index: int) -> None:
    test, ours = peer
    net.set_exception_handler(lambda *told: None)
    after = FrameRecorder()

    class Acts(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if len(self.messages) != index + 1:
                return
            if act.startswith("pause"):
                self.transport.pause_reading()
            if act == "pause and resume":
                self.transport.resume_reading()
            elif act == "switch":
                self.transport.set_protocol(after)
            elif act == "raise":
                raise ValueError(act)
            elif act in ("close", "abort"):
                getattr(self.transport, act)()

    protocol = Acts()
    connection = connect(net, ours, protocol)
    test.sendall(Framing().encode_many(FRAMES))
    for _ in range(5):
        net.run_once(0)
    first, rest = FRAMES[: index + 1], FRAMES[index + 1 :]
    if act == "switch":
        assert (protocol.messages, after.messages) == (first, rest)
    elif act == "pause and resume":
        assert protocol.messages == FRAMES
    else:
        assert protocol.messages == first
    if act == "pause":
        connection.resume_reading()
        run_until(net, lambda: protocol.messages == FRAMES)
    test.shutdown(socket.SHUT_WR)
    run_until(net, lambda: protocol.ended or after.ended)
    lost = protocol.lost if protocol.ended else after.lost
    assert str(lost) == ("raise" if act == "raise" else "None")
