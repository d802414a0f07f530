"""The pages for who moves here are true: what they show runs, before and after, and every word of ours is there."""

from __future__ import annotations

import importlib.util
import re
import socket
import threading
from dataclasses import fields
from types import SimpleNamespace

import pytest
from peers.conftest import missing
from test_docs import DOCS, run
from test_howto import Client, memory, page, talk

import reactor
from reactor import (
    Backoff,
    Connection,
    DatagramProtocol,
    Decoder,
    EventLoop,
    FramedProtocol,
    Framing,
    Limits,
    Reactor,
    Timer,
    presets,
    testing,
)
from reactor.testing import memory_pair, settle

__all__ = ["memory", "page"]

PAGES = sorted(path.stem for path in DOCS.glob("moving/*.md"))
OTHERS = {"Popen", "logging", "tls", "bytes"}  # the standard library's, and an argument


def ended(loop: EventLoop, transport: Connection) -> None:
    transport.abort()
    settle(loop)


def test_twisted(page: SimpleNamespace, memory: EventLoop) -> None:
    if importlib.util.find_spec("twisted") is None:
        missing("Twisted isn't installed: pip install twisted has it")
    from twisted.internet.testing import StringTransport

    before = run(DOCS / "moving" / "twisted.md", "python peers")["Count"]().buildProtocol(None)
    before.makeConnection(StringTransport())
    before.dataReceived(Framing().encode(b"hello"))
    client = Client(b"hello")
    transport, _ = memory_pair(memory, client, page.After({"count": 0}))
    settle(memory)
    assert before.transport.value() == Framing().encode(client.answers[0]) == Framing().encode(b"1: hello")
    ended(memory, transport)


def test_socketserver(page: SimpleNamespace, net: Reactor) -> None:
    before, after = page.make_before(0), page.setup(net, 0)
    thread = threading.Thread(target=before.serve_forever, args=(0.01,))
    thread.start()
    try:
        with socket.create_connection(before.server_address) as sock:
            sock.sendall(Framing(2).encode_many([b"1", b"41"]))
            assert sock.makefile("rb").read(7) == Framing(2).encode_many([b"1", b"42"])
    finally:
        before.shutdown()
        before.server_close()
        thread.join()
    assert talk(net, after, Client(b"1", b"41", framing=Framing(2)), 2) == [b"1", b"42"]


def test_netty(page: SimpleNamespace, net: Reactor, capsys: pytest.CaptureFixture[str]) -> None:
    server = page.setup(net, 0)
    assert talk(net, server, Client(b"a", b"b", framing=Framing(2)), 2) == [b"1: a", b"2: b"]
    too_large = Client(bytes(999), framing=Framing(2))
    assert talk(net, server, too_large) == []
    assert "max_frame_length is 998" in capsys.readouterr().out


def words() -> set[str]:
    """Return the names that a user may come to know."""
    kinds = (Reactor, Timer, Connection, FramedProtocol, DatagramProtocol, Framing, Decoder, presets, testing, reactor)
    known = {name for each in kinds for name in dir(each)}
    return known | {field.name for kind in (Limits, Framing, Backoff) for field in fields(kind)}


@pytest.mark.parametrize("name", PAGES)
def test_every_word_of_ours_is_there(name: str) -> None:
    rows = re.findall(r"^\|(.*)\|$", (DOCS / "moving" / f"{name}.md").read_text(), re.MULTILINE)
    ours = "\n".join(row.split(" | ")[-1] for row in rows)
    assert set(re.findall(r"`(?:[\w.]*\.)?([a-zA-Z]\w+)[(`=…]", ours)) - OTHERS <= words()


def test_every_page_has_its_test() -> None:
    assert {f"test_{name}" for name in PAGES if name != "index"} <= set(globals())
