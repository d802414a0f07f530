"""A reactor inside asyncio's loop: calls both ways, timers, threads, signals, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from aio.test_adapt import LOOPS, Echo, run

from reactor import Framing, Reactor, aio


@pytest.fixture(params=LOOPS)
def loops(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def until(condition: Any) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came")


def test_both_sides_call_each_other(twin: Any, loops: str) -> None:
    async def main() -> None:
        loop, calls = asyncio.get_running_loop(), []
        with Reactor() as reactor, aio.attach(reactor):
            reactor.call_soon(lambda: (calls.append("ours"), loop.call_soon(calls.append, "theirs")))
            await until(lambda: calls == ["ours", "theirs"])
            server = reactor.listen_tcp(Echo, "127.0.0.1", 0)
            async with await aio.open_framed("127.0.0.1", server.addresses[0][1], Framing()) as stream:
                await stream.send(b"hi")
                assert await stream.receive() == b"hi"

    run(main, loops)


def test_timers_come_never_early_and_in_order(twin: Any, loops: str) -> None:
    async def main() -> None:
        calls: list[Any] = []
        with Reactor() as reactor, aio.attach(reactor):
            due = reactor.time() + 0.02
            reactor.call_at(due, lambda: calls.append(reactor.time() >= due))
            reactor.call_later(0.01, calls.append, "first")
            await until(lambda: len(calls) == 2)
        assert calls == ["first", True]

    run(main, loops)


def test_a_thread_and_a_signal_wake_it(twin: Any, loops: str) -> None:
    async def main() -> None:
        calls: list[str] = []
        with Reactor() as reactor, aio.attach(reactor):
            reactor.add_signal_handler(signal.SIGUSR1, calls.append, "signal")
            threading.Thread(target=reactor.call_soon_threadsafe, args=(calls.append, "thread")).start()
            await until(lambda: calls == ["thread"])
            os.kill(os.getpid(), signal.SIGUSR1)
            await until(lambda: calls == ["thread", "signal"])

    run(main, loops)


def test_it_is_asyncios_to_run(twin: Any) -> None:
    async def main() -> None:
        with Reactor() as reactor:
            with aio.attach(reactor):
                with pytest.raises(RuntimeError, match="detach"):
                    reactor.run()
                with pytest.raises(RuntimeError, match="runs already"):
                    aio.attach(reactor)
                with pytest.raises(RuntimeError, match="on another thread"):
                    await asyncio.to_thread(reactor.call_soon, print)
            reactor.stop()
            reactor.run()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main)


def test_detaching_leaves_nothing(twin: Any, loops: str) -> None:
    async def main() -> None:
        calls: list[str] = []
        with Reactor() as reactor:
            attached = aio.attach(reactor)
            reactor.call_later(0.01, calls.append, "due")
            attached.detach()
            attached.detach()
            await asyncio.sleep(0.03)
            assert calls == []
            reactor.run_once(0)
            assert calls == ["due"]
            attached = aio.attach(reactor)
            reactor.call_soon(calls.append, "again")
            await until(lambda: calls == ["due", "again"])
        assert reactor.is_closed()
        attached.detach()

    run(main, loops)


def test_a_selector_without_a_descriptor_is_refused() -> None:
    async def main() -> None:
        with Reactor(selectors.SelectSelector()) as reactor:
            with pytest.raises(ValueError, match="SelectSelector can't be watched by asyncio"):
                aio.attach(reactor)
            reactor.run_once(0)

    run(main)


def test_a_reactor_and_its_protocols_never_import_asyncio() -> None:

    program = (
        "import reactor, sys; assert 'asyncio' not in sys.modules; import reactor.aio; assert 'asyncio' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_reactor_that_was_left_attached_outlives_asyncios_loop(twin: Any, loops: str) -> None:
    calls: list[str] = []
    reactor = Reactor()

    async def main() -> None:
        aio.attach(reactor)
        reactor.call_soon(calls.append, "asyncio's turn")
        await until(lambda: calls == ["asyncio's turn"])

    run(main, loops)
    with reactor:
        reactor.call_soon(calls.append, "our own turn")
        reactor.run_once(0)
    assert calls == ["asyncio's turn", "our own turn"]
