"""The how-to pages are true: their blocks run, and what they build does what they say.

The test that bears a page's name is given what the page's Python blocks define. Its commands have run before, and their
output is held against the page as the tutorial's is. tests/test_moving.py does so with the pages for who moves here.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from headers import binary, four
from helpers import run_until, tls_contexts
from test_docs import DOCS, run
from test_tutorial import check_commands

from reactor import EventLoop, FramedProtocol, Framing, Limits, Protocol, Reactor, aio
from reactor.testing import ManualClock, MemorySelector, SimNetwork, memory_pair, settle

PAGES = [*DOCS.glob("howto/*.md"), *DOCS.glob("moving/*.md")]
LOCAL = "127.0.0.1"


BY_NAME = {path.stem.replace("-", "_"): path for path in PAGES if path != DOCS / "moving" / "index.md"}


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a page's blocks define, in a folder where its commands have run."""
    path = BY_NAME[request.node.name.removeprefix("test_")]
    check_commands(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(**run(path, "python"))


class Client(FramedProtocol):
    """Sends messages when it is connected, and keeps what it is sent."""

    def __init__(self, *messages: bytes, framing: Framing | None = None) -> None:
        self.messages, self.framing = messages, framing or Framing()
        self.answers: list[bytes] = []
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: Any) -> None:
        self.send_many(self.messages)

    def message_received(self, message: bytes) -> None:
        self.answers.append(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def talk(net: Reactor, server: Any, client: Client, wanted: int = 1, **options: Any) -> list[bytes]:
    """Connect a client, wait for so many answers, and let it go."""
    net.connect_tcp(lambda: client, *server.addresses[0][:2], **options)
    run_until(net, lambda: len(client.answers) >= wanted or client.lost)
    client.transport.close()
    run_until(net, lambda: client.lost)
    return client.answers


@pytest.fixture
def memory() -> Iterator[EventLoop]:
    with EventLoop(MemorySelector(), ManualClock()) as loop:
        yield loop


def ended(loop: EventLoop, *transports: Any) -> None:
    for each in transports:
        each.abort()
    settle(loop)


# ---- how to


def test_index(page: SimpleNamespace) -> None:
    seen: list[Reactor] = []
    page.main(lambda reactor: (seen.append(reactor), reactor.stop()))
    assert isinstance(seen[0], Reactor)


def test_broadcast(page: SimpleNamespace) -> None:
    with SimNetwork(seed=1) as network:
        network.host("server", setup=page.setup)
        server = network.hosts["server"].reactor
        clients = [Client(), Client(), Client()]
        for each in clients:
            server.connect_tcp(lambda client=each: client, LOCAL, 9000)
        network.run(1)
        clients[0].send(b"hello")
        network.run(100)
        assert [each.answers for each in clients] == [[b"hello"]] * 3, "nobody is ended for being silent"
        clients[1].transport.close()
        network.run(1)
        clients[0].send(b"again")
        network.run(1)
        assert [len(each.answers) for each in clients] == [2, 1, 2]


def test_request_reply(page: SimpleNamespace, memory: EventLoop) -> None:
    requests, told = page.Requests(memory), []
    transport, service = memory_pair(memory, requests, page.Service())
    settle(memory)
    requests.ask(b"one", lambda answer, error: told.append(answer))
    settle(memory)
    assert told == [b"ONE"]
    service.pause_reading()
    requests.ask(b"two", lambda answer, error: told.append(type(error)))
    settle(memory)
    memory._clock.advance(5)
    settle(memory)
    service.resume_reading()
    settle(memory)
    assert told == [b"ONE", TimeoutError], "a late answer is told to nobody"
    service.pause_reading()
    requests.ask(b"three", lambda answer, error: told.append(str(error)))
    ended(memory, transport, service)
    assert told[2:] == ["the connection was closed"]
    assert requests.waiting == {}


def test_reconnect(page: SimpleNamespace) -> None:
    news: list[bytes] = []

    class Newspaper(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            self.send(b"news for who says " + message)

    with SimNetwork(seed=1) as network:
        server = network.host("server", setup=lambda reactor: reactor.listen_tcp(Newspaper, None, 9000))
        connectors: list[Any] = []
        network.host("client", setup=lambda reactor: connectors.append(page.setup(reactor, news, "server")))
        network.run(1)
        server.kill()
        network.run(1)
        assert connectors[0].connection is None
        server.restart(after=1)
        network.run(40)
        assert news == [b"news for who says subscribe"] * 2
        connectors[0].close()
        network.run(1)


def test_relay(page: SimpleNamespace) -> None:
    class Slow(Protocol):
        """Reads nothing until it is told to."""

        def __init__(self) -> None:
            self.count, self.ended = 0, False

        def connection_made(self, transport: Any) -> None:
            transport.pause_reading()

        def data_received(self, data: bytes) -> None:
            self.count += len(data)

        def eof_received(self) -> bool:
            self.ended = True
            self.transport.write(b"that was all")
            return False

    class Fast(Protocol):
        def __init__(self) -> None:
            self.data, self.over = b"", False

        def connection_made(self, transport: Any) -> None:
            transport.write(bytes(size))
            transport.write_eof()

        def data_received(self, data: bytes) -> None:
            self.data += data

        def connection_lost(self, exc: Exception | None) -> None:
            self.over = exc is None

    size, slow, fast = 8 << 20, Slow(), Fast()
    with SimNetwork(seed=1) as network:
        network.host("target", setup=lambda reactor: reactor.listen_tcp(lambda: slow, None, 9001))
        relay = network.host("relay", setup=lambda reactor: page.setup(reactor, ("target", 9001)))
        relay.reactor.connect_tcp(lambda: fast, LOCAL, 9000, limits=Limits(write_timeout=None))
        network.run(20)
        assert relay.reactor.stats()["pauses_reading"] > 0
        held = sum(each.get_write_buffer_size() for each in relay.reactor._dialled if each.get_protocol() is not fast)
        assert 0 < held < 1 << 20, "no more waits in between than the marks say"
        slow.transport.resume_reading()
        network.run(60)
        assert (slow.count, slow.ended, fast.data, fast.over) == (size, True, b"that was all", True)

        torn, ends = Slow(), Fast()
        torn.connection_made = lambda transport: transport.abort()
        ends.connection_made = lambda transport: None
        slow = torn
        relay.reactor.connect_tcp(lambda: ends, LOCAL, 9000)
        network.run(1)
        assert ends.transport.is_closing()
        assert not ends.over, "a reset goes on as a reset"


def test_upload(page: SimpleNamespace, memory: EventLoop, capsys: pytest.CaptureFixture[str]) -> None:
    for size in (5, 1_000_000):
        sent, came = io.BytesIO(b"x" * size), io.BytesIO()
        memory_pair(memory, page.Sender(sent, size), page.Receiver(came), limits=page.RECEIVING)
        settle(memory)
        assert came.getvalue() == sent.getvalue()
        assert capsys.readouterr().out == f"the receiver has {size} bytes\n"
    sent, came = io.BytesIO(bytes(1_000_000)), io.BytesIO()
    with SimNetwork(seed=1, bandwidth=10_000) as network:
        receiver, sender = network.host("receiver").reactor, network.host("sender").reactor
        receiver.listen_tcp(lambda: page.Receiver(came), None, 9000, limits=page.RECEIVING)
        sender.connect_tcp(lambda: page.Sender(sent, 1_000_000), "receiver", 9000, limits=page.SENDING)
        network.run(90)
        assert 0 < len(came.getvalue()) < 1_000_000
        network.run(20)
    assert capsys.readouterr().out == "the receiver has 1000000 bytes\n"


def test_child_process(page: SimpleNamespace, net: Reactor) -> None:
    ends: list[Any] = []
    conversation = page.Conversation(ends.append)
    child = page.setup(net, conversation)
    run_until(net, lambda: ends)
    assert (conversation.answers, ends, child.wait(20)) == ([b"one", b"two"], [None], 0)


def test_udp(page: SimpleNamespace, net: Reactor) -> None:
    collector = page.setup(net, 0)
    port = collector.get_extra_info("sockname")[1]
    meter = page.Meter()
    client = page.start_client(net, meter, port)
    run_until(net, lambda: meter.answers)
    client.sendto(b"nonsense")
    client.sendto(b"requests 4")
    run_until(net, lambda: len(meter.answers) == 2)
    assert meter.answers == [b"requests 3", b"requests 7"]


def test_client_certificates(page: SimpleNamespace, net: Reactor) -> None:
    server = page.setup(net, 0)
    port = server.addresses[0][1]
    known = Client(b"hello")
    page.connect(net, lambda: known, port)
    run_until(net, lambda: known.answers)
    assert known.answers == [b"hello, gauge-7"]
    stranger = Client(b"hello")
    page.connect(net, lambda: stranger, port, ssl.create_default_context(cafile="ca.pem"))
    run_until(net, lambda: stranger.lost)
    assert isinstance(stranger.lost[0], OSError)
    assert stranger.answers == []
    assert net.stats()["handshake_failures"] == 1


def test_switch_protocol(page: SimpleNamespace, net: Reactor, memory: EventLoop) -> None:
    client = Client(b"hello", b"binary", framing=page.LINES)
    transport, _ = memory_pair(memory, client, page.Server())
    settle(memory)
    assert client.answers == [b"unknown command", b"ok"]
    client.framing = page.FRAMES
    client.send(b"\n\0\n")
    settle(memory)
    assert client.answers[2:] == [b"\n\0\n"]
    ended(memory, transport)

    ours, theirs = tls_contexts("localhost")
    server = net.listen_tcp(lambda: page.Secure(ours), LOCAL, 0)
    secured = page.Client(theirs)
    net.connect_tcp(lambda: secured, *server.addresses[0])
    run_until(net, lambda: len(secured.answers) == 2)
    assert secured.answers == [b"go ahead", b"secret"]
    assert talk(net, server, Client(b"tell me", framing=page.LINES)) == [b"STARTTLS first"]


def test_under_asyncio(page: SimpleNamespace) -> None:
    assert page.asyncio.run(page.main(0)) == b"hello"
    assert page.aio is aio


def test_haproxy(page: SimpleNamespace, net: Reactor) -> None:
    server = page.setup(net, 0)
    with socket.create_connection(server.addresses[0]) as sock:
        sock.sendall(binary(four("192.0.2.7", ports=(4711, 443))) + Framing().encode(b"who am I?"))
        run_until(net, lambda: net.stats()["frames_sent"])
        assert sock.recv(100)[4:] == b"192.0.2.7 4711"


def test_vendor(page: SimpleNamespace, tmp_path: Path) -> None:
    assert (tmp_path / "app/_vendor/rx/VENDORED.txt").exists()


def test_bad_network(page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_SEEDS", "5")
    page.test_nothing_is_lost()


def test_slow(page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(logging, "basicConfig", lambda: None)
    logged: list[str] = []
    callers: list[int] = []

    def note(record: logging.LogRecord) -> None:
        logged.append(record.getMessage())
        told.set()

    monkeypatch.setattr(logging.getLogger("reactor.loop.stalls"), "handle", note)

    def make_report(message: bytes) -> bytes:
        callers.append(threading.get_ident())
        told.wait(20)  # until the log has told of it
        return message.upper()

    page.setup.__globals__["make_report"] = make_report
    with Reactor() as net:
        assert talk(net, page.setup(net, 0), Client(b"report")) == [b"REPORT"]
        assert logged[0].startswith("the loop stands still: a turn has taken ")
        assert "in make_report" in logged[0]
        assert net.stats()["longest_turn"] >= 50_000
        assert talk(net, page.make_server(net, 0), Client(b"report")) == [b"REPORT"]
        assert [each == threading.get_ident() for each in callers] == [True, False]


def test_stuck_peer(page: SimpleNamespace, memory: EventLoop) -> None:
    client, server = Client(), page.Listed()
    ours, theirs = memory_pair(memory, server, client, capacity=1000)
    settle(memory)
    peer = "('127.0.0.1', 40002)"
    assert page.describe(server) == f"{peer}: has sent nothing more"
    theirs.write(Framing().header(10) + b"half")
    settle(memory)
    assert page.describe(server) == f"{peer}: has sent 8 bytes of a message, 6 are missing"
    theirs.write(b" of it")
    theirs.pause_reading()
    server.send(bytes(5000))
    settle(memory)
    assert page.describe(server) == f"{peer}: doesn't read, 4004 bytes wait for it"
    ours.pause_reading()
    assert page.describe(server) == f"{peer}: reading is paused here"
    assert page.Listed.everybody == {server}
    ended(memory, ours, theirs)
    assert page.Listed.everybody == set()


# ---- nothing is left out


def test_every_page_has_its_test() -> None:
    assert {f"test_{path.stem.replace('-', '_')}" for path in DOCS.glob("howto/*.md")} <= set(globals())


@pytest.mark.parametrize("folder", ["howto", "moving"])
def test_every_page_is_listed_on_the_first(folder: str) -> None:
    text = (DOCS / folder / "index.md").read_text()
    assert all(f"]({path.name})" in text for path in DOCS.glob(f"{folder}/*.md") if path.stem != "index")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_begins_with_its_title(path: Path) -> None:
    assert path.read_text().startswith("# ")
