"""Setting up: user code that raises while a connection is put together ends that connection, and leaves nothing."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from helpers import open_files
from road.cast import Buffered, Bytes, Frames, bodies, echo, frame
from road.peers import Peer
from road.roads import Road

from reactor import FramedProtocol, Framing, Protocol


class NotTodayError(Exception):
    """What these protocols raise."""


class RaisingFraming(FramedProtocol):
    @property
    def framing(self) -> Framing:  # type: ignore[override]
        raise NotTodayError


class RaisingTransport(Protocol):
    @property
    def transport(self) -> Any:  # type: ignore[override]
        return None

    @transport.setter
    def transport(self, transport: Any) -> None:
        raise NotTodayError


def raising_decoder() -> Any:
    class Mine(Framing):
        def decoder(self) -> Any:
            raise NotTodayError

    return Frames(Mine())


FACTORIES = pytest.mark.parametrize("factory", [RaisingFraming, RaisingTransport, raising_decoder])


def sockets_open() -> int:
    return sum(kind == stat.S_IFSOCK for kind, _, _ in open_files().values())


def come(peer: Peer) -> None:
    """Shake hands, if one is let."""
    with suppress(AssertionError, OSError):
        peer.shake()


@FACTORIES
def test_a_protocol_that_raises_while_it_is_set_up_ends_its_connection_only(
    door: Road, factory: Callable[[], Any]
) -> None:
    server = door.listen(factory)
    door.settle(2)
    before = sockets_open()
    for _ in range(3):
        peer = door.dial(server)
        come(peer)
        door.until(lambda peer=peer: peer.take_all() is not None and peer.end)
        peer.close()
    door.until(lambda: not server.connections and not door.reactor.stats()["connections"])
    assert [type(exc) for exc in door.take_reports()] == [NotTodayError] * 3
    door.until(lambda: sockets_open() == before)


@FACTORIES
def test_a_client_is_told_that_its_protocol_raised_while_it_was_set_up(door: Road, factory: Callable[[], Any]) -> None:
    failures: list[BaseException] = []
    listening = door.listening()
    before = sockets_open()
    door.connect(factory, listening, on_failure=failures.append)
    came: list[Peer] = []

    def somebody() -> bool:
        with suppress(BlockingIOError):
            came.append(door.accepted(listening))
        return bool(came)

    door.until(somebody)
    come(came[0])
    door.until(lambda: failures)
    came[0].close()
    door.until(lambda: not door.reactor.stats()["connections"])
    assert [type(exc) for exc in failures] == [NotTodayError]
    assert [type(exc) for exc in door.take_reports()] == [NotTodayError]
    door.until(lambda: sockets_open() == before)


class NoFraming(Frames):
    def __init__(self) -> None:
        super().__init__()
        self.framing = None


class EmptyBuffer(Buffered):
    def __init__(self) -> None:
        super().__init__(size=0)


class TakesNothing(Protocol):
    def data_received(self) -> None:  # type: ignore[override]
        """Lack the argument that it is given."""


class EndsWithNothing(Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.close()

    def connection_lost(self) -> None:  # type: ignore[override]
        """Lack the argument that it is given."""


class Unpublished(Frames):
    def connection_made(self, transport: Any) -> None:
        transport.set_protocol(NoFraming())


@pytest.mark.parametrize(
    ("factory", "where"),
    [
        (NoFraming, "a callback of NoFraming"),
        (RaisingFraming, "framing"),
        (RaisingTransport, "transport"),
        (raising_decoder, "decoder"),
        (EmptyBuffer, "a callback of EmptyBuffer"),
        (TakesNothing, "a callback of TakesNothing"),
        (EndsWithNothing, "a callback of EndsWithNothing"),
        (Unpublished, "connection_made"),
    ],
)
def test_a_report_names_where_it_was_in_words_of_the_users(door: Road, factory: Callable[[], Any], where: str) -> None:
    messages: list[str] = []
    door.reactor.set_exception_handler(lambda _, context: messages.append(context["message"]))
    server = door.listen(factory)
    peer = door.dial(server)
    come(peer)
    with suppress(OSError):
        peer.send(b"x")
    door.until(lambda: messages)
    peer.close()
    door.until(lambda: not server.connections)
    assert messages == [f"exception in {where}"]


def test_a_protocol_whose_transport_cant_be_set_ends_its_connection(door: Road) -> None:
    class NoSetter(Protocol):
        @property
        def transport(self) -> Any:  # type: ignore[override]
            return None

    server = door.listen(NoSetter)
    peer = door.dial(server)
    come(peer)
    door.until(lambda: peer.take_all() is not None and peer.end)
    door.until(lambda: not server.connections)
    assert [type(exc) for exc in door.take_reports()] == [AttributeError]


def test_a_decoder_of_ones_own_is_used_or_ends_its_connection_and_never_hangs_it(door: Road) -> None:
    class Wrapped:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def __iter__(self) -> Any:
            return iter(self.inner)

    class Mine(Framing):
        def decoder(self) -> Any:
            return Wrapped(super().decoder())

    server = door.listen(lambda: Frames(Mine(), message=echo))
    peer = door.dial(server)
    come(peer)
    with suppress(OSError):
        peer.send(frame(b"hello"))
    door.until(lambda: peer.take_all() or peer.end)
    served = bodies(peer.plain) == [b"hello"]
    assert len(door.take_reports()) == (not served)
    peer.close()
    door.until(lambda: not server.connections)


@pytest.mark.parametrize("how", ["finish", "cut", "reset"])
def test_a_decoder_that_was_detached_lets_the_connection_end(road: Road, how: str) -> None:
    rests: list[bytes] = []
    ours = Frames(message=lambda self, message: rests.append(self.decoder.detach()))
    peer = road.meet(ours)
    peer.send(frame(b"x") + b"rest")
    road.until(lambda: ours.messages)
    road.settle()
    assert rests == [b"rest"]
    getattr(peer, how)()
    road.until(lambda: ours.ended)
    assert len(ours.causes) == 1
    road.take_reports()


@pytest.mark.parametrize("kind", [Frames, Bytes])
@pytest.mark.parametrize("timeout", ["5", float("nan"), -1, b""], ids=repr)
def test_a_close_that_is_refused_changes_nothing(road: Road, timeout: Any, kind: type[Any]) -> None:
    ours = kind()
    peer = road.meet(ours)
    with pytest.raises(ValueError, match=re.escape(f"timeout is {timeout!r}, it must be seconds, 0 or more, or None")):
        ours.transport.close(timeout=timeout)
    assert not ours.transport.is_closing()
    peer.send(frame(b"in"))
    ours.transport.write(b"out")
    peer.reads(3)
    road.until(lambda: len(ours.calls) > 1)
    assert peer.plain == b"out"
    assert ours.calls[-1] in ("message", "data")
    ours.transport.close()
    road.until(lambda: ours.ended)


@pytest.mark.parametrize("marks", [("x",), (1.5,), (None, "x"), (10, b"")], ids=repr)
def test_water_marks_that_are_no_ints_are_named_and_change_nothing(road: Road, marks: tuple[Any, ...]) -> None:
    ours = Frames()
    road.meet(ours)
    before = ours.transport.get_write_buffer_limits()
    with pytest.raises(TypeError, match=f"{marks[-1]!r}.*: ints of bytes are needed, or None"):
        ours.transport.set_write_buffer_limits(*marks)
    assert ours.transport.get_write_buffer_limits() == before


def test_a_connection_that_can_not_be_watched_ends_and_its_peer_is_told(
    door: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(*_: Any) -> Any:
        raise OSError("no room to watch it")

    ours = Frames()
    server = door.listen(lambda: ours)
    peer = door.dial(server)
    with monkeypatch.context() as full:
        full.setattr(door.reactor._selector, "register", register)
        door.settle()
    door.until(lambda: peer.take_all() is not None and peer.end)
    assert [str(exc) for exc in door.take_reports()] == ["the socket can't be watched: no room to watch it"]
    assert (server.connections, ours.calls) == (0, [])
