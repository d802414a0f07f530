"""A program of somebody's that goes through the doors for streams: type checkers take it as it is."""

from __future__ import annotations

import signal
import ssl
from concurrent.futures import Future

from reactor import (
    Backoff,
    Connection,
    ConnectionTimeout,
    Connector,
    Decoder,
    Drained,
    EventLoop,
    FramedProtocol,
    Framing,
    FramingError,
    Handle,
    Limits,
    Piece,
    Protocol,
    Reactor,
    Server,
    Timer,
    Transport,
    presets,
)


class Jobs(FramedProtocol):
    framing = Framing(2, "little", max_frame_length=1000, oversize="stream")

    def connection_made(self, transport: Transport) -> None:
        transport.set_write_buffer_limits(high=1 << 16, low=0)
        self.hold = transport.hold()

    def messages_received(self, messages: list[bytes]) -> None:
        self.send_many(messages[:-1])
        self.send(memoryview(messages[-1]), prefix=b"")
        self.framing = Framing.varint(max_frame_length=10)

    def piece_received(self, piece: Piece) -> None:
        print(piece.offset + len(piece), piece.length, piece.last)

    def framing_failed(self, exc: FramingError) -> None:
        self.send(f"{exc.length} is over {exc.limit} at {exc.stream_offset}".encode())

    def eof_received(self) -> bool:
        self.hold.release()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        print("timeout" if isinstance(exc, ConnectionTimeout) else exc)


class Lines(Protocol):
    def data_received(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > self.transport.get_write_buffer_limits()[1]:
            self.transport.pause_reading()
        self.transport.start_tls(CONTEXT, server_side=True, initial=data, on_done=lambda: None)
        self.transport.set_protocol(Jobs(), initial=b"")
        self.transport.close(timeout=1.5)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport.abort()


def refused(exc: OSError) -> None:
    print(exc.errno)


def resolved(future: Future[int]) -> None:
    print(future.result() + 1)


def drained(how: Drained) -> None:
    print(how.closed, how.aborted)


CONTEXT = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
with Reactor() as loop:
    server: Server = loop.listen_tcp(Jobs, "::1", 0, tls=CONTEXT, limits=Limits(read_timeout=60, overflow="drop"))
    host, port = server.addresses[0][:2]
    loop.listen_unix(lambda: Lines(), "@name", backlog=5).close()
    dialling: Connector = loop.connect_tcp(Jobs, host, port, on_failure=refused, retry=Backoff(attempts=3))
    loop.connect_unix(Lines, "/tmp/socket", on_failure=lambda exc: print(exc))
    every: Timer = loop.call_every(0.5, print, "half a second")
    soon: Handle = loop.call_soon(every.cancel)
    loop.add_signal_handler(signal.SIGTERM, loop.drain, 5, drained)
    loop.run_in_thread(pow, 2, 3, on_done=lambda future: resolved(future))
    loop.set_exception_handler(lambda which, context: print(which.time(), context["message"]))
    print(loop.stats()["turns"], presets, isinstance(dialling, Connection), EventLoop)
    server.drain(5, on_done=drained)
    loop.run()

decoder: Decoder = presets.kafka().decoder()
frames: list[bytes] = decoder.feed(presets.kafka().encode(b"body")) + decoder.feed(bytearray(b"more"))
print(decoder.error, decoder.buffered + decoder.wanted, len(frames), decoder.detach()[:1])
