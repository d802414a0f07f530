"""The conformance suite: what a stream transport promises its protocol, in numbered sentences that are checked.

A maker connects two protocols, and yields the loop that runs both:

    @contextmanager
    def over_tcp(one, other, limits):
        with Reactor() as net:
            server = net.listen_tcp(lambda: other, "127.0.0.1", 0, limits=limits)
            net.connect_tcp(lambda: one, *server.addresses[0], limits=limits)
            yield net

    check_transport(over_tcp)

It needn't wait for the connection. The loop has a real clock. At the end the maker lets go of everything; both
connections have ended by then, unless a promise was broken.
"""

from __future__ import annotations

from collections.abc import Collection

from . import conformance_bytes, conformance_ends, conformance_flow, conformance_messages
from .conformance_stage import Maker, Promise, Stage, why

_THEMES = conformance_bytes, conformance_flow, conformance_ends, conformance_messages

PROMISES: dict[int, Promise] = {each.number: each for theme in _THEMES for each in theme.PROMISES}


def check_transport(maker: Maker, only: Collection[int] | None = None) -> None:
    """Check every promise, or those numbered in `only`. Raises AssertionError with the number and the sentence."""
    for number in PROMISES if only is None else only:
        promise = PROMISES[number]
        try:
            with Stage(maker) as stage:
                promise.check(stage)
        except Exception as exc:
            raise AssertionError(f"promise {number} is broken: {promise.sentence} {why(exc)}") from exc


__all__ = ["PROMISES", "Maker", "Promise", "check_transport"]
