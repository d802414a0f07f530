"""Connections that come back: whoever they are lost to, at a pace, until somebody closes the connector."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest
from road.cast import Frames, Once, bodies, frame
from road.peers import Peer
from road.roads import Road

from reactor import Backoff, Drained, Limits

STEADY = Backoff(initial=1, factor=2, longest=8, jitter=0)


class Client:
    """A client of ours that comes back to a peer which listens; `made` are its protocols, one a connection."""

    def __init__(self, door: Road, reconnect: Backoff | None = STEADY, **options: Any) -> None:
        self.door = door
        self.listening = door.listening()
        self.acts: dict[str, Any] = {}
        self.made: list[Frames] = []
        self.failures: list[BaseException] = []
        options = {"on_failure": self.failures.append, "reconnect": reconnect, **options}
        self.connector = door.connect(self.factory, self.listening, **options)

    def factory(self) -> Frames:
        if "factory" in self.acts:
            self.acts["factory"]()
        self.made.append(Frames(**self.acts))
        return self.made[-1]

    def come(self) -> list[Peer]:
        """Return who has come, at this moment."""
        with suppress(BlockingIOError):
            return [self.door.accepted(self.listening)]
        return []

    def reaches(self) -> Peer:
        """Return the peer that it reaches next; TLS is not begun."""
        came: list[Peer] = []
        self.door.until(lambda: came.extend(self.come()) or came)
        return came[0]

    def meets(self) -> Peer:
        """Return the peer that it meets next, up to connection_made."""
        before = sum(each.made for each in self.made)
        self.peer = self.reaches()
        self.peer.shake()
        self.door.until(lambda: sum(each.made for each in self.made) > before)
        return self.peer

    def loses(self, peer: Peer) -> None:
        """Let the peer hang up."""
        peer.close()
        self.door.until(lambda: self.made[-1].ended)
        self.door.settle()

    def fails(self, peer: Peer) -> None:
        """Let the peer go before there is a connection: in a handshake."""
        peer.reset()
        self.door.settle()

    def comes_after(self, seconds: float) -> bool:
        """Tell whether it comes back when so much time is over, and not before."""
        self.door.clock.advance(seconds - 0.1)
        self.door.settle()
        early = self.come()
        self.door.clock.advance(0.1)
        self.meets()
        return early == []

    def never_comes(self) -> bool:
        """Tell whether nothing is dialled any more."""
        for _ in range(4):
            self.door.clock.advance(60)
            self.door.settle()
        return self.come() == [] and self.door.reactor.stats()["timers"] == 0


@pytest.fixture
def client(door: Road) -> Client:
    return Client(door)


# --- coming back


def test_a_connection_that_is_lost_comes_back_with_a_protocol_of_its_own(client: Client) -> None:
    client.loses(client.meets())
    assert client.comes_after(1)
    client.peer.send(frame(b"to the second"))
    client.door.until(lambda: client.made[1].messages)
    first, second = client.made
    assert (first.messages, first.calls.count("lost")) == ([], 1)
    assert second.messages == [b"to the second"]
    assert client.failures == []


def test_nothing_of_the_old_connection_reaches_the_new_one(client: Client) -> None:
    peer = client.meets()
    peer.send(frame(b"half of this was read")[:9])
    client.door.settle()
    client.made[0].send(b"sent in time")
    peer.reads(4 + len(b"sent in time"))
    client.loses(peer)
    client.made[0].send(b"too late")
    assert client.comes_after(1)
    client.made[0].send(b"far too late")
    client.made[1].send(b"hello")
    assert bodies(client.peer.reads(9)) == [b"hello"]
    client.peer.send(frame(b"a whole one"))
    client.door.until(lambda: client.made[1].messages)
    assert client.made[1].messages == [b"a whole one"]


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_connection_that_we_end_comes_back_too(client: Client, end: str) -> None:
    client.meets()
    getattr(client.connector.connection, end)()
    client.door.until(lambda: client.made[0].ended)
    assert client.comes_after(1)


def test_a_connection_that_our_own_mistake_ends_comes_back_too(client: Client) -> None:
    mistake = ValueError("in connection_made")
    client.acts = {"made": Once(mistake)}
    client.meets()
    client.door.until(lambda: client.made[0].ended)
    client.acts = {}
    assert client.comes_after(1)
    assert client.door.take_reports() == [mistake]


def test_a_factory_that_raises_ends_it_for_trying_again_mends_nothing(door: Road) -> None:
    client, mistake = Client(door), ValueError("in the factory")
    client.loses(client.meets())
    client.acts = {"factory": Once(mistake)}
    door.clock.advance(1)
    door.until(lambda: client.failures)
    assert client.failures == [mistake]
    assert client.connector.closed
    for peer in client.come():
        peer.close()
    assert client.never_comes()
    assert door.take_reports() == [mistake]


# --- at what pace


def test_waits_grow_while_connections_die_at_once(client: Client) -> None:
    client.loses(client.meets())
    for wait in (1, 2, 4, 8, 8):
        assert client.comes_after(wait)
        client.loses(client.peer)
    assert client.failures == []


def test_a_connection_that_lived_for_longest_begins_the_waits_anew(client: Client) -> None:
    client.loses(client.meets())
    for wait in (1, 2, 4):
        assert client.comes_after(wait)
        client.loses(client.peer)
    assert client.comes_after(8)
    client.door.clock.advance(7.5)
    client.loses(client.peer)
    assert client.comes_after(8), "half a second less than longest"
    client.door.clock.advance(8)
    client.loses(client.peer)
    assert client.comes_after(1)


def test_tries_that_fail_make_the_waits_grow_behind_a_long_life_too(sealed: Any) -> None:
    client = Client(sealed)
    peer = client.meets()
    sealed.clock.advance(100)
    client.loses(peer)
    for wait in (1, 2, 4):
        sealed.clock.advance(wait - 0.1)
        sealed.settle()
        assert client.come() == []
        sealed.clock.advance(0.1)
        client.fails(client.reaches())
    assert client.comes_after(8)
    assert client.failures == []


# --- giving up


def test_the_first_connection_is_tried_for_as_reconnect_says(sealed: Any) -> None:
    client = Client(sealed)
    client.fails(client.reaches())
    assert client.comes_after(1)
    client.loses(client.peer)
    assert client.comes_after(2)
    assert client.failures == []


def test_retry_is_for_the_first_connection_and_reconnect_for_the_others(sealed: Any) -> None:
    client = Client(sealed, retry=Backoff(initial=3, factor=1, longest=3, jitter=0, attempts=2))
    client.fails(client.reaches())
    assert client.comes_after(3)
    client.loses(client.peer)
    for wait in (1, 2, 4):
        assert client.comes_after(wait)
        client.loses(client.peer)
    assert client.failures == []


def test_when_retry_is_spent_that_is_told_once_and_nothing_comes(sealed: Any) -> None:
    client = Client(sealed, retry=Backoff(attempts=1))
    client.fails(client.reaches())
    assert [type(each) for each in client.failures] == [ConnectionResetError]
    assert client.connector.closed
    assert client.never_comes()
    assert len(client.failures) == 1


def test_when_the_attempts_of_reconnect_are_spent_that_is_told_once_and_nothing_comes(door: Road) -> None:
    client = Client(door, Backoff(initial=1, factor=1, longest=8, jitter=0, attempts=3))
    client.loses(client.meets())
    for _ in range(2):
        assert client.comes_after(1)
        client.loses(client.peer)
    assert [str(each) for each in client.failures] == [f"the connection with {told(client)} ended after 0 s"]
    assert client.connector.closed
    assert client.never_comes()
    assert (len(client.failures), len(client.made)) == (1, 3)


def test_a_connection_that_lived_for_longest_gives_all_attempts_again(door: Road) -> None:
    client = Client(door, Backoff(initial=1, factor=1, longest=1, jitter=0, attempts=1))
    peer = client.meets()
    for _ in range(5):
        door.clock.advance(1)
        client.loses(peer)
        assert client.comes_after(1)
        peer = client.peer
    assert client.failures == []
    client.loses(peer)
    assert len(client.failures) == 1


def told(client: Client) -> str:
    """The peer's address as people write it."""
    name = client.listening.getsockname()
    return f"{name[0]}:{name[1]}" if client.listening.family == socket.AF_INET else f"unix:{name.decode()}"


# --- which connection there is


def test_the_connector_tells_the_connection_that_stands(client: Client) -> None:
    assert client.connector.connection is None
    peer = client.reaches()
    if client.door.sealed:
        client.door.settle()
        assert client.connector.connection is None, "it shakes hands"
    peer.shake()
    client.door.until(lambda: client.made and client.made[-1].made)
    assert client.connector.connection is client.made[0].transport
    client.loses(peer)
    assert client.connector.connection is None
    assert client.comes_after(1)
    assert client.connector.connection is client.made[1].transport
    client.connector.close()
    assert client.connector.connection is None


def test_inside_its_callbacks_a_connection_is_the_present_one_until_it_is_lost(door: Road) -> None:
    client = Client(door)
    seen: list[Any] = []
    client.acts = dict.fromkeys(("made", "lost"), lambda *_: seen.append(client.connector.connection))
    client.loses(client.meets())
    assert seen == [client.made[0].transport, None]


def test_without_reconnect_the_connector_tells_it_too_and_closing_leaves_it(door: Road) -> None:
    client = Client(door, None)
    peer = client.meets()
    client.connector.close()
    assert client.connector.connection is client.made[0].transport
    client.made[0].send(b"hello")
    assert bodies(peer.reads(9)) == [b"hello"]
    client.loses(peer)
    assert client.connector.connection is None
    assert client.never_comes()


# --- closing, in every state


def test_closing_while_it_waits_ends_it(client: Client) -> None:
    client.loses(client.meets())
    client.connector.close()
    assert client.never_comes()
    assert (len(client.made), client.failures) == (1, [])


@pytest.mark.parametrize("turns", range(8))
def test_closing_while_it_comes_back_ends_it(client: Client, turns: int) -> None:
    client.loses(client.meets())
    client.door.clock.advance(1)
    client.door.settle(turns)
    client.connector.close()
    client.door.settle()
    for peer in client.come():
        peer.close()
    client.door.settle()
    assert client.never_comes()
    assert client.failures == []
    assert all(each.ended for each in client.made if each.made)


def test_closing_while_it_stands_closes_it_in_good_order(client: Client) -> None:
    peer = client.meets()
    client.made[0].send(b"goodbye")
    client.connector.close()
    client.connector.close()
    assert bodies(peer.reads_to_the_end()) == [b"goodbye"]
    assert peer.end == "eof"
    client.door.until(lambda: client.made[0].ended)
    assert client.made[0].lost is None
    assert client.never_comes()
    assert client.failures == []


@pytest.mark.parametrize("where", ["made", "message", "lost"])
def test_closing_from_a_callback_ends_it(door: Road, where: str) -> None:
    client = Client(door)
    client.acts = {where: lambda *_: client.connector.close()}
    peer = client.meets()
    with suppress(OSError):
        peer.send(frame(b"a message"))
    door.settle()
    peer.close()
    door.until(lambda: client.made[0].ended)
    assert client.never_comes()
    assert (len(client.made), client.failures) == (1, [])


def test_closing_while_the_old_connection_still_sends_ends_it(door: Road) -> None:
    client = Client(door, limits=Limits(max_write_buffer=None))
    peer = client.meets()
    door.narrow(client.made[0])
    size = door.clog(client.made[0])
    client.connector.connection.close()
    client.connector.close()
    assert len(peer.reads_to_the_end()) == size
    door.until(lambda: client.made[0].ended)
    assert client.never_comes()


def test_the_end_of_the_reactor_ends_it(client: Client) -> None:
    client.loses(client.meets())
    assert client.comes_after(1)
    client.door.reactor.close()
    assert [each.calls[-1] for each in client.made] == ["lost", "lost"]
    assert (client.connector.closed, client.failures) == (True, [])


# --- a drain


def test_a_drain_begins_no_other_try(client: Client) -> None:
    client.loses(client.meets())
    done: list[Drained] = []
    client.door.reactor.drain(5, done.append)
    client.door.until(lambda: done)
    client.door.settle()
    assert client.connector.closed
    assert [str(each) for each in client.failures] == [f"the connection with {told(client)} ended after 0 s"]
    assert client.never_comes()


def test_a_drain_leaves_the_connection_that_stands_and_it_comes_back_no_more(client: Client) -> None:
    peer = client.meets()
    client.door.reactor.drain(5)
    client.door.settle()
    client.made[0].send(b"an answer waits for this")
    assert bodies(peer.reads(28)) == [b"an answer waits for this"]
    client.loses(peer)
    assert client.connector.closed
    assert client.never_comes()
    assert client.failures == []


def test_a_drain_ends_the_tries_of_a_first_connection_with_a_word(sealed: Any) -> None:
    client = Client(sealed, None, retry=STEADY)
    client.fails(client.reaches())
    sealed.reactor.drain(5)
    assert client.failures == [], "never from inside the call"
    sealed.settle()
    assert [type(each) for each in client.failures] == [ConnectionResetError]
    assert client.never_comes()


def test_behind_a_drain_a_try_that_is_under_way_is_the_last(sealed: Any) -> None:
    client = Client(sealed)
    peer = client.reaches()
    sealed.reactor.drain(5)
    client.fails(peer)
    assert [type(each) for each in client.failures] == [ConnectionResetError]
    assert client.never_comes()
