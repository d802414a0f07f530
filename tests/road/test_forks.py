"""Forks: a child is nobody to the peers of its parent, and holds none of them; ends are told whoever has a copy."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import Fork, Recorder, in_child, open_files, run_until
from road.cast import Bytes, Frames, bodies, echo, frame
from road.peers import Peer
from road.roads import Road

from reactor import Limits, Reactor
from reactor.loop import forks

ABANDONED = "the loop is closed: it was abandoned in a child of fork(); make a new one there"
LOCAL = "127.0.0.1"


# --- a child that returns from a callback


def provoke_pause(road: Road, ours: Any, peer: Peer) -> None:
    road.clog(ours)


def provoke_resume(road: Road, ours: Any, peer: Peer) -> None:
    road.clog(ours)
    road.until(lambda: peer.take_all() and "resume" in ours.calls)


PROVOKE: dict[str, Callable[[Road, Any, Peer], object]] = {
    "made": lambda road, ours, peer: None,
    "message": lambda road, ours, peer: peer.send(frame(b"hi") + frame(b"ho")),
    "eof": lambda road, ours, peer: peer.finish(),
    "lost": lambda road, ours, peer: ours.transport.abort(),
    "failed": lambda road, ours, peer: peer.send(b"\xff" * 4),
    "pause": provoke_pause,
    "resume": provoke_resume,
}


def goes_no_further(road: Road, fork: Fork, go: Callable[[], object]) -> None:
    """See to it that a child is told of the fork by the next turn, and that nothing was reported there."""
    try:
        go()
        road.settle()
    except RuntimeError as exc:
        fork.said = exc, road.take_reports()


@pytest.mark.parametrize("callback", PROVOKE)
def test_a_child_that_returns_from_a_callback_leaves_the_connection_to_its_parent(door: Road, callback: str) -> None:
    limits = Limits(high_water=0, low_water=0)
    with Fork() as fork:
        ours = Frames(**{callback: lambda *_: fork.called or fork()})

        def go() -> None:
            peer = door.meet(ours, limits, narrow=True)
            PROVOKE[callback](door, ours, peer)
            door.until(lambda: fork.called)

        goes_no_further(door, fork, go)
    assert fork.heard() == str((RuntimeError(ABANDONED), []))
    assert not door.reactor.is_closed()
    assert door.take_reports() == []


def test_an_answer_comes_once_though_the_child_returns_behind_it(door: Road) -> None:
    def answer(ours: Any, message: bytes) -> None:
        ours.send(b"answer to " + message)
        if not fork.called:
            fork()

    ours = Frames(message=answer)
    peer = door.meet(ours)
    with Fork() as fork:
        goes_no_further(door, fork, lambda: (peer.send(frame(b"1") + frame(b"2")), door.until(lambda: fork.called)))
    assert fork.heard() == str((RuntimeError(ABANDONED), []))
    door.until(lambda: len(bodies(peer.take_all())) >= 2)
    peer.send(frame(b"3"))
    door.until(lambda: len(bodies(peer.take_all())) >= 3)
    assert bodies(bytes(peer.plain)) == [b"answer to 1", b"answer to 2", b"answer to 3"]


def do_all(ours: Any) -> None:
    """Do what one does with a connection."""
    transport = ours.transport
    ours.send(b"of the child's")
    ours.send_many([b"of the child's"] * 10)
    transport.write(bytes(1 << 20))
    transport.writelines([b"of the child's", bytes(1 << 18)])
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(0)
    transport.write_eof() if transport.can_write_eof() else None
    transport.close()
    transport.abort()


def test_what_a_child_does_with_its_parents_connection_is_dropped(door: Road) -> None:
    def message(ours: Any, message: bytes) -> None:
        ours.send(message)
        if not fork.called:
            fork()
        if fork.child:
            do_all(ours)
            state = ours.transport.is_closing(), ours.transport.get_write_buffer_size(), "lost" in ours.calls
            raise SystemExit(state)

    ours = Frames(message=message)
    peer = door.meet(ours)
    with Fork() as fork:
        peer.send(frame(b"1") + frame(b"2"))
        door.until(lambda: fork.called)
    assert fork.heard() == "SystemExit: (True, 0, False)"
    door.until(lambda: len(bodies(peer.take_all())) == 2)
    assert bodies(bytes(peer.plain)) == [b"1", b"2"]
    assert not ours.transport.is_closing()


def test_a_child_reads_nothing_that_is_the_parents(door: Road) -> None:
    ours = Frames()
    peer = door.meet(ours)
    peer.send(frame(b"first"))
    assert in_child(lambda: door.settle()) == f"RuntimeError: {ABANDONED}"
    door.until(lambda: ours.messages == [b"first"])


def test_a_child_of_a_raw_protocol_that_returns_is_given_no_more(door: Road) -> None:
    def data(ours: Any, data: bytes) -> None:
        ours.transport.write(data)
        if not fork.called:
            fork()

    peer = door.meet(Bytes(data=data))
    with Fork() as fork:
        goes_no_further(door, fork, lambda: (peer.send(b"abc"), door.until(lambda: fork.called)))
    assert fork.heard() == str((RuntimeError(ABANDONED), []))
    door.until(lambda: peer.take_all() == b"abc")
    door.settle()
    assert peer.take_all() == b"abc"


@pytest.mark.parametrize("side", ["server", "client"])
def test_a_child_that_returns_from_a_factory_makes_no_connection(door: Road, side: str) -> None:
    made: list[Frames] = []

    def factory() -> Frames:
        if not fork.called:
            fork()
        made.append(Frames())
        return made[-1]

    with Fork() as fork:
        goes_no_further(door, fork, lambda: (door.approach(factory, side=side), door.until(lambda: fork.called)))
        if fork.child:
            fork.said = fork.said, made[0].calls
    assert fork.heard() == str(((RuntimeError(ABANDONED), []), []))


@pytest.mark.parametrize("side", ["server", "client"])
def test_a_child_whose_factory_raises_resets_nobody(door: Road, side: str) -> None:
    ours = Frames()
    failures: list[BaseException] = []

    def factory() -> Frames:
        if not fork.called:
            fork()
        if fork.child:
            raise ValueError("the child's")
        return ours

    with Fork() as fork:
        peer = None
        try:
            peer = door.approach(factory) if side == "server" else door.dialled(factory, on_failure=failures.append)
            door.until(lambda: fork.called)
            door.settle()
        except RuntimeError:
            fork.said = door.take_reports(), failures
    assert fork.heard() == str(([ValueError("the child's")], []))
    assert peer is not None
    peer.shake()
    peer.send(frame(b"hi"))
    door.until(lambda: ours.messages == [b"hi"])


def test_a_child_may_resume_a_connection_that_can_send_no_more(plain: Road) -> None:
    ours = Frames()
    peer = plain.meet(ours)
    ours.transport.pause_reading()
    peer.reset()
    ours.send(b"to nobody")
    plain.settle()
    assert in_child(ours.transport.resume_reading) == "None"
    ours.transport.resume_reading()
    plain.until(lambda: ours.ended)


def test_a_child_that_returns_while_its_parent_drains_is_told_of_the_fork_alone(door: Road) -> None:
    def made(ours: Any) -> None:
        door.servers[0].drain(1)
        fork()

    with Fork() as fork:
        goes_no_further(door, fork, lambda: (door.meet(Frames(made=made)), door.settle()))
    assert fork.heard() == str((RuntimeError(ABANDONED), []))


def test_a_child_that_returns_from_the_end_of_a_drain_is_told_of_the_fork_alone(door: Road) -> None:
    with Fork() as fork:

        def go() -> None:
            door.meet(Frames(lost=lambda *_: fork()))
            door.servers[0].drain(1)
            door.until(lambda: fork.called)

        goes_no_further(door, fork, go)
    assert fork.heard() == str((RuntimeError(ABANDONED), []))


def test_children_one_after_another_end_nothing_of_their_parents(door: Road) -> None:
    server = door.listen(lambda: Frames(message=echo))
    first = door.dial(server)
    first.shake()
    door.until(lambda: server.connections == 1)
    for _ in range(3):
        in_child(int)
    second = door.dial(server)
    second.shake()
    for peer in (first, second):
        peer.send(frame(b"hi"))
        door.until(lambda peer=peer: peer.take_all() == frame(b"hi"))  # type: ignore[misc]


def test_a_child_that_returns_while_its_reactor_is_closed_closes_nothing_more(door: Road) -> None:
    ours = Frames(lost=lambda *_: fork())
    other = Frames()
    door.meet(ours)
    door.meet(other)
    with Fork() as fork:
        door.reactor.close()
        fork.said = other.calls
    assert fork.heard() == "['made']"
    assert other.ended


# --- what a child holds


@pytest.fixture
def full() -> Iterator[tuple[str, int]]:
    """An address where a connection is neither taken nor refused."""
    with socket.socket() as listening, socket.socket() as taken:
        listening.bind((LOCAL, 0))
        listening.listen(0)
        taken.connect(listening.getsockname())
        yield listening.getsockname()


def test_a_child_holds_no_file_of_its_parents_reactor(twin: ModuleType, tmp_path: Path, full: tuple[str, int]) -> None:
    before = open_files()
    one, other = socket.socketpair()
    with Reactor() as net, one:
        served: list[Frames] = []

        def factory() -> Frames:
            served.append(
                Frames(message=lambda ours, _: (ours.send(b"bye"), ours.transport.close()), eof=lambda _: True)
            )
            return served[-1]

        server = net.listen_tcp(factory, LOCAL, 0)
        net.listen_unix(factory, tmp_path / "socket")
        client, dialled, given = Frames(), Frames(), Frames()
        net.connect_tcp(lambda: client, *server.addresses[0])
        net.connect_unix(lambda: dialled, tmp_path / "socket")
        net.connect_unix(lambda: given, "", sock=other)
        net.connect_tcp(Frames, *full, on_failure=print)
        run_until(net, lambda: client.made and dialled.made and given.made and len(served) == 2)
        with (
            socket.create_connection(server.addresses[0]) as lingers,
            socket.create_connection(server.addresses[0]) as half,
        ):
            lingers.sendall(frame(b"hi"))
            half.shutdown(socket.SHUT_WR)
            run_until(net, lambda: len(served) == 4 and any(each.ended for each in served))
            ours = {one.fileno(), lingers.fileno(), half.fileno()}

            def look() -> object:
                gc.collect()
                held = {fd: what for fd, what in open_files().items() if before.get(fd) != what and fd not in ours}
                return len(held), net.stats()["connections"], net.stats()["servers"]

            assert in_child(look) == "(1, 0, 0)"  # one: the pipe that it says so by
            assert net.stats()["connections"] == 6


@pytest.mark.parametrize("side", ["server", "client"])
def test_a_child_of_a_factory_holds_no_file_of_its_parents_reactor(door: Road, side: str) -> None:
    """Where a socket has no connection yet."""
    before = open_files()

    def factory() -> Frames:
        theirs = {each.fileno() for each in (*door._listening, *(peer.wire for peer in door.peers))}
        fork()
        if fork.child:
            raise SystemExit([fd for fd in open_files() if fd not in before and fd not in theirs and fd != fork.pipe])
        return Frames()

    with Fork() as fork:
        door.approach(factory, side=side)
        door.until(lambda: fork.called)
    assert fork.heard() == "SystemExit: []"


# --- the parent's ends


class Holder:
    """A child that lives as long as it is held, and knows nothing of us."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self.fork = Fork()
        with self.fork:
            self.fork()
            if self.fork.child:
                os.close(self._writing)
                os.read(self._reading, 1)

    def let_go(self) -> None:
        os.close(self._writing)
        os.close(self._reading)
        assert self.fork.heard() == "None"


@pytest.fixture
def held(door: Road) -> Iterator[Callable[[], None]]:
    """Fork a child that lives to the end of the test."""
    holders: list[Holder] = []
    yield lambda: holders.append(Holder())
    for holder in holders:
        holder.let_go()


ENDS: dict[str, Callable[[Road, Any], object]] = {
    "abort": lambda road, ours: ours.transport.abort(),
    "close": lambda road, ours: ours.transport.close(),
    "idle_timeout": lambda road, ours: (road.settle(), road.clock.advance(10)),
}


def is_told(door: Road, peer: Peer, how: str) -> bool:
    """Wait until the peer is told its end; tell whether it was the right one."""
    door.until(lambda: peer.take_all() or peer.end)
    return peer.end == ("reset" if how == "abort" and door.name != "unix" else "eof")


@pytest.mark.parametrize("side", ["server", "client"])
@pytest.mark.parametrize("how", ENDS)
def test_while_a_child_lives_a_peer_is_told_the_end(door: Road, held: Callable[[], None], how: str, side: str) -> None:
    ours = Frames()
    peer = door.meet(ours, Limits(idle_timeout=5), side=side)
    held()
    ENDS[how](door, ours)
    assert is_told(door, peer, how)


@pytest.mark.parametrize("how", ENDS)
def test_behind_a_fork_a_peer_is_told_the_end_though_somebody_has_a_copy(door: Road, how: str) -> None:
    """A child that runs none of Python's hooks, as one of a C library, keeps its copies."""
    in_child(int)
    ours = Frames()
    peer = door.meet(ours, Limits(idle_timeout=5))
    copy = os.dup(ours.transport.get_extra_info("socket").fileno())
    ENDS[how](door, ours)
    assert is_told(door, peer, how)
    os.close(copy)


def test_what_was_sent_before_the_end_arrives_though_somebody_has_a_copy(door: Road) -> None:
    in_child(int)
    ours = Frames()
    peer = door.meet(ours)
    copy = os.dup(ours.transport.get_extra_info("socket").fileno())
    ours.send(bytes(300_000))
    ours.transport.close()
    door.until(lambda: peer.take_all() and peer.end)
    assert (bodies(bytes(peer.plain)), peer.end) == ([bytes(300_000)], "eof")
    os.close(copy)


def copies(before: dict[int, Any]) -> list[int]:
    """Have what a child has that keeps what was opened since."""
    return [os.dup(fd) for fd, what in open_files().items() if before.get(fd) != what]


def test_behind_a_fork_nobody_gets_through_to_a_closed_server_though_somebody_has_a_copy(door: Road) -> None:
    in_child(int)
    before = open_files()
    server = door.listen(Frames)
    kept = copies(before)
    server.close()
    address = server.addresses[0]
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)
    for fd in kept:
        os.close(fd)


def test_workers_that_share_a_listening_socket_close_it_for_themselves_alone(
    twin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "happened", True)
    with socket.create_server((LOCAL, 0)) as sock, Reactor() as one, Reactor() as other:
        closed, listening = one.listen_tcp(Recorder, None, 0, sock=sock.dup()), Recorder()
        other.listen_tcp(lambda: listening, None, 0, sock=sock.dup())
        closed.close()
        with socket.create_connection(sock.getsockname()):
            run_until(other, lambda: "made" in listening.calls)


# --- programs that are started


def test_a_program_that_is_started_gets_none_of_our_files(door: Road) -> None:
    before = open_files()
    ours = Frames(eof=lambda _: True)
    peer = door.meet(ours)
    with Reactor() as net, socket.create_server((LOCAL, 0)) as sock:
        inherited = sock.dup()
        inherited.set_inheritable(True)  # as systemd gives one
        net.listen_tcp(Frames, None, 0, sock=inherited.detach())
        peer.send(frame(b"hi"))
        door.until(lambda: ours.messages)
        opened = [fd for fd, what in open_files().items() if before.get(fd) != what]
        assert [fd for fd in opened if os.get_inheritable(fd)] == []


# --- a new reactor


def test_a_new_reactor_works_in_a_child(door: Road) -> None:
    ours = Frames()
    door.meet(ours)

    def work() -> object:
        with Reactor() as net:
            client = Recorder()
            served: list[Recorder] = []
            server = net.listen_tcp(lambda: served.append(Recorder()) or served[-1], LOCAL, 0)  # type: ignore[func-returns-value]
            net.connect_tcp(lambda: client, *server.addresses[0])
            run_until(net, lambda: served and client.calls)
            client.transport.write(b"hi")
            run_until(net, lambda: served[0].data)
            client.transport.close()
            run_until(net, lambda: client.ended and served[0].ended)
            net.add_signal_handler(signal.SIGUSR1, net.stop)
            signal.raise_signal(signal.SIGUSR1)
            net.run()
            return served[0].calls

    assert in_child(work) == "['made', 'data', 'eof', 'lost']"
    assert not ours.ended
