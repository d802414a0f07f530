"""Delivery: each kind of protocol gets its bytes its way."""

from types import SimpleNamespace
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder
from reactor.transport.delivery import BufferDelivery, ByteDelivery, FrameDelivery, delivery_to

from reactor import EventLoop, Framing
from reactor.testing import memory_pair


class Buffered:
    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray()

    def buffer_updated(self, nbytes: int) -> None:
        """Never reached."""


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [(Recorder(), ByteDelivery), (FrameRecorder(), FrameDelivery), (Buffered(), BufferDelivery)],
)
def test_the_protocol_decides_the_delivery(loop: EventLoop, protocol: Any, kind: type) -> None:
    left, right = memory_pair(loop, Recorder(), Recorder())
    assert type(delivery_to(protocol, left)) is kind
    loop.run_once(0)
    left.close()
    right.close()
    loop.run_once(0)


def test_an_empty_buffer_is_an_error_not_a_spin() -> None:
    transport: Any = SimpleNamespace(is_reading=lambda: True)
    delivery = BufferDelivery(Buffered(), transport)
    with pytest.raises(RuntimeError, match="empty buffer"):
        delivery.put(memoryview(b"x"))


def test_only_a_large_body_is_read_into_its_own_place(loop: EventLoop) -> None:
    protocol = FrameRecorder()
    protocol.transport, other = memory_pair(loop, Recorder(), Recorder())
    loop.run_once(0)
    delivery = FrameDelivery(protocol)
    frame = Framing().encode(bytes(300_000))
    delivery.put(memoryview(frame[:1000]))
    assert delivery.own_buffer() is None, "too little of it has come to make room"
    delivery.put(memoryview(frame[1000:100_000]))
    taken = 100_000
    while (buffer := delivery.own_buffer()) is not None:
        piece = frame[taken : taken + len(buffer)]
        buffer[: len(piece)] = piece
        taken += len(piece)
        delivery.filled(len(piece))
    delivery.put(memoryview(frame[taken:])) if taken < len(frame) else None
    assert protocol.messages == [bytes(300_000)]
    assert not delivery.in_frame
    protocol.transport.close()
    other.close()
    loop.run_once(0)
