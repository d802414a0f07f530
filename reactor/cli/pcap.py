"""One TCP stream of a capture, as its two ends said it. Law: bytes come in the order of the stream, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain
from typing import Any, NamedTuple

from .failure import Failure

End = tuple[str, int]  # address and port

_SPACE = 1 << 32  # of sequence numbers


class Segment(NamedTuple):
    """What of a packet belongs to a stream."""

    source: End
    target: End
    sequence: int
    syn: bool
    ack: bool
    fin: bool
    data: bytes


def read_segments(path: str) -> Iterator[Segment]:
    """Yield the TCP segments of a pcap or pcapng file. Fails where scapy isn't installed, or the file is none."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it would warn of this machine's routes
    try:
        from scapy.error import Scapy_Exception
        from scapy.layers import inet, inet6, l2  # noqa: F401 - by being imported they are known to the reader
        from scapy.utils import PcapReader
    except ImportError:
        raise Failure("--pcap reads captures with scapy, which isn't installed: pip install scapy") from None
    try:
        with open(path, "rb") as file, PcapReader(file) as packets:
            for packet in packets:
                if inet.TCP in packet:
                    yield _segment(packet[inet.TCP], (inet.IP, inet6.IPv6))
    except Scapy_Exception as exc:
        raise Failure(f"{path} is no capture: {exc}") from None


def _segment(tcp: Any, addressed: Any) -> Segment:
    data = bytes(tcp.original[4 * tcp.dataofs :])  # as captured: scapy may know a protocol for that port
    ends: Any = tcp.underlayer
    while not isinstance(ends, addressed):  # IPv6 may put headers of its own between
        ends = ends.underlayer
    syn, ack, fin = (bool(tcp.flags & bit) for bit in (2, 16, 1))
    return Segment((ends.src, tcp.sport), (ends.dst, tcp.dport), tcp.seq, syn, ack, fin, data)


def nth_stream(segments: Iterator[Segment], number: int) -> Iterator[Segment]:
    """Yield the segments of one stream, counted from 0 as they begin. A new SYN between the same ends is a new one."""
    numbers: dict[frozenset[End], int] = {}
    opened: dict[frozenset[End], int] = {}
    count = 0
    for each in segments:
        ends = frozenset((each.source, each.target))
        opens = each.syn and not each.ack
        if ends not in numbers or (opens and opened.get(ends) != each.sequence):
            numbers[ends], count = count, count + 1
        if opens:
            opened[ends] = each.sequence
        if numbers[ends] == number:
            yield each
    if number >= count:
        raise Failure(f"there is no TCP stream {number}: the capture has {count}, counted from 0")


class Order:
    """Puts the segments of one direction in order."""

    def __init__(self) -> None:
        self.done = 0  # bytes that are in order
        self.ended = False  # whether its end was captured
        self._base: int | None = None  # the sequence number of the first
        self._early: list[tuple[int, bytes]] = []  # what came before its turn, by its place in the stream

    def take(self, segment: Segment) -> bytes:
        """Return what is now in order and was not before."""
        self.ended |= segment.fin
        if not segment.data and not segment.syn:
            return b""  # a reset may say any number
        first = segment.sequence + segment.syn  # a SYN counts as a byte
        if self._base is None:
            self._base = first
        ahead = (first - self._base - self.done + _SPACE // 2) % _SPACE - _SPACE // 2
        heappush(self._early, (self.done + ahead, segment.data))
        ready = b""
        while self._early and self._early[0][0] <= self.done:
            at, data = heappop(self._early)
            fresh = data[self.done - at :]
            self.done += len(fresh)
            ready += fresh
        return ready

    @property
    def missing(self) -> int:
        """How many bytes the capture lacks before it goes on; 0 if it lacks none."""
        return self._early[0][0] - self.done if self._early else 0


class Conversation:
    """What both ends of a stream said, as the capture has it."""

    def __init__(self, segments: Iterator[Segment]) -> None:
        first = next(segments)
        self._segments = chain([first], segments)
        answers = first.syn and first.ack  # what it answers came before the capture
        self.opener = first.target if answers else first.source
        self.answerer = first.source if answers else first.target
        self.orders = Order(), Order()  # of the opener, of the other

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield 0 for the opener or 1 for the other, with what it said."""
        for each in self._segments:
            side = int(each.source != self.opener)
            if data := self.orders[side].take(each):
                yield side, data
