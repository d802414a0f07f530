"""Streams of messages: await, cancel, close, and who is told what."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aio.test_adapt import LOOPS, run

from reactor import FramedProtocol, FrameTooLarge, FrameTruncated, Framing, aio
from reactor.aio import FramedStream


@pytest.fixture(params=LOOPS)
def loops(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def echo(stream: FramedStream) -> None:
    async for message in stream:
        await stream.send(message)


@asynccontextmanager
async def served(handler: Any, framing: Framing | None = None) -> Any:
    """A server and a stream to it."""
    framing = framing or Framing()
    server = await aio.serve_framed(handler, "127.0.0.1", 0, framing)
    host, port = server.sockets[0].getsockname()
    try:
        async with await aio.open_framed(host, port, framing) as stream:
            yield stream
    finally:
        server.close()
        await asyncio.sleep(0.01)


def test_messages_are_awaited(twin: Any, loops: str) -> None:
    async def main() -> None:
        async with served(echo) as stream:
            await stream.send(b"one")
            await stream.send_many([b"", b"x" * 300_000])
            assert [await stream.receive() for _ in range(3)] == [b"one", b"", b"x" * 300_000]
            assert stream.peername[0] == "127.0.0.1"

    run(main, loops)


def test_a_receive_that_is_cancelled_leaves_its_message(twin: Any, loops: str) -> None:
    async def main() -> None:
        async with served(echo) as stream:
            for number in range(50):
                waiting = asyncio.ensure_future(stream.receive())
                await asyncio.sleep(0)
                await stream.send(b"%d" % number)
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                waiting.cancel()
                got = (await asyncio.gather(waiting, return_exceptions=True))[0]
                message = got if isinstance(got, bytes) else await stream.receive()
                assert message == b"%d" % number

    run(main, loops)


def take_little(stream: FramedStream) -> None:
    """Have the kernel keep little of what wasn't read."""
    sock = stream.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)


def test_a_sender_waits_for_a_slow_receiver(twin: Any, loops: str) -> None:
    total = 4_000  # messages; reading pauses at 1,024 that nobody has taken

    async def main() -> None:
        gate = asyncio.Event()
        received: list[int] = []

        async def slow(stream: FramedStream) -> None:
            take_little(stream)
            await gate.wait()
            received.extend([len(message) async for message in stream])

        async with served(slow) as stream:
            take_little(stream)
            sent = 0

            async def send_all() -> None:
                nonlocal sent
                for _ in range(total):
                    await stream.send(bytes(1024))
                    sent += 1

            sending = asyncio.ensure_future(send_all())
            await asyncio.sleep(0.05)
            assert sent < total
            gate.set()
            await sending
        while len(received) < total:
            await asyncio.sleep(0.001)

    run(main, loops)


def test_a_clean_end_ends_the_loop_and_a_receive_tells_it(twin: Any, loops: str) -> None:
    async def one(stream: FramedStream) -> None:
        await stream.send(b"bye")

    async def main() -> None:
        async with served(one) as stream:
            assert [message async for message in stream] == [b"bye"]
            with pytest.raises(EOFError, match="no more messages"):
                await stream.receive()
            with pytest.raises(ConnectionResetError, match="nothing can be sent"):
                await stream.send(b"x")

    run(main, loops)


def test_the_cause_of_an_end_is_raised_behind_the_last_message(twin: Any, loops: str) -> None:
    async def main() -> None:
        async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\0\0\0\1a\0\0\0\5b")
            writer.close()

        server = await asyncio.start_server(broken, "127.0.0.1", 0)
        stream = await aio.open_framed(*server.sockets[0].getsockname(), Framing())
        assert await stream.receive() == b"a"
        with pytest.raises(FrameTruncated):
            await stream.receive()
        await stream.aclose()
        server.close()
        await asyncio.sleep(0.01)

    run(main, loops)


def test_a_message_that_is_too_large_is_refused_alone(twin: Any) -> None:
    async def main() -> None:
        async with served(echo, Framing(max_frame_length=3)) as stream:
            with pytest.raises(FrameTooLarge):
                await stream.send(b"1234")
            await stream.send(b"123")
            assert await stream.receive() == b"123"

    run(main)


def test_what_a_handler_raises_is_reported_and_ends_its_connection() -> None:
    async def main() -> list[Any]:
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

        async def faulty(stream: FramedStream) -> None:
            raise LookupError(await stream.receive())

        async with served(faulty) as stream:
            await stream.send(b"x")
            with pytest.raises(EOFError):
                await stream.receive()
        return told

    assert [type(each) for each in run(main)] == [LookupError]


def test_two_tasks_cant_receive_at_once() -> None:
    async def main() -> None:
        async with served(echo) as stream:
            first = asyncio.ensure_future(stream.receive())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task receives"):
                await stream.receive()
            await stream.send(b"x")
            assert await first == b"x"

    run(main)


def test_nothing_is_sent_into_a_transport_that_asyncio_has_given_up(twin: Any, loops: str) -> None:
    async def main() -> None:
        server = await aio.serve_framed(echo, "127.0.0.1", 0, Framing())
        make = aio.adapt(lambda: FramedStream(Framing()))
        address = server.sockets[0].getsockname()
        transport, adapter = await asyncio.get_running_loop().create_connection(make, *address)
        transport.abort()  # so it stands once asyncio has met a reset, until its next iteration tells
        with pytest.raises(BrokenPipeError):
            await adapter.protocol.send(bytes(100_000))
        with pytest.raises(BrokenPipeError):
            await adapter.protocol.send(b"x")
        await adapter.protocol.aclose()
        server.close()
        await asyncio.sleep(0.01)

    run(main, loops)


async def opened(framing: Any) -> None:
    await aio.open_framed("127.0.0.1", 1, framing)


async def served_by(handler: Any, framing: Any) -> None:
    await aio.serve_framed(handler, "127.0.0.1", 0, framing)


async def adapted(limits: Any) -> None:
    aio.adapt(FramedProtocol, limits=limits)


async def attached(reactor: Any) -> None:
    aio.attach(reactor)


@pytest.mark.parametrize(
    ("use", "given", "said"),
    [
        (opened, (Framing,), "framing is <class .*, it must be a Framing such as"),
        (served_by, (echo, None), "framing is None, it must be a Framing such as"),
        (served_by, ("echo", Framing()), "handler is 'echo', it must be callable"),
        (adapted, ({},), "limits is {}, it must be a Limits"),
        (attached, (5,), r"reactor is 5, it must be a Reactor\(\)"),
    ],
)
def test_a_mistake_is_named_where_it_is_made(use: Any, given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        asyncio.run(use(*given))
