"""start_tls(): what was written before leaves plain, what comes behind the switch is TLS or an end."""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder
from transport.tls_peer import Secure, turns, until

from reactor import Connection, Framing, Limits, WriteBufferFull
from reactor.testing import ManualClock
from reactor.transport.tls import Session


class Line(Recorder):
    """Goes to TLS when the line says so; what came behind the line is the beginning of the handshake."""

    context: ssl.SSLContext
    answer = b"plain go-ahead\n"
    done = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        line, newline, rest = data.partition(b"\n")
        if line == b"STARTTLS" and newline:
            self.transport.write(self.answer)
            self.transport.start_tls(self.context, server_side=True, initial=rest, on_done=self.secured)
            self.transport.write(b"written behind the switch")

    def secured(self) -> None:
        self.done += 1
        self.calls.append("secured")


def test_what_was_written_before_start_tls_leaves_plain_and_what_comes_after_does_not(secure: Secure) -> None:
    one, server = Recorder(), Line()
    server.context = secure.certs.server()
    left, _ = secure.plain_pair(one, server)
    left.write(b"STARTTLS\n")
    until(secure.loop, lambda: one.data == b"plain go-ahead\n")
    turns(secure.loop)
    assert one.data == b"plain go-ahead\n", "the rest waits for the handshake"
    done: list[str] = []
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("done"))
    left.write(b"hello")
    assert done == []
    until(secure.loop, lambda: one.data.endswith(b"written behind the switch"))
    turns(secure.loop)
    assert (server.data, server.done, done) == (b"STARTTLS\nhello", 1, ["done"])
    assert left.get_extra_info("cipher") is not None
    left.close()
    until(secure.loop, lambda: one.ended and server.ended)
    assert (one.lost, server.lost) == (None, None)
    assert server.calls.count("made") == 1


@pytest.mark.parametrize("client_first", [True, False])
def test_either_side_may_begin(secure: Secure, client_first: bool) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = secure.plain_pair(one, other)
    right.pause_reading()

    def client() -> None:
        left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("client"))

    def server() -> None:
        right.start_tls(secure.certs.server(), server_side=True, on_done=lambda: done.append("server"))

    for begin in [client, server] if client_first else [server, client]:
        begin()
        turns(secure.loop)
    right.resume_reading()
    left.write(b"there")
    right.write(b"and back")
    turns(secure.loop)
    assert (other.data, one.data, sorted(done)) == (b"there", b"and back", ["client", "server"])


def test_a_handshake_goes_on_while_reading_is_paused_and_data_does_not(secure: Secure) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = secure.plain_pair(one, other)
    right.pause_reading()
    right.start_tls(secure.certs.server(), server_side=True, on_done=lambda: done.append("server"))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"data")
    turns(secure.loop)
    assert (done, other.data) == (["server"], b"")
    right.resume_reading()
    turns(secure.loop)
    assert other.data == b"data"


class Messages(FrameRecorder):
    """Goes to TLS at the first message."""

    context: ssl.SSLContext
    options: dict[str, Any]

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == 1:
            self.transport.start_tls(self.context, server_side=True, **self.options)


class MessagesAsList(Messages):
    def messages_received(self, messages: Any) -> None:
        assert type(messages) is list
        super().messages_received(messages)


BOTH_WAYS = pytest.mark.parametrize("kind", [Messages, MessagesAsList])


def messages(secure: Secure, kind: type[Messages], **options: Any) -> Messages:
    server = kind()
    server.context, server.options = secure.certs.server(), options
    return server


@BOTH_WAYS
@pytest.mark.parametrize("behind", [Framing().encode(b"injected"), Framing().encode(b"injected")[:6], b"\0"])
def test_bytes_behind_the_switch_are_refused(
    secure: Secure, twin: ModuleType, kind: type[Messages], behind: bytes
) -> None:
    server = messages(secure, kind)
    left, _ = secure.plain_pair(Recorder(), server)
    left.write(Framing().encode(b"go") + behind)
    turns(secure.loop)
    assert server.messages == [b"go"]
    assert type(server.lost) is ssl.SSLError
    assert f"{len(behind)} plain bytes came behind the switch" in str(server.lost)


class HelloInFront(Recorder):
    """Sends a message and its ClientHello at once, as nobody should."""

    context: ssl.SSLContext

    def connection_made(self, transport: Any) -> None:
        transport.write(Framing().encode(b"go"))
        transport.start_tls(self.context, server_hostname="localhost")
        transport.write(Framing().encode_many([b"after", b"more"]))


def test_bytes_behind_the_switch_are_the_handshake_where_that_is_said(secure: Secure, twin: ModuleType) -> None:
    client, server = HelloInFront(), messages(secure, Messages, initial=b"")
    client.context = secure.certs.client()
    secure.plain_pair(client, server)
    turns(secure.loop)
    assert server.messages == [b"go", b"after", b"more"]


def test_bytes_that_the_protocol_took_can_be_given_back(secure: Secure) -> None:
    client, server = Recorder(), Line()
    server.context, server.answer = secure.certs.server(), b""
    left, _ = secure.plain_pair(client, server)
    left.write(b"STARTTLS\n")
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"hello")
    turns(secure.loop)
    assert server.done == 1
    assert server.data.endswith(b"hello")
    assert client.data == b"written behind the switch"


class Buffered:
    """asyncio's BufferedProtocol with a buffer of two bytes, which goes to TLS at once."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context, self.buffer, self.data = context, bytearray(2), b""
        self.lost: Any = "not yet"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]
        if len(self.data) == 2:
            self.transport.start_tls(self.context, server_side=True)

    def eof_received(self) -> None:
        pass

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc


def test_bytes_behind_the_switch_are_refused_for_a_buffered_protocol_too(secure: Secure) -> None:
    server = Buffered(secure.certs.server())
    left, _ = secure.plain_pair(Recorder(), server)
    left.write(b"goinjected")
    turns(secure.loop)
    assert server.data == b"go"
    assert type(server.lost) is ssl.SSLError


def test_start_tls_twice_or_on_a_closing_connection_is_an_error(secure: Secure) -> None:
    left, right = secure.plain_pair(Recorder(), Recorder())
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    with pytest.raises(RuntimeError, match="start_tls"):
        left.start_tls(secure.certs.client(), server_hostname="localhost")
    right.close()
    with pytest.raises(RuntimeError, match="start_tls"):
        right.start_tls(secure.certs.server(), server_side=True)


def test_what_cannot_be_right_is_named(secure: Secure) -> None:
    async def never_awaited() -> None:
        """Be called, and not run."""

    left, _ = secure.plain_pair(Recorder(), Recorder())
    with pytest.raises(TypeError, match=r"^on_done is .*, which is async"):
        left.start_tls(secure.certs.server(), server_side=True, on_done=never_awaited)
    with pytest.raises(TypeError, match=r"^context is True, it must be an ssl\.SSLContext$"):
        left.start_tls(True, server_side=True)


@pytest.mark.parametrize("hostname", [None, ".not a name"])
def test_a_start_tls_that_cannot_begin_raises_and_changes_nothing(secure: Secure, hostname: str | None) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.plain_pair(one, other)
    right.pause_reading()
    left.write(b"hello")
    turns(secure.loop)
    with pytest.raises(ValueError, match=r"server_hostname|idna"):
        left.start_tls(secure.certs.client(), server_hostname=hostname)
    left.write(b", still plain")
    right.resume_reading()
    turns(secure.loop)
    assert other.data == b"hello, still plain"


def test_a_handshake_in_the_middle_that_fails_is_told_by_connection_lost(secure: Secure) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = secure.plain_pair(one, other)
    right.start_tls(secure.certs.server("expired"), server_side=True, on_done=lambda: done.append("server"))
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("client"))
    left.write(b"never sent")
    turns(secure.loop)
    assert isinstance(one.lost, ssl.SSLCertVerificationError)
    assert isinstance(other.lost, ssl.SSLError)
    assert (other.data, done) == (b"", [])


def test_a_handshake_in_the_middle_has_its_time(secure: Secure, clock: ManualClock) -> None:
    one = Recorder()
    left, _ = secure.plain_pair(one, Recorder(), limits=Limits(handshake_timeout=3))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop)
    clock.advance(3)
    turns(secure.loop)
    assert "handshake_timeout" in str(one.lost)


def test_abort_inside_a_handshake_in_the_middle_is_an_end(secure: Secure) -> None:
    one, done = Recorder(), []
    left, _ = secure.plain_pair(one, Recorder())
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append(1))
    left.write(b"never sent")
    left.abort()
    turns(secure.loop)
    assert (one.calls, one.lost, done) == (["made", "lost"], None, [])


def test_close_inside_a_handshake_in_the_middle_still_sends_what_waits(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.plain_pair(one, other)
    right.start_tls(secure.certs.server(), server_side=True)
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"waits for the handshake")
    assert left.get_write_buffer_size() >= 23
    left.close()
    until(secure.loop, lambda: one.ended and other.ended)
    assert other.data == b"waits for the handshake"
    assert (one.lost, other.lost) == (None, None)


@pytest.mark.parametrize(("answer", "kind"), [(b"", ssl.SSLEOFError), (b"HTTP/1.1 400 Bad Request", ssl.SSLError)])
def test_a_close_that_waits_for_a_handshake_ends_when_none_can_come(
    secure: Secure, answer: bytes, kind: type[Exception]
) -> None:
    one = Recorder()
    left, right = secure.plain_pair(one, Recorder())
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"never sent")
    left.close()
    turns(secure.loop)
    assert not one.ended
    right.write(answer)
    right.close()
    turns(secure.loop)
    assert (one.calls, type(one.lost)) == (["made", "lost"], kind)


@pytest.mark.parametrize("answer", [b"", b"no TLS here"])
def test_what_was_written_before_a_handshake_that_fails_leaves_first(secure: Secure, answer: bytes) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.plain_pair(one, other, capacity=1000)
    left.write(b"go ahead" * 1000)
    left.start_tls(secure.certs.server(), server_side=True)
    left.write(b"never sent")
    right.write(answer) if answer else right.write_eof()
    until(secure.loop, lambda: one.ended)
    assert isinstance(one.lost, ssl.SSLError)
    turns(secure.loop)
    assert other.data[:8000] == b"go ahead" * 1000
    assert b"never sent" not in other.data


def test_on_done_does_not_come_after_close(secure: Secure) -> None:
    one, done = Recorder(), []
    left, right = secure.plain_pair(one, Recorder(), capacity=2000)
    left.write(bytes(5000))
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append(1))
    left.close()
    turns(secure.loop, 3)
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert done == []


def test_writes_that_wait_for_the_handshake_meet_the_high_water(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.plain_pair(one, other, limits=Limits(high_water=1000, low_water=100))
    right.pause_reading()  # or it would take the ClientHello for data
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 1)
    left.write(bytes(1500))
    assert one.calls == ["made", "pause"], "from inside write()"
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert one.calls == ["made", "pause", "resume"]


def test_writes_that_wait_for_the_handshake_meet_the_cap(secure: Secure) -> None:
    left, _ = secure.plain_pair(Recorder(), Recorder(), limits=Limits(max_write_buffer=5000, overflow="raise"))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 1)
    left.write(bytes(3000))
    with pytest.raises(WriteBufferFull):
        left.write(bytes(3000))
    assert left.get_write_buffer_size() == 3000


def test_a_frame_that_turned_out_to_be_a_handshake_is_not_waited_for(secure: Secure, clock: ManualClock) -> None:
    class Large(FrameRecorder):
        framing = Framing(max_frame_length=1 << 30)  # as large as a ClientHello's first bytes would have it

    server = Large()
    left, right = secure.plain_pair(Recorder(), server, limits=Limits(frame_timeout=5))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 2)
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert right.get_extra_info("cipher") is not None
    clock.advance(6)
    turns(secure.loop)
    assert server.lost is None
    left.write(Framing().encode(b"hello"))
    turns(secure.loop)
    assert server.messages == [b"hello"]


def test_an_exception_in_on_done_ends_that_connection(secure: Secure) -> None:
    reports: list[dict[str, Any]] = []
    secure.loop.set_exception_handler(lambda _, context: reports.append(context))

    def fail() -> None:
        raise ValueError("done")

    one = Recorder()
    left, right = secure.plain_pair(one, Recorder())
    right.start_tls(secure.certs.server(), server_side=True)
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=fail)
    turns(secure.loop)
    assert [str(each["exception"]) for each in reports] == ["done"]
    assert str(one.lost) == "done"


class Lacking:
    """An `sslobject_class` of the user's own, without `pending()`."""

    def __init__(self, inner: ssl.SSLObject) -> None:
        self.inner = inner

    @classmethod
    def _create(cls, *args: Any, **options: Any) -> Lacking:
        return cls(ssl.SSLObject._create(*args, **options))  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        if name in ("pending", "_sslobj"):
            raise AttributeError(name)
        return getattr(self.inner, name)


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_session_that_can_not_be_asked_ends_its_connection(
    secure: Secure, clock: ManualClock, twin: ModuleType, size: int
) -> None:
    reports: list[dict[str, Any]] = []
    secure.loop.set_exception_handler(lambda _, context: reports.append(context))
    context, server = secure.certs.server(), Recorder()
    context.sslobject_class = Lacking  # type: ignore[assignment]
    left, right = secure.plain_pair(Recorder(), server, limits=Limits(close_timeout=5))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    right.start_tls(context, server_side=True)
    right.write(bytes(size))
    left.write(b"hello")
    turns(secure.loop)
    clock.advance(6)
    until(secure.loop, lambda: server.ended)
    assert {type(each["exception"]) for each in reports} == {AttributeError}
    assert isinstance(server.lost, AttributeError)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_interrupt_where_a_handshake_ends_leaves_connections_that_end(
    secure: Secure, clock: ManualClock, twin: ModuleType, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    interrupts, one, other, client = [KeyboardInterrupt()], Recorder(), Recorder(), secure.certs.client()
    client.maximum_version = version
    left, right = secure.plain_pair(one, other, limits=Limits(handshake_timeout=5))
    admit_own, shake_hands = Connection.admit_own, Session.shake_hands
    complete: list[Session] = []

    def noted(session: Session) -> bool:
        if done := shake_hands(session):
            complete.append(session)
        return done

    def interrupted(self: Connection, size: int) -> bool:
        if complete and interrupts:
            raise interrupts.pop()
        return admit_own(self, size)

    monkeypatch.setattr(Session, "shake_hands", noted)
    monkeypatch.setattr(Connection, "admit_own", interrupted)
    left.start_tls(client, server_hostname="localhost")
    right.start_tls(secure.certs.server(), server_side=True)
    left.write(b"there")
    right.write(b"and back")
    with pytest.raises(KeyboardInterrupt):
        turns(secure.loop)
    left.close()
    right.close()
    turns(secure.loop)
    clock.advance(6)
    until(secure.loop, lambda: one.ended and other.ended)
