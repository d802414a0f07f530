"""Another program of somebody's: datagrams, pipes, connections that come back, asyncio, and what its tests use."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

from reactor import (
    Backoff,
    DatagramEndpoint,
    DatagramProtocol,
    DatagramTransport,
    FramedProtocol,
    FrameTruncated,
    Framing,
    Limits,
    Protocol,
    Reactor,
    ReactorError,
    WriteBufferFull,
    aio,
)
from reactor.framing import Encoder
from reactor.testing import ManualClock, MemorySelector, check_transport, cuts, memory_pair


class Clock(DatagramProtocol):
    def connection_made(self, transport: DatagramTransport) -> None:
        transport.join_group("224.0.0.251", interface="127.0.0.1", source=None)
        transport.set_multicast(ttl=1, loop=False)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(memoryview(data), addr)

    def error_received(self, exc: Exception) -> None:
        self.transport.close()


class Numbered(FramedProtocol):
    def __init__(self, limit: int) -> None:
        self.framing = Framing.custom(read_header, write_header, max_header_length=2, max_frame_length=limit)

    def message_received(self, message: bytes) -> None:
        print(self.decoder.header, message)
        self.transport.set_read_timeout(None)
        self.transport.write(self.framing.header(3) + b"abc")
        self.framing = Framing.delimited(b"\r\n", keep=True)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, (FrameTruncated, WriteBufferFull, ReactorError)):
            print(exc)


def read_header(head: bytes) -> tuple[int, int] | None:
    return (2, head[1]) if len(head) > 1 else None


def write_header(size: int, prefix: bytes) -> bytes:
    return prefix + bytes([0, size])


async def talk(stream: aio.FramedStream) -> None:
    async for message in stream:
        await stream.send(message)
    await stream.send_many([b"one", bytearray(b"two")])
    print(stream.peername, len(await stream.receive()))


async def under_asyncio(reactor: Reactor, context: ssl.SSLContext) -> None:
    framing = Framing.fixed(5)
    server: asyncio.Server = await aio.serve_framed(talk, "::1", 0, framing, limits=Limits(), tls=context)
    async with await aio.open_framed("::1", 9000, framing, tls=context, server_hostname="localhost") as stream:
        await stream.aclose()
    await asyncio.get_running_loop().create_server(aio.adapt(Protocol, limits=Limits(idle_timeout=5)), "::1", 0)
    with aio.attach(reactor) as attached:
        attached.detach()
    server.close()


with Reactor(MemorySelector(), ManualClock()) as net:
    here: DatagramEndpoint = net.bind_udp(Clock, None, 0, broadcast=True, reuse_port=True)
    there = net.connect_udp(Clock, "localhost", 9000, on_failure=lambda exc: print(exc))
    there.sendto(b"data")
    net.connect_pipe(lambda: Numbered(100), sys.stdin, sys.stdout.fileno()).close()
    dialling = net.connect_tcp(Protocol, "::1", 9000, reconnect=Backoff(), local_addr=("::1", 0))
    dialling.close()
    net.report_stalls(after=0.5)
    net.add_reader(0, print, "ready")
    net.remove_reader(0)
    encoder: Encoder = Encoder(Framing())
    ours, theirs = memory_pair(net, Protocol(), Numbered(5))
    print(here.get_extra_info("sockname"), list(cuts(b"stream", seed=1)), encoder, ours, theirs, check_transport)
