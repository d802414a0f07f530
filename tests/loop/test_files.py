"""Files: readers and writers of the user's, and events for what is gone."""

import os
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from reactor import EventLoop

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def loop(each_selectors_loop: EventLoop) -> EventLoop:
    return each_selectors_loop


def until_it_blocks(call: Callable[[], object]) -> None:
    with suppress(BlockingIOError):
        while True:
            call()


# --- readers and writers


def test_a_reader_is_called_when_there_is_something_to_read(loop: EventLoop, pair: Pair) -> None:
    calls: list[bytes] = []
    loop.add_reader(pair[0], lambda: calls.append(pair[0].recv(100)))
    loop.run_once(0)
    assert calls == []
    pair[1].send(b"hello")
    loop.run_once(0)
    assert calls == [b"hello"]
    loop.run_once(0)
    assert calls == [b"hello"]


def test_a_reader_is_called_in_each_turn_until_all_is_read(loop: EventLoop, pair: Pair) -> None:
    calls: list[bytes] = []
    loop.add_reader(pair[0], lambda: calls.append(pair[0].recv(1)))
    pair[1].send(b"abc")
    for _ in range(5):
        loop.run_once(0)
    assert calls == [b"a", b"b", b"c"]


def test_a_reader_is_called_for_the_end_of_the_stream(loop: EventLoop, pair: Pair) -> None:
    calls: list[bytes] = []
    loop.add_reader(pair[0], lambda: calls.append(pair[0].recv(100)))
    pair[1].close()
    loop.run_once(0)
    assert calls == [b""]


def test_a_writer_is_called_while_there_is_room(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    loop.add_writer(pair[0], calls.append, "room")
    loop.run_once(0)
    loop.run_once(0)
    assert calls == ["room", "room"]


def test_a_writer_isnt_called_while_there_is_no_room(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    until_it_blocks(lambda: pair[0].send(bytes(65536)))
    loop.add_writer(pair[0], calls.append, "room")
    loop.run_once(0)
    assert calls == []
    until_it_blocks(lambda: pair[1].recv(65536))
    loop.run_once(0)
    assert calls == ["room"]


def test_callbacks_get_their_arguments_each_time(loop: EventLoop, pair: Pair) -> None:
    calls: list[tuple[object, ...]] = []
    loop.add_reader(pair[0], lambda *args: calls.append(args), 1, "two")
    pair[1].send(b"unread")
    loop.run_once(0)
    loop.run_once(0)
    assert calls == [(1, "two"), (1, "two")]


def test_the_reader_of_a_file_is_called_before_its_writer(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    loop.add_writer(pair[0], calls.append, "write")
    loop.add_reader(pair[0], calls.append, "read")
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["read", "write"]


@pytest.mark.parametrize("way", ["add_reader", "add_writer"])
def test_a_second_callback_replaces_the_first(loop: EventLoop, pair: Pair, way: str) -> None:
    calls: list[str] = []
    getattr(loop, way)(pair[0], calls.append, "first")
    getattr(loop, way)(pair[0], calls.append, "second")
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["second"]


@pytest.mark.parametrize("way", ["reader", "writer"])
def test_removing_tells_whether_there_was_a_callback(loop: EventLoop, pair: Pair, way: str) -> None:
    add, remove = getattr(loop, f"add_{way}"), getattr(loop, f"remove_{way}")
    assert remove(pair[0]) is False
    add(pair[0], print)
    assert remove(pair[0]) is True
    assert remove(pair[0]) is False


def test_what_was_removed_isnt_called(loop: EventLoop, pair: Pair) -> None:
    loop.add_reader(pair[0], pytest.fail, "removed reader called")
    loop.add_writer(pair[0], pytest.fail, "removed writer called")
    pair[1].send(b"x")
    loop.remove_reader(pair[0])
    loop.remove_writer(pair[0])
    loop.run_once(0)
    assert loop.stats()["watched"] == 0


@pytest.mark.parametrize("removed", ["reader", "writer"])
def test_reader_and_writer_of_a_file_are_removed_one_by_one(loop: EventLoop, pair: Pair, removed: str) -> None:
    calls: list[str] = []
    loop.add_reader(pair[0], calls.append, "reader")
    loop.add_writer(pair[0], calls.append, "writer")
    pair[1].send(b"x")
    assert getattr(loop, f"remove_{removed}")(pair[0]) is True
    loop.run_once(0)
    assert calls == [{"reader": "writer", "writer": "reader"}[removed]]
    assert loop.stats()["watched"] == 1


def test_a_number_and_an_object_with_that_number_are_the_same_file(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    loop.add_reader(pair[0], calls.append, "reader")
    loop.add_writer(pair[0].fileno(), calls.append, "writer")
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["reader", "writer"]
    assert loop.remove_reader(pair[0].fileno()) is True
    assert loop.remove_writer(pair[0]) is True
    assert loop.stats()["watched"] == 0


def test_a_reader_can_be_added_again_after_it_was_removed(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    loop.add_reader(pair[0], calls.append, "first")
    loop.remove_reader(pair[0])
    loop.add_reader(pair[0], calls.append, "second")
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["second"]


@pytest.mark.parametrize("way", ["add_reader", "add_writer"])
def test_what_cant_be_called_is_refused_and_not_registered(loop: EventLoop, pair: Pair, way: str) -> None:
    with pytest.raises(TypeError):
        getattr(loop, way)(pair[0], "not callable")
    assert loop.stats()["watched"] == 0


@pytest.mark.parametrize("way", ["add_reader", "add_writer"])
def test_what_is_no_file_is_refused_and_not_registered(loop: EventLoop, way: str) -> None:
    closed = socket.socket()
    closed.close()
    for wrong in (-1, closed, "name", None):
        with pytest.raises((ValueError, TypeError)):
            getattr(loop, way)(wrong, print)
    assert loop.stats()["watched"] == 0


def test_reading_and_writing_of_one_file_count_as_one_watched(loop: EventLoop, pair: Pair) -> None:
    loop.add_reader(pair[0], print)
    loop.add_writer(pair[0], print)
    loop.add_reader(pair[1], print)
    assert loop.stats()["watched"] == 2


def test_a_reader_that_always_raises_doesnt_starve_the_writer_of_its_file(
    loop: EventLoop, pair: Pair, reports: list[dict[str, Any]]
) -> None:
    calls: list[str] = []

    def fail() -> None:
        raise ValueError("reader")

    loop.add_reader(pair[0], fail)
    loop.add_writer(pair[0], calls.append, "writer")
    pair[1].send(b"unread")
    for _ in range(3):
        loop.run_once(0)
    assert reports
    assert calls


# --- events for what is gone


def test_an_event_for_a_reader_removed_earlier_in_the_turn_is_dropped(
    loop: EventLoop, pair: Pair, other_pair: Pair
) -> None:
    calls: list[socket.socket] = []
    both = (pair[0], other_pair[0])

    def remove_the_other(mine: socket.socket, other: socket.socket) -> None:
        calls.append(mine)
        assert loop.remove_reader(other) is True

    for mine, other in (both, both[::-1]):
        loop.add_reader(mine, remove_the_other, mine, other)
    pair[1].send(b"x")
    other_pair[1].send(b"x")
    loop.run_once(0)
    assert len(calls) == 1


def test_an_event_for_a_writer_removed_by_the_reader_of_its_file_is_dropped(loop: EventLoop, pair: Pair) -> None:
    loop.add_reader(pair[0], loop.remove_writer, pair[0])
    loop.add_writer(pair[0], pytest.fail, "removed writer called")
    pair[1].send(b"x")
    loop.run_once(0)
    assert loop.remove_writer(pair[0]) is False


def test_a_writer_added_by_the_reader_of_its_file_waits_for_its_own_event(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []

    def read() -> None:
        pair[0].recv(100)
        loop.add_writer(pair[0], calls.append, "writer")

    loop.add_reader(pair[0], read)
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == []
    loop.run_once(0)
    assert calls == ["writer"]


def test_a_reader_removed_and_added_again_in_a_turn_waits_for_a_new_event(
    loop: EventLoop, pair: Pair, other_pair: Pair
) -> None:
    calls: list[str] = []

    def renew(mine: socket.socket, other: socket.socket) -> None:
        calls.append("old")
        mine.recv(1)
        loop.remove_reader(other)
        loop.add_reader(other, calls.append, "new")

    loop.add_reader(pair[0], renew, pair[0], other_pair[0])
    loop.add_reader(other_pair[0], renew, other_pair[0], pair[0])
    pair[1].send(b"x")
    other_pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["old"]
    loop.run_once(0)
    assert calls == ["old", "new"]


class Reuse:
    """Two readable sockets; the callback that runs first closes the other and gives its fd number to a new one."""

    def __init__(self, loop: EventLoop, watch_with: Callable[..., object]) -> None:
        self.loop = loop
        self.watch_with = watch_with
        self.calls: list[str] = []
        self.first, self.peer = socket.socketpair()
        self.second, self.second_peer = socket.socketpair()
        self.fresh, self.fresh_peer = socket.socketpair()
        for mine, other in ((self.first, self.second), (self.second, self.first)):
            loop.add_reader(mine, self.replace, mine, other)
        self.peer.send(b"x")
        self.second_peer.send(b"x")

    def replace(self, mine: socket.socket, other: socket.socket) -> None:
        self.calls.append("old")
        mine.recv(1)
        number = other.fileno()
        self.loop.remove_reader(other)
        other.close()
        quiet = self.fresh
        self.fresh = socket.socket(fileno=os.dup2(quiet.fileno(), number, inheritable=False))
        quiet.close()
        assert self.fresh.fileno() == number
        self.watch_with(self.fresh, self.calls.append, "new")

    def close(self) -> None:
        for each in (self.first, self.peer, self.second, self.second_peer, self.fresh, self.fresh_peer):
            each.close()


@pytest.fixture(params=["add_reader", "add_writer"])
def reuse(request: pytest.FixtureRequest, loop: EventLoop) -> Iterator[Reuse]:
    reuse = Reuse(loop, getattr(loop, request.param))
    yield reuse
    reuse.close()


def test_a_new_file_with_an_old_number_isnt_called_for_the_events_of_the_old(reuse: Reuse) -> None:
    reuse.loop.run_once(0)
    assert reuse.calls == ["old"]


def test_a_new_file_with_an_old_number_is_called_when_it_is_ready_itself(reuse: Reuse) -> None:
    reuse.fresh_peer.send(b"x")
    reuse.loop.run_once(0)
    reuse.loop.run_once(0)
    assert reuse.calls[-1] == "new"


def test_an_old_number_can_be_used_again_and_again(loop: EventLoop) -> None:
    calls: list[int] = []
    for number in range(20):
        one, other = socket.socketpair()
        with one, other:
            loop.add_reader(one, calls.append, number)
            other.send(b"x")
            loop.run_once(0)
            loop.remove_reader(one)
    assert calls == list(range(20))


def closed_but_not_removed(loop: EventLoop, way: str, by_number: bool) -> int:
    """Leave a registration behind whose file is closed; return its number, which the next file gets."""
    one, other = socket.socketpair()
    number = one.fileno()
    getattr(loop, way)(number if by_number else one, int)
    one.close()
    other.close()
    return number


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("left", ["add_reader", "add_writer"])
def test_a_registration_whose_file_was_closed_gives_way_to_a_new_callback(
    loop: EventLoop, left: str, by_number: bool
) -> None:
    calls: list[str] = []
    number = closed_but_not_removed(loop, left, by_number)
    one, other = socket.socketpair()
    with one, other:
        assert one.fileno() == number
        loop.add_reader(number if by_number else one, calls.append, "new")
        other.send(b"x")
        loop.run_once(0)
        loop.remove_reader(one)
        loop.remove_writer(one)
    assert calls == ["new"]


def test_a_registration_whose_file_was_closed_gives_way_to_a_watch(loop: EventLoop) -> None:
    calls: list[str] = []
    number = closed_but_not_removed(loop, "add_reader", False)
    one, other = socket.socketpair()
    with one, other:
        assert one.fileno() == number
        watch = loop.watch(one, lambda: calls.append("read"), int)
        watch.want(READ)
        other.send(b"x")
        loop.run_once(0)
        assert calls == ["read"]
        assert loop.stats()["watched"] == 1
        watch.close()


@pytest.mark.parametrize("way", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
def test_what_a_transport_watches_is_not_the_users(loop: EventLoop, pair: Pair, way: str) -> None:
    calls: list[str] = []
    watch = loop.watch(pair[0], lambda: calls.append("read"), int)
    watch.want(READ)
    with pytest.raises(RuntimeError, match="is watched by its transport"):
        getattr(loop, way)(pair[0].fileno(), *([int] if way.startswith("add") else []))
    pair[1].send(b"x")
    loop.run_once(0)
    assert calls == ["read"]
    watch.close()
