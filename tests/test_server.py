"""Server: whom it takes, whom it refuses, and how it ends."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, Recorder, run_until

from reactor import Framing, Limits, Reactor
from reactor.server import Drained, Server
from reactor.testing import ManualClock
from reactor.transport import sockets

LOCAL = "127.0.0.1"


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    """A reactor over real sockets, on a clock that is told the time."""
    with Reactor(clock=clock) as net:
        yield net


Dial = Callable[..., socket.socket]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Return what connects a plain socket to a server and sends it some bytes."""
    socks: list[socket.socket] = []

    def dial(server: Server, data: bytes = b"") -> socket.socket:
        socks.append(sock := socket.create_connection(server.addresses[0], timeout=20))
        sock.sendall(data)
        return sock

    yield dial
    for sock in socks:
        sock.close()


def turns(net: Reactor, count: int = 6) -> None:
    for _ in range(count):
        net.run_once(0)


def connect(net: Reactor, server: Server, client: Any) -> Any:
    net.connect_tcp(lambda: client, LOCAL, server.addresses[0][1])
    return client


def clients_of(net: Reactor, server: Server, count: int) -> list[FrameRecorder]:
    clients = [connect(net, server, FrameRecorder()) for _ in range(count)]
    run_until(net, lambda: all(each.made for each in clients) and server.connections == count)
    return clients


# --- draining


def test_idle_connections_end_at_once_and_nobody_is_taken_any_more(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    clients, done, failures = clients_of(net, server, 3), [], []
    server.drain(60, done.append)
    assert done == [], "never from inside drain()"
    net.connect_tcp(FrameRecorder, LOCAL, server.addresses[0][1], on_failure=failures.append)
    run_until(net, lambda: done and failures and all(each.ended for each in clients))
    assert done == [Drained(closed=3, aborted=0)]
    assert [each.lost for each in clients + echo.made_here] == [None] * 6
    assert isinstance(failures[0], ConnectionRefusedError)
    assert (server.connections, net.stats()["timers"]) == (0, 0)


def test_draining_a_server_without_connections_is_done_in_a_later_callback(net: Reactor, echo: type[Echo]) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    server.drain(60, done.append)
    assert done == []
    turns(net)
    assert done == [Drained(0, 0)]
    assert net.stats()["timers"] == 0


def test_nobody_needs_to_be_told(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    clients = clients_of(net, server, 1)
    server.drain(60)
    run_until(net, lambda: clients[0].ended)
    turns(net)


@pytest.mark.parametrize("half", [1, 4, 6])
def test_who_is_inside_a_message_ends_behind_it(
    net: Reactor, twin: ModuleType, echo: type[Echo], dial: Dial, half: int
) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    frame = Framing().encode(b"a message")
    peer = dial(server, frame[:half])
    run_until(net, lambda: echo.made_here and echo.made_here[0].decoder.buffered == half)
    server.drain(60, done.append)
    turns(net)
    assert (done, server.connections) == ([], 1)
    peer.sendall(frame[half:])
    run_until(net, lambda: not server.connections)
    assert peer.recv(100, socket.MSG_WAITALL) == frame, "it got its answer, and a clean end"
    peer.close()
    run_until(net, lambda: done)
    assert done == [Drained(1, 0)]
    assert echo.made_here[0].lost is None


def test_who_is_inside_the_next_message_when_one_is_complete_ends_behind_that(
    net: Reactor, twin: ModuleType, echo: type[Echo], dial: Dial
) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    frame = Framing().encode(b"a message")
    peer = dial(server, frame[:5])
    run_until(net, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
    server.drain(60, done.append)
    peer.sendall(frame[5:] + frame[:5])
    run_until(net, lambda: echo.made_here[0].messages)
    turns(net)
    assert done == []
    peer.sendall(frame[5:])
    run_until(net, lambda: not server.connections)
    peer.close()
    run_until(net, lambda: done)
    assert len(echo.made_here[0].messages) == 2


def test_who_has_not_ended_in_time_is_aborted_and_counted(
    told: Reactor, clock: ManualClock, echo: type[Echo], dial: Dial
) -> None:
    server, done = told.listen_tcp(echo, LOCAL, 0), []
    peer = dial(server, b"\0\0\0")
    clients_of_server = [connect(told, server, FrameRecorder()) for _ in range(2)]
    run_until(told, lambda: server.connections == 3 and any(each.decoder.buffered for each in echo.made_here))
    server.drain(5, done.append)
    run_until(told, lambda: all(each.ended for each in clients_of_server))
    clock.advance(4.9)
    turns(told)
    assert (done, server.connections) == ([], 1)
    clock.advance(0.1)
    turns(told)
    assert done == [Drained(closed=2, aborted=1)]
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    assert told.stats()["timers"] == 0


def test_messages_that_a_paused_protocol_was_not_given_are_waited_for(net: Reactor, echo: type[Echo]) -> None:
    class Pauses(echo):  # type: ignore[valid-type, misc]
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if len(self.messages) == 1:
                self.transport.pause_reading()

    server, done = net.listen_tcp(Pauses, LOCAL, 0), []
    (client,) = clients_of(net, server, 1)
    client.send_many([b"one", b"two", b"three"])
    run_until(net, lambda: echo.made_here[0].messages)
    server.drain(60, done.append)
    turns(net)
    assert (done, client.ended) == ([], False)
    echo.made_here[0].transport.resume_reading()
    run_until(net, lambda: done and client.ended)
    assert client.messages == [b"one", b"two", b"three"]
    assert done == [Drained(1, 0)]


def test_bytes_that_are_not_sent_are_waited_for(net: Reactor, dial: Dial) -> None:
    class Gives(Recorder):
        def connection_made(self, transport: Any) -> None:
            transport.write(bytes(8_000_000))

    server, done, received = net.listen_tcp(Gives, LOCAL, 0), [], 0
    peer = dial(server)
    run_until(net, lambda: server.connections)
    server.drain(60, done.append)
    turns(net)
    assert done == []
    peer.setblocking(False)

    def read_some() -> bool:
        nonlocal received
        try:
            chunk = peer.recv(1 << 18)
        except BlockingIOError:
            return False
        received += len(chunk)
        return not chunk

    run_until(net, read_some)
    assert received == 8_000_000
    peer.close()
    run_until(net, lambda: done)
    assert done == [Drained(1, 0)]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_handler_that_completes_a_message_may_answer_in_several_writes(
    net: Reactor, twin: ModuleType, echo: type[Echo], dial: Dial, size: int
) -> None:
    class AnswersTwice(echo):  # type: ignore[valid-type, misc]
        def message_received(self, message: bytes) -> None:
            self.send(bytes(size))
            self.send(b"the end")

    server, done = net.listen_tcp(AnswersTwice, LOCAL, 0), []
    peer = dial(server, b"\0\0")
    run_until(net, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
    server.drain(60, done.append)
    peer.sendall(b"\0\1x")
    run_until(net, lambda: not server.connections)
    answer = b""
    while chunk := peer.recv(1 << 16):
        answer += chunk
    peer.close()
    run_until(net, lambda: done)
    assert answer == Framing().encode_many([bytes(size), b"the end"])


def test_a_handler_that_drains_its_server_may_still_answer(net: Reactor, twin: ModuleType) -> None:
    class Ends(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            server.drain(60, done.append)
            assert done == []
            self.send(b"as you wish")

    server, done = net.listen_tcp(Ends, LOCAL, 0), []
    (client,) = clients_of(net, server, 1)
    client.send(b"shut down")
    run_until(net, lambda: done and client.ended)
    assert client.messages == [b"as you wish"]
    assert done == [Drained(1, 0)]


def test_draining_twice_keeps_the_first_grace_and_tells_both(
    told: Reactor, clock: ManualClock, echo: type[Echo], dial: Dial
) -> None:
    server, first, second = told.listen_tcp(echo, LOCAL, 0), [], []
    dial(server, b"\0")
    run_until(told, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
    server.drain(5, first.append)
    clock.advance(4)
    server.drain(60, second.append)
    clock.advance(1)
    turns(told)
    assert first == [Drained(0, 1)]
    assert second == [Drained(0, 1)], "on_done is called when the last one has ended"


@pytest.mark.parametrize("grace", [0, 2])
def test_draining_again_with_less_grace_is_for_one_who_hurries(
    told: Reactor, clock: ManualClock, echo: type[Echo], dial: Dial, grace: float
) -> None:
    server, first, second = told.listen_tcp(echo, LOCAL, 0), [], []
    dial(server, b"\0")
    run_until(told, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
    server.drain(60, first.append)
    clock.advance(4)
    server.drain(grace, second.append)
    clock.advance(grace)
    turns(told)
    assert first == second == [Drained(0, 1)]
    assert told.stats()["timers"] == 0


def test_a_drain_without_grace_is_a_good_end_for_who_is_idle(net: Reactor, echo: type[Echo]) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    clients = clients_of(net, server, 3)
    server.drain(0, done.append)
    run_until(net, lambda: done and all(each.ended for each in clients))
    assert done == [Drained(closed=3, aborted=0)]
    assert [each.lost for each in clients] == [None] * 3


def test_who_speaks_while_a_drain_closes_him_meets_an_end_and_no_reset(
    net: Reactor, echo: type[Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    with socket.create_connection(server.addresses[0], timeout=20) as client:
        run_until(net, lambda: server.connections)
        close = sockets.close

        def close_a_moment_later(*args: Any, **named: Any) -> None:
            client.sendall(b"a word")
            close(*args, **named)

        monkeypatch.setattr(sockets, "close", close_a_moment_later)
        server.drain(5)
        run_until(net, lambda: not server.connections)
        monkeypatch.undo()
        assert client.recv(1) == b""


class AnswersMuch(FrameRecorder):
    """Answers with more than a peer that doesn't read has room for."""

    def message_received(self, message: bytes) -> None:
        self.transport.write(ANSWER)


ANSWER = bytes(range(256)) * 1200


def read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := sock.recv(size - len(data))):
        data += chunk
    return data


def reads_nothing(net: Reactor, server: Server, dial: Dial) -> socket.socket:
    """Return the client of a connection that is answered and reads nothing yet."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(server.addresses[0])
    client.sendall(Framing().encode(b"a question"))
    run_until(net, lambda: server.connections)
    (connection,) = server._guests
    run_until(net, lambda: net.stats()["events"] > 1 and not connection.get_write_buffer_size())
    return client


def test_stopping_when_a_drain_is_done_and_closing_loses_nothing(dial: Dial) -> None:
    def goes_on_asking(client: socket.socket) -> bytes:
        with client:
            client.sendall(b"half of another question")
            return read(client, len(ANSWER) + 1)

    with ThreadPoolExecutor() as threads:
        with Reactor() as net:
            server = net.listen_tcp(AnswersMuch, LOCAL, 0)
            client = reads_nothing(net, server, dial)
            server.drain(5, lambda drained: net.stop())
            run_until(net, lambda: not server.connections)
            answer = threads.submit(goes_on_asking, client)
            net.run()
        assert answer.result() == ANSWER


# --- draining all


def test_all_servers_are_drained_and_told_of_once(net: Reactor, echo: type[Echo], dial: Dial, tmp_path: Any) -> None:
    one, other, done = net.listen_tcp(echo, LOCAL, 0), net.listen_unix(echo, tmp_path / "sock"), []
    clients = clients_of(net, one, 2)
    for _ in range(3):
        clients.append(client := FrameRecorder())
        net.connect_unix(lambda client=client: client, tmp_path / "sock")
    run_until(net, lambda: (one.connections, other.connections) == (2, 3) and all(each.made for each in clients))
    net.drain(60, done.append)
    assert done == [], "never from inside drain()"
    run_until(net, lambda: done and all(each.ended for each in clients))
    turns(net)
    assert done == [Drained(closed=5, aborted=0)]
    assert net.stats()["servers"] == 0


def test_draining_without_a_server_is_done_in_a_later_callback(net: Reactor) -> None:
    done: list[Drained] = []
    net.drain(60, done.append)
    net.drain(60)
    assert done == []
    turns(net)
    assert done == [Drained(0, 0)]


def test_draining_all_ends_the_connections_of_a_server_that_is_closed(net: Reactor, echo: type[Echo]) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    (client,) = clients_of(net, server, 1)
    server.close()
    net.drain(60, done.append)
    run_until(net, lambda: done and client.ended)
    assert done == [Drained(1, 0)]


def test_draining_all_knows_a_server_that_its_own_factory_closed(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    def factory() -> Any:
        server.close()
        return echo()

    server, done = net.listen_tcp(factory, LOCAL, 0), []
    dial(server)
    run_until(net, lambda: server.connections)
    net.drain(60, done.append)
    run_until(net, lambda: done)
    assert (done, echo.made_here[0].ended) == ([Drained(1, 0)], True)


def test_who_is_not_ended_in_time_is_aborted_at_every_server(
    told: Reactor, clock: ManualClock, echo: type[Echo], dial: Dial
) -> None:
    servers, done = [told.listen_tcp(echo, LOCAL, 0) for _ in range(2)], []
    for server in servers:
        dial(server, b"\0")
    run_until(told, lambda: len(echo.made_here) == 2 and all(each.decoder.buffered for each in echo.made_here))
    told.drain(5, done.append)
    clock.advance(5)
    turns(told)
    assert done == [Drained(0, 2)]


# --- draining again, and after the end


def test_draining_after_close_ends_whom_it_has(net: Reactor, echo: type[Echo]) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    (client,) = clients_of(net, server, 1)
    server.close()
    server.drain(60, done.append)
    run_until(net, lambda: done and client.ended)
    assert done == [Drained(1, 0)]


def test_a_peer_that_ends_by_itself_is_counted_as_closed(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    peer = dial(server, b"\0\0")
    run_until(net, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
    server.drain(60, done.append)
    peer.close()
    run_until(net, lambda: done)
    assert done == [Drained(1, 0)]


def test_closing_the_reactor_while_it_drains_leaves_nothing(echo: type[Echo], dial: Dial) -> None:
    with Reactor() as net:
        server = net.listen_tcp(echo, LOCAL, 0)
        dial(server, b"\0\0")
        run_until(net, lambda: echo.made_here and echo.made_here[0].decoder.buffered)
        server.drain(60)
    assert echo.made_here[0].ended


def test_on_done_that_raises_is_reported(net: Reactor, echo: type[Echo]) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))

    def fail(drained: Drained) -> None:
        raise ValueError("done")

    net.listen_tcp(echo, LOCAL, 0).drain(60, fail)
    run_until(net, lambda: reports)
    assert [str(each["exception"]) for each in reports] == ["done"]


# --- whom it takes


def test_connections_are_counted_as_they_come_and_go(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    assert server.connections == 0
    one, other = clients_of(net, server, 2)
    one.transport.close()
    run_until(net, lambda: server.connections == 1)
    other.transport.abort()
    run_until(net, lambda: server.connections == 0)


def test_a_full_server_can_close_who_comes_next(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_connections=1, when_full="close"))
    (first,) = clients_of(net, server, 1)
    peer = dial(server)
    run_until(net, lambda: server.refused == 1)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    assert (len(echo.made_here), server.connections) == (1, 1)
    first.transport.close()
    run_until(net, lambda: server.connections == 0)
    clients_of(net, server, 1)
    assert (server.refused, net.stats()["refused"]) == (1, 1)


def test_a_full_server_refuses_nobody_where_they_may_wait(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_connections=2))
    clients = clients_of(net, server, 2)
    dial(server)
    turns(net)
    assert (server.refused, server.connections) == (0, 2)
    clients[0].transport.close()
    run_until(net, lambda: len(echo.made_here) == 3)


def test_who_is_one_too_many_from_its_host_is_refused_and_counted(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_per_peer=1))
    dial(server)
    run_until(net, lambda: server.connections)
    peer = dial(server)
    run_until(net, lambda: server.refused)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    assert (server.refused, server.connections) == (1, 1)


# --- sockets that linger


class AnswersOnce(Recorder):
    """Answers and closes; its peer says nothing more, and does not end."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(b"answer")
        self.transport.close()


def leave_lingering(net: Reactor, server: Server, dial: Dial, count: int) -> list[socket.socket]:
    peers = []
    for _ in range(count):
        peers.append(dial(server, b"question"))
        lingered = len(net._lingers)
        run_until(net, lambda: server.connections)
        run_until(net, lambda lingered=lingered: not server.connections and len(net._lingers) >= lingered)
    return peers


def test_sockets_that_linger_count_for_max_connections_and_give_way(told: Reactor, dial: Dial) -> None:
    server = told.listen_tcp(AnswersOnce, LOCAL, 0, limits=Limits(max_connections=3))
    peers = leave_lingering(told, server, dial, 5)
    assert (len(told._lingers), server.connections, server.refused) == (3, 0, 0)
    assert [peer.recv(100) for peer in peers] == [b"answer"] * 5


def test_sockets_that_linger_count_for_max_per_peer_and_give_way(told: Reactor, dial: Dial) -> None:
    server = told.listen_tcp(AnswersOnce, LOCAL, 0, limits=Limits(max_per_peer=2))
    leave_lingering(told, server, dial, 5)
    assert (len(told._lingers), server.refused) == (2, 0)
    for _ in range(2):
        dial(server)
    run_until(told, lambda: server.connections == 2)
    assert len(told._lingers) == 0
    dial(server)
    run_until(told, lambda: server.refused)
    assert server.connections == 2


def test_sockets_that_linger_give_way_when_descriptors_run_out(
    told: Reactor, dial: Dial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def out_of_descriptors_while_one_lingers(sock: socket.socket, take: sockets.Take) -> Any:
        if len(told._lingers) > 2:
            raise sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")
        return accept(sock, take)

    server, other = told.listen_tcp(AnswersOnce, LOCAL, 0), told.listen_tcp(Recorder, LOCAL, 0)
    leave_lingering(told, server, dial, 5)
    assert len(told._lingers) == 5
    accept = sockets.accept
    monkeypatch.setattr(sockets, "accept", out_of_descriptors_while_one_lingers)
    dial(other)
    run_until(told, lambda: other.connections)
    assert (len(told._lingers), other.shed, caplog.records) == (2, 0, [])


def test_a_closed_server_is_over_when_nobody_lingers(told: Reactor, clock: ManualClock, dial: Dial) -> None:
    server = told.listen_tcp(AnswersOnce, LOCAL, 0)
    leave_lingering(told, server, dial, 1)
    server.close()
    assert list(told._servers) == [server]
    clock.advance(2)
    turns(told)
    assert list(told._servers) == []


# --- hosts


def test_peers_at_a_unix_socket_have_no_host_to_be_counted_by(net: Reactor, echo: type[Echo], tmp_path: Any) -> None:
    server = net.listen_unix(echo, tmp_path / "sock", limits=Limits(max_per_peer=1))
    for _ in range(3):
        net.connect_unix(FrameRecorder, tmp_path / "sock")
    run_until(net, lambda: server.connections == 3)
    assert server.refused == 0


def test_counters_of_the_reactor_do_not_go_back_when_a_server_closes(
    net: Reactor, echo: type[Echo], dial: Dial
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_per_peer=1))
    dial(server)
    dial(server)
    run_until(net, lambda: server.refused)
    server.close()
    assert net.stats()["refused"] == 1


def test_a_port_that_cannot_be_is_refused_at_once(net: Reactor, echo: type[Echo]) -> None:
    with pytest.raises((OSError, OverflowError, ValueError)):
        net.listen_tcp(echo, LOCAL, 70_000)


# --- closing from inside


@pytest.mark.parametrize("where", ["connection_made", "message_received", "connection_lost"])
def test_a_server_can_be_closed_from_inside_a_callback(
    net: Reactor, twin: ModuleType, echo: type[Echo], where: str
) -> None:
    class Closes(echo):  # type: ignore[valid-type, misc]
        def note(self, here: str) -> None:
            if here == where:
                server.close()

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.note("connection_made")

        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            self.note("message_received")

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            self.note("connection_lost")

    server = net.listen_tcp(Closes, LOCAL, 0)
    (client,) = clients_of(net, server, 1)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    client.transport.close()
    run_until(net, lambda: client.ended and not server.connections)
    assert net.stats()["servers"] == 0


def test_closing_inside_a_batch_of_newcomers_takes_no_more(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    class Closes(echo):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: Any) -> None:
            server.close()

    server = net.listen_tcp(Closes, LOCAL, 0)
    for _ in range(5):
        dial(server)
    run_until(net, lambda: echo.made_here)
    turns(net)
    assert (len(echo.made_here), server.connections) == (1, 1)


def test_draining_inside_a_batch_of_newcomers_ends_the_one_that_came(
    net: Reactor, echo: type[Echo], dial: Dial
) -> None:
    done: list[Drained] = []

    class Drains(echo):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: Any) -> None:
            server.drain(60, done.append)

    server = net.listen_tcp(Drains, LOCAL, 0)
    for _ in range(5):
        dial(server)
    run_until(net, lambda: done)
    assert (done, len(echo.made_here)) == ([Drained(1, 0)], 1)


def test_draining_inside_the_factory_ends_the_one_that_is_made(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    done: list[Drained] = []

    def factory() -> Any:
        server.drain(60, done.append)
        return echo()

    server = net.listen_tcp(factory, LOCAL, 0)
    dial(server)
    run_until(net, lambda: done and not server.connections)
    assert echo.made_here[0].ended


# --- the log


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "reactor.server"]


def test_a_server_says_that_it_begins_and_stops_to_listen(net: Reactor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server = net.listen_tcp(Recorder, LOCAL, 0)
        at = f"{LOCAL}:{server.addresses[0][1]}"
        assert lines(caplog) == [f"listening at {at}"]
        server.close()
        server.close()
    assert lines(caplog) == [f"listening at {at}", f"no longer listening at {at}"]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_a_server_names_all_its_addresses(net: Reactor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server = net.listen_unix(Recorder, "@reactor-test-names")
        assert str(server) == "unix:@reactor-test-names"
        several = net.listen_tcp(Recorder, "", 0)
    assert len(str(several).split(", ")) == len(several.addresses)
    assert lines(caplog) == ["listening at unix:@reactor-test-names", f"listening at {several}"]


def test_a_drain_says_that_it_begins_and_is_done_once(
    net: Reactor, echo: type[Echo], caplog: pytest.LogCaptureFixture
) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0), []
    clients_of(net, server, 2)
    with caplog.at_level(logging.INFO):
        server.drain(60)
        server.drain(30, done.append)
        run_until(net, lambda: done)
        server.drain(10, done.append)
        run_until(net, lambda: len(done) == 2)
    assert lines(caplog) == [
        f"draining {server}: 2 connections, 60 s",
        f"no longer listening at {server}",
        f"drained {server}: 2 closed, 0 aborted",
    ]


def test_a_limit_that_refuses_has_a_line_a_minute(
    told: Reactor, clock: ManualClock, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    server = told.listen_tcp(Recorder, LOCAL, 0, limits=Limits(max_per_peer=1))
    dial(server)
    run_until(told, lambda: server.connections)

    def refuse(count: int) -> None:
        before = server.refused
        for _ in range(count):
            dial(server)
        run_until(told, lambda: server.refused == before + count)

    refuse(3)
    clock.advance(59)
    refuse(2)
    clock.advance(2)
    refuse(1)
    refuse(1)
    assert lines(caplog) == [
        f"{server} has refused 1 more: max_per_peer is 1",
        f"{server} has refused 5 more: max_per_peer is 1",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_each_limit_that_refuses_has_its_line(told: Reactor, dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(max_connections=2, max_per_peer=1, when_full="close")
    server = told.listen_tcp(Recorder, "", 0, limits=limits)
    port = server.addresses[0][1]
    hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]
    socks = [socket.create_connection((LOCAL, port), 20, source_address=(host, 0)) for host in hosts]
    run_until(told, lambda: server.refused == 2)
    for sock in socks:
        sock.close()
    assert lines(caplog) == [
        f"{server} has refused 1 more: max_per_peer is 1",
        f"{server} has refused 1 more: max_connections is 2",
    ]
