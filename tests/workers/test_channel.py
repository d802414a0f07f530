"""Channel: messages both ways, whole and in order, and the other's end."""

from __future__ import annotations

import socket
from typing import Any

from helpers import run_until

from reactor import EventLoop, Reactor
from reactor.workers.channel import Channel


def pair(net: EventLoop) -> tuple[list[Any], Channel, Channel]:
    heard: list[Any] = []
    ours, theirs = socket.socketpair()
    one = Channel(net, ours, heard.append, lambda: heard.append("one is alone"))
    return heard, one, Channel(net, theirs, heard.append, lambda: heard.append("other is alone"))


def test_messages_come_whole_and_in_order(net: Reactor) -> None:
    heard, one, other = pair(net)
    messages = [{"n": n, "text": "two\nlines"} for n in range(100)]
    for message in messages:
        one.say(**message)
    run_until(net, lambda: len(heard) == 100)
    assert heard == messages
    other.say(back=True)
    run_until(net, lambda: len(heard) == 101)
    assert heard[-1] == {"back": True}
    one.close()
    other.close()


def test_the_end_is_told_once_behind_all_that_was_said(net: Reactor) -> None:
    heard, one, other = pair(net)
    one.say(last=True)
    one.close()
    one.close()
    other.say(too="late")
    run_until(net, lambda: len(heard) == 2)
    other.read()
    assert heard == [{"last": True}, "other is alone"]
