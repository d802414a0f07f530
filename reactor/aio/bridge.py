"""Bridge: asyncio's transport as a socket, and the selector that knows such sockets. Law: no policy, no descriptor.

A `Connection` can't tell a `Bridge` from a real socket. What asyncio has read comes by `Stream.received()`; the rest
comes by readiness, as from a kernel: there is room to write while asyncio's own buffer is empty, and an end or an error
is there to be read.
"""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..transport import _stream
from ..transport.buffers import MOST_GIVEN

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_RESET = struct.pack("ii", 1, 0)
_NAMES = ("sockname", "socket", "ssl_object", "sslcontext", "peercert", "cipher", "compression")


class Bridge:
    """One asyncio transport, with the methods of a socket that a `Connection` calls."""

    family = 0

    def __init__(
        self, transport: Any, selector: BridgeSelector, later: Callable[..., Any], patience: float | None
    ) -> None:
        self.transport = transport
        self._selector = selector
        self._later = later
        self._patience = patience  # seconds for what asyncio still has when we close
        self._outlet = outlet = _stream.Outlet(transport)
        self.send = outlet.send
        self._bound: Any = None  # the timer of a close
        self.failure: OSError | None = None
        self.reset = False
        # To be told when it has two bytes, and when it hasn't any more: asyncio's TLS takes none for too many, too.
        transport.set_write_buffer_limits(high=1, low=0)

    @property
    def gone(self) -> bool:
        """Whether asyncio's transport is closed."""
        return self._outlet.gone

    def facts(self) -> dict[str, Any]:
        """Return what asyncio knows of the connection, TLS too."""
        known = {name: self.transport.get_extra_info(name) for name in _NAMES}
        return {name: value for name, value in known.items() if value is not None}

    def fileno(self) -> int:
        """No descriptor: asyncio has it."""
        return -1

    def getsockname(self) -> Any:
        return self.transport.get_extra_info("sockname")

    def getsockopt(self, level: int, option: int) -> int:
        return 0

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Lingering for no time makes the close a reset; the rest is for the socket."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.reset = value == _RESET
        elif (sock := self.transport.get_extra_info("socket")) is not None:
            sock.setsockopt(level, option, value)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Tell the end, or how the connection failed; bytes come by another way."""
        if self.failure is not None:
            failure, self.failure, self._outlet.ended = self.failure, None, True
            try:
                raise failure
            finally:
                del failure  # or its frame would know it, as it knows its frame
        if not self._outlet.ended:
            raise _error(errno.EAGAIN)
        return 0

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview], ancdata: Any = (), flags: int = 0) -> int:
        joined = bytearray()
        for chunk in buffers:
            joined += memoryview(chunk)[: MOST_GIVEN - len(joined)]
        return self.send(bytes(joined))

    def can_end_alone(self) -> bool:
        """Whether one side can end: not under TLS."""
        return not self.gone and bool(self.transport.can_write_eof())

    def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD and not self.gone and self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> Any:
        """Let asyncio send what it has, in a bounded time; or reset."""
        if self.gone:
            return self.transport.close()  # or 3.10's TLS warns that nobody has
        sock = self.transport.get_extra_info("socket")
        if self.reset:
            with suppress(OSError, AttributeError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return self.abort()
        sealed = self.transport.get_extra_info("ssl_object") is not None  # 3.10's waits for the peer's goodbye for ever
        if self._patience is not None and (sealed or self._outlet.size()):
            self._bound = self._later(self._patience, self.abort)
        return self.transport.close()

    def abort(self) -> None:
        """End asyncio's transport now. 3.10's TLS takes none for closed that wasn't told to."""
        self.transport.abort()
        self.transport.close()

    # --- what asyncio tells

    def room(self, full: bool) -> None:
        """Note whether asyncio's buffer has anything."""
        self._outlet.full = full
        self._selector.changed(self)

    def closed(self, failure: Exception | None) -> None:
        """Note that asyncio's transport is no more."""
        self._outlet.gone, self._outlet.full = True, False
        if self._bound is not None:
            self._bound.cancel()
        self.end(failure)

    def end(self, failure: Exception | None = None) -> None:
        """Note that nothing more comes."""
        if isinstance(failure, OSError):
            self.failure = failure
        elif failure is not None:  # TLS has something to say
            self.failure = OSError(errno.ECONNABORTED, str(failure))
        self._outlet.ended = self._outlet.ended or self.failure is None
        self._selector.changed(self)

    def readiness(self) -> int:
        outlet = self._outlet
        readable = outlet.ended or self.failure is not None
        return (_READ if readable else 0) | (_WRITE if outlet.left() < outlet.given or not outlet.full else 0)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class BridgeSelector(selectors.BaseSelector):
    """Knows when bridges are ready. Interest in reading lets asyncio read; `ring` is called when somebody is ready."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._changed: dict[Bridge, None] = {}  # who may be ready
        self._stuck: dict[Bridge, None] = {}  # who waits for room, and has it bit by bit before asyncio tells

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if fileobj in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, id(fileobj), events, data)
        if isinstance(fileobj, Bridge):
            self._read(fileobj, 0, events)
            self.changed(fileobj)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(fileobj)
        self._changed.pop(fileobj, None)
        if isinstance(fileobj, Bridge):
            self._read(fileobj, key.events, 0)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        before = self._keys[fileobj]
        key = self._keys[fileobj] = before._replace(events=events, data=data)
        self._read(fileobj, before.events, events)
        self.changed(fileobj)
        return key

    def _read(self, bridge: Bridge, before: int, events: int) -> None:
        """Let asyncio read, or not; know who waits for room."""
        if events & _WRITE:
            self._stuck[bridge] = None
        else:
            self._stuck.pop(bridge, None)
        if (before ^ events) & _READ and not bridge.gone:
            with suppress(RuntimeError, AttributeError):  # it is closing; 3.10's TLS may have nothing below it any more
                (bridge.transport.resume_reading if events & _READ else bridge.transport.pause_reading)()

    def changed(self, bridge: Bridge) -> None:
        """Look at it in the next turn, if anybody waits for it."""
        key = self._keys.get(bridge)
        if key is not None and bridge.readiness() & key.events:
            self._changed[bridge] = None
            self._ring()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = []
        for bridge in list({**self._changed, **self._stuck}):
            mask = bridge.readiness() & self._keys[bridge].events
            if mask:
                ready.append((self._keys[bridge], mask))
            else:
                self._changed.pop(bridge, None)
        if ready:
            self._ring()  # who is ready still, behind this turn, tells nobody
        return ready

    def fileno(self) -> int:
        """Nothing for asyncio to watch: it tells us."""
        return -1

    def close(self) -> None:
        self._keys.clear()
        self._changed.clear()
        self._stuck.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class Bell:
    """A waker without a descriptor: a byte more in asyncio's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], object]) -> None:
        self._loop, self._turn = loop, turn
        self.rung = False
        self.rings = 0
        self.pass_on: Callable[[bytes], object] | None = None

    def fileno(self) -> int:
        return -1

    def wake(self) -> None:
        """Have a turn made. Any thread."""
        if not self.rung:
            self.rung = True
            self.rings += 1
            self._loop.call_soon_threadsafe(self._turn)

    def drain(self) -> None:
        self.rung = False

    def abandon(self) -> None:
        self.rung = True

    def close(self) -> None:
        self.rung = True
