"""reactor's protocols under asyncio: adapted, and as streams."""

from __future__ import annotations

import asyncio
from typing import Any

from reactor_side import PROTOCOLS as OURS

from reactor import Framing, aio

_tasks: set[asyncio.Task[None]] = set()


async def echo(stream: aio.FramedStream) -> None:
    """Send back each message."""
    async for message in stream:
        await stream.send(message)


def begin(stream: aio.FramedStream) -> None:
    task = asyncio.get_running_loop().create_task(echo(stream))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


PROTOCOLS: dict[str, Any] = {name: aio.adapt(kind) for name, kind in OURS.items()}
PROTOCOLS["streams"] = aio.adapt(lambda: aio.FramedStream(Framing(), begin))
