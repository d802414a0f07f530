"""Run by test_memory.py in a process of its own: print what a connection takes while its peer doesn't read."""

from __future__ import annotations

import ctypes
import gc
import json
import ssl
import sys
from collections.abc import Callable
from typing import Any

from road.cast import Frames, frame
from road.openssl import key_updates
from road.roads import Road, SealedRoad

from reactor import Limits, Reactor, WriteBufferFull
from reactor.testing import ManualClock


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()  # noqa: SIM905
    ]


def used() -> int:
    """Return the bytes that are allocated in this process."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        print("this C library doesn't tell what is allocated")
        raise SystemExit(3) from None
    mallinfo.restype = _Mallinfo
    found = mallinfo()
    return int(found.uordblks + found.hblkhd)


def make_road(name: str, certificate: str) -> Road:
    clock = ManualClock()
    if name == "tcp":
        return Road(Reactor(clock=clock), clock)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(certificate)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return SealedRoad(Reactor(clock=clock), clock, server, client)


def by_send(ours: Any) -> None:
    ours.send(b"x")


def by_send_many(ours: Any) -> None:
    ours.send_many([b"x", b"y"])


def by_write(ours: Any) -> None:
    ours.transport.write(b"x")


def by_writelines(ours: Any) -> None:
    ours.transport.writelines([b"x", b"y", b"z"])


def fill(road: Road, cap: int, write: Callable[[Any], None]) -> tuple[int, int]:
    """Write small messages up to the cap; return what waits then, and what it takes."""
    ours = Frames()
    road.meet(ours, Limits(max_write_buffer=cap, overflow="raise"), narrow=True)
    road.clog(ours)
    gc.collect()
    before, waited = used(), ours.transport.get_write_buffer_size()
    try:
        while True:
            for _ in range(1_000):
                write(ours)
            road.reactor.run_once(0)
    except WriteBufferFull:
        pass
    found = ours.transport.get_write_buffer_size() - waited, used() - before
    ours.transport.abort()
    road.settle()
    return found


def flood(road: Road, cap: int) -> dict[str, int]:
    """Let a peer ask for new keys, again and again, and read none."""
    ours = Frames()
    peer: Any = road.meet(ours, Limits(max_write_buffer=cap, high_water=cap // 2, low_water=1024), narrow=True)
    peer.send(frame(b"hello"))
    road.settle()
    wishes = [key_updates(peer, 1_000) for _ in range(10)]
    gc.collect()
    before, waiting, grown = used(), 0, 0
    for wish in wishes:
        while wish and not ours.ended:
            try:
                taken = peer.try_put(wish)
            except ConnectionError:
                break
            wish = wish[taken:]
            road.settle(2)
            waiting = max(waiting, ours.transport.get_write_buffer_size())
            if not taken:
                break
        grown = max(grown, used() - before)
    return {"waiting": waiting, "grown": grown}


def main(what: str, road_name: str, certificate: str, cap: str, *ways: str) -> None:
    road = make_road(road_name, certificate)
    if what == "waiting":
        print(json.dumps({way: fill(road, int(cap), globals()[f"by_{way}"]) for way in ways}))
    else:
        print(json.dumps(flood(road, int(cap))))
    road.close()


main(*sys.argv[1:])
