"""Context variables: callbacks run in the context that run() was called in, and who wants one of his own has it."""

from __future__ import annotations

import contextvars
from typing import Any

from road.cast import Frames, frame
from road.roads import Road

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def test_what_one_connection_sets_is_seen_in_anothers_callbacks_and_in_timers(road: Road) -> None:
    seen: list[str] = []
    first = Frames(message=lambda self, message: user.set(message.decode()))
    second = Frames(message=lambda self, message: seen.append(user.get()))
    one, other = road.meet(first), road.meet(second)

    def talk() -> None:
        one.send(frame(b"alice"))
        road.until(lambda: first.messages)
        other.send(frame(b"who?"))
        road.until(lambda: second.messages)
        for call in (road.reactor.call_soon, lambda each: road.reactor.call_later(0, each)):
            call(lambda: seen.append(user.get()))
        road.until(lambda: len(seen) == 3)

    contextvars.copy_context().run(talk)
    assert seen == ["alice"] * 3
    assert user.get() == "nobody", "the turns were made in another context"


class OwnContext(Frames):
    """Has a context of its own, as docs/design.md tells how."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.context = contextvars.copy_context()
        self.seen: list[str] = []

    def message_received(self, message: bytes) -> None:
        self.context.run(self.handle, message)
        super().message_received(message)

    def handle(self, message: bytes) -> None:
        self.seen.append(user.get())
        user.set(message.decode())


def test_a_connection_that_wants_a_context_of_its_own_has_it(road: Road) -> None:
    both = [OwnContext(), OwnContext()]
    peers = [road.meet(each) for each in both]
    for name in (b"alice", b"bob"):
        for ours, peer in zip(both, peers, strict=True):
            peer.send(frame(name))
            road.until(lambda ours=ours, name=name: name in ours.messages)
    assert [each.seen for each in both] == [["nobody", "alice"]] * 2
    assert user.get() == "nobody"
