"""Connector: one connection, or one reason why there is none."""

import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from helpers import run_until

from reactor import Backoff, ConnectionTimeout, EventLoop, Reactor
from reactor.testing import ManualClock
from reactor.transport import Connector, connector, sockets
from reactor.transport.address import TCPAddress, UnixAddress
from reactor.transport.resolver import Endpoint


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 5, False) as sock:
        yield sock


class Outcome:
    """What came of it."""

    def __init__(self) -> None:
        self.socks: list[socket.socket] = []
        self.failures: list[BaseException] = []

    def connected(self, sock: socket.socket, peer: Any) -> None:
        self.socks.append(sock)

    def __bool__(self) -> bool:
        return bool(self.socks or self.failures)


def start(loop: EventLoop, outcome: Outcome, host: str, port: int, timeout: float | None = 10) -> Connector:
    return Connector(loop, TCPAddress(host, port), outcome.connected, outcome.failures.append, timeout)


def test_a_connection_is_handed_over(net: Reactor, listener: socket.socket) -> None:
    outcome = Outcome()
    start(net, outcome, *listener.getsockname())
    assert not outcome, "never from inside the call"
    run_until(net, lambda: outcome)
    assert outcome.socks[0].getpeername() == listener.getsockname()
    outcome.socks[0].close()
    assert net.stats()["timers"] == 0


def test_a_refused_connection_names_the_address(net: Reactor, listener: socket.socket) -> None:
    outcome, (host, port) = Outcome(), listener.getsockname()
    listener.close()
    start(net, outcome, host, port)
    run_until(net, lambda: outcome)
    (failure,) = outcome.failures
    assert isinstance(failure, ConnectionRefusedError)
    assert f"can't connect to {host}:{port}: Connection refused" in str(failure)


def test_a_name_that_does_not_resolve_is_one_failure(net: Reactor) -> None:
    outcome = Outcome()
    start(net, outcome, "no-such-host.invalid", 80)
    run_until(net, lambda: outcome)
    assert "can't resolve 'no-such-host.invalid'" in str(outcome.failures[0])


def answer(monkeypatch: pytest.MonkeyPatch, *endpoints: Endpoint) -> None:
    """Let every name have these endpoints."""

    def resolve(loop: EventLoop, address: TCPAddress, on_done: Callable[[Any], object]) -> None:
        future: Any = Future()
        future.set_result(list(endpoints))
        loop.call_soon(on_done, future)

    monkeypatch.setattr(connector, "resolve", resolve)


def test_the_next_address_is_tried(net: Reactor, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 1, False) as gone:
        dead = gone.getsockname()
    answer(monkeypatch, Endpoint(socket.AF_INET, dead), Endpoint(socket.AF_INET, listener.getsockname()))
    outcome = Outcome()
    start(net, outcome, "name", 80)
    run_until(net, lambda: outcome)
    assert outcome.socks[0].getpeername() == listener.getsockname()
    outcome.socks[0].close()


def test_no_address_at_all_is_a_failure(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    outcome = Outcome()
    start(net, outcome, "name", 80)
    run_until(net, lambda: outcome)
    assert "no address for name:80" in str(outcome.failures[0])


def causes(error: BaseException) -> list[str]:
    """Return the texts of an error's causes; Python 3.10 has no group of them."""
    return [each.strerror for each in getattr(error.__cause__, "exceptions", ())]


def turns(net: Reactor, count: int = 4) -> None:
    for _ in range(count):
        net.run_once(0)


def hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connect be one that never ends: a socket that is never writable."""

    def start_connect(family: int, sockaddr: Any, *_: Any) -> socket.socket:
        one, other = socket.socketpair()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        try:
            while True:
                one.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        kept.append(other)
        return one

    kept: list[socket.socket] = []
    monkeypatch.setattr(sockets, "start_connect", start_connect)
    monkeypatch.setattr(hang, "kept", kept, raising=False)


def test_the_timeout_bounds_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    hang(monkeypatch)
    clock, outcome = ManualClock(), Outcome()
    with Reactor(clock=clock) as net:
        start(net, outcome, "127.0.0.1", 80, timeout=10)
        net.run_once(0)
        clock.advance(9.9)
        net.run_once(0)
        assert not outcome
        clock.advance(0.1)
        turns(net)
    assert isinstance(outcome.failures[0], ConnectionTimeout)
    assert "127.0.0.1:80" in str(outcome.failures[0])
    assert "connect_timeout" in str(outcome.failures[0])
    hang.kept[0].close()  # type: ignore[attr-defined]


def test_a_wait_begins_with_the_loops_first_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    hang(monkeypatch)
    clock, outcome = ManualClock(), Outcome()
    with Reactor(clock=clock) as net:
        start(net, outcome, "127.0.0.1", 80, timeout=10)
        clock.advance(60)  # what a program does before it calls run()
        turns(net)
        assert not outcome
        clock.advance(9.9)
        turns(net)
        assert not outcome
        clock.advance(0.1)
        turns(net)
    assert isinstance(outcome.failures[0], ConnectionTimeout)
    hang.kept[0].close()  # type: ignore[attr-defined]


def test_a_connection_that_stands_when_the_time_is_over_is_one(told: Reactor, clock: ManualClock) -> None:
    """The loop stood still for longer than the timeout; the peer did not."""
    outcome = Outcome()
    with socket.create_server(("127.0.0.1", 0)) as server:
        attempt = start(told, outcome, *server.getsockname(), timeout=1)
        told.run_once(0)
        while not attempt._attempts:
            told.run_once(0)
        clock.advance(60)
        turns(told)
    assert (len(outcome.socks), outcome.failures) == (1, [])
    outcome.socks[0].close()


@pytest.mark.parametrize("turns_before", range(4))
def test_closing_at_any_moment_leaves_nothing(net: Reactor, listener: socket.socket, turns_before: int) -> None:
    outcome = Outcome()
    attempt = start(net, outcome, *listener.getsockname())
    for _ in range(turns_before):
        if not outcome:
            net.run_once(0)
    attempt.close()
    attempt.close()
    had = len(outcome.socks)
    net.run_once(0)
    assert (len(outcome.socks), outcome.failures) == (had, [])
    for sock in outcome.socks:
        sock.close()


def test_a_socket_that_cannot_be_made_is_a_failure(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_connect(family: int, sockaddr: Any, *_: Any) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(sockets, "start_connect", start_connect)
    outcome = Outcome()
    start(net, outcome, "127.0.0.1", 80)
    run_until(net, lambda: outcome)
    assert "Too many open files" in str(outcome.failures[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_cannot_be_is_never_taken_for_another(net: Reactor, host: str) -> None:
    """getaddrinfo() of glibc takes 70000 for 4464."""
    outcome = Outcome()
    try:
        start(net, outcome, host, 70_000)
    except (OSError, OverflowError, ValueError) as exc:
        outcome.failures.append(exc)
    run_until(net, lambda: outcome)
    assert "4464" not in str(outcome.failures[0])
    assert net.stats()["timers"] == 0


def test_an_address_that_cannot_be_raises_and_leaves_nothing(net: Reactor) -> None:
    outcome = Outcome()
    try:
        start(net, outcome, "fe80::1%no-such-interface", 80)
    except OSError as exc:
        outcome.failures.append(exc)
    run_until(net, lambda: outcome)
    assert "fe80::1%no-such-interface" in str(outcome.failures[0])
    assert net.stats()["timers"] == 0, "no timer that would tell of a second failure"


@pytest.mark.parametrize("name", ["nul\0inside", "x" * 64 + ".example", "..", ""])
def test_a_name_that_cannot_be_is_one_failure(net: Reactor, name: str) -> None:
    outcome = Outcome()
    try:
        start(net, outcome, name, 1)
    except (OSError, ValueError) as exc:
        outcome.failures.append(exc)
    run_until(net, lambda: outcome)
    assert len(outcome.failures) == 1


def test_a_path_that_cannot_be_encoded_is_one_failure_at_once(net: Reactor) -> None:
    outcome = Outcome()
    path = UnixAddress("\ud800")
    Connector(net, path, outcome.connected, outcome.failures.append, 10, Backoff())
    turns(net)
    assert [type(each) for each in outcome.failures] == [UnicodeEncodeError]
    assert net.stats()["timers"] == 0, "trying again mends no path"


def test_a_socket_that_cannot_be_watched_is_closed_and_one_failure(
    net: Reactor, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(*args: Any) -> Any:
        raise ValueError("filedescriptor out of range in select()")

    outcome = Outcome()
    start(net, outcome, *listener.getsockname())
    monkeypatch.setattr(net._selector, "register", register)
    turns(net)
    assert [str(each) for each in outcome.failures] == ["filedescriptor out of range in select()"]


def test_an_answer_of_a_name_that_is_no_oserror_is_one_failure(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(loop: EventLoop, address: TCPAddress, on_done: Callable[[Any], object]) -> None:
        future: Any = Future()
        future.set_exception(ValueError("embedded null character"))
        loop.call_soon(on_done, future)

    monkeypatch.setattr(connector, "resolve", resolve)
    outcome = Outcome()
    start(net, outcome, "name", 80)
    turns(net)
    assert [type(each) for each in outcome.failures] == [ValueError]
    assert net.stats()["timers"] == 0


# --- races, on a clock that is told the time


class Course:
    """Every connect hangs until the test lets it stand or fail."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._began = clock.now
        self._others: dict[Any, socket.socket] = {}
        self._all: list[socket.socket] = []
        self._results: dict[Any, OSError | None] = {}
        self.started: list[tuple[Any, float]] = []
        self.socks: dict[Any, socket.socket] = {}

    def start_connect(self, family: int, sockaddr: Any, *_: Any) -> socket.socket:
        one, other = socket.socketpair()
        one.setblocking(False)
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                one.send(bytes(1 << 16))
        self._all += [one, other]
        self._others[sockaddr], self.socks[sockaddr] = other, one
        self.started.append((sockaddr, self._clock.now - self._began))
        return one

    def connect_result(self, sock: socket.socket, sockaddr: Any) -> OSError | None:
        return self._results[sockaddr]

    def settle(self, sockaddr: Any, error: OSError | None = None) -> None:
        """Let a connect stand, or fail."""
        self._results[sockaddr] = error
        with contextlib.suppress(BlockingIOError):
            while self._others[sockaddr].recv(1 << 20):
                pass

    def close(self) -> None:
        for sock in self._all:
            sock.close()


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    with Reactor(clock=clock) as net:
        yield net


@pytest.fixture
def course(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    made = Course(clock)
    monkeypatch.setattr(sockets, "start_connect", made.start_connect)
    monkeypatch.setattr(sockets, "connect_result", made.connect_result)
    yield made
    made.close()


def pass_time(net: Reactor, clock: ManualClock, seconds: float) -> None:
    """Let time pass in small steps, with turns in between."""
    for _ in range(round(seconds * 16)):
        clock.advance(1 / 16)  # exact in binary
        net.run_once(0)
        net.run_once(0)


def ends(*names: str) -> list[Endpoint]:
    """Return endpoints: "a4" is of IPv4, "a6" of IPv6."""
    families = {"4": socket.AF_INET, "6": socket.AF_INET6}
    return [Endpoint(families[name[-1]], name) for name in names]


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def race(told: Reactor, monkeypatch: pytest.MonkeyPatch, *names: str, timeout: float | None = 10) -> Outcome:
    answer(monkeypatch, *ends(*names))
    outcome = Outcome()
    start(told, outcome, "name", 80, timeout)
    told.run_once(0)
    told.run_once(0)
    return outcome


def test_the_next_address_begins_when_the_first_one_hangs(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4", "c4")
    pass_time(told, clock, 0.1875)
    assert course.started == [("a4", 0)]
    pass_time(told, clock, 1)
    assert course.started == [("a4", 0), ("b4", 0.25), ("c4", 0.5)]
    course.settle("b4")
    told.run_once(0)
    assert outcome.socks == [course.socks["b4"]]
    assert [course.socks[name].fileno() for name in ("a4", "c4")] == [-1, -1], "the winner closes all others"
    assert (told.stats()["timers"], told.stats()["watched"]) == (0, 0)
    outcome.socks[0].close()


def test_the_first_may_still_win(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4", "c4")
    pass_time(told, clock, 0.3125)
    course.settle("a4")
    told.run_once(0)
    assert outcome.socks == [course.socks["a4"]]
    pass_time(told, clock, 1)
    assert len(course.started) == 2, "the third never began"
    outcome.socks[0].close()


def test_two_that_stand_in_one_turn_are_one_connection(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4")
    pass_time(told, clock, 0.3125)
    course.settle("a4")
    course.settle("b4")
    told.run_once(0)
    assert len(outcome.socks) == 1
    assert sorted(sock.fileno() == -1 for sock in course.socks.values()) == [False, True]
    outcome.socks[0].close()


def test_a_failure_begins_the_next_at_once(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4")
    pass_time(told, clock, 0.125)
    course.settle("a4", REFUSED)
    told.run_once(0)
    assert course.started == [("a4", 0), ("b4", 0.125)]
    course.settle("b4")
    told.run_once(0)
    assert outcome.socks == [course.socks["b4"]]
    outcome.socks[0].close()


def test_one_that_began_after_a_failure_has_its_full_head_start(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    race(told, monkeypatch, "a4", "b4", "c4")
    pass_time(told, clock, 0.125)
    course.settle("a4", REFUSED)
    pass_time(told, clock, 1)
    assert [name for name, _ in course.started] == ["a4", "b4", "c4"]
    begun = dict(course.started)
    assert begun["c4"] - begun["b4"] >= 0.25


def test_all_that_fail_are_one_failure_that_names_them_all(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4", "c4")
    pass_time(told, clock, 1)
    for name in ("b4", "c4", "a4"):
        assert not outcome
        course.settle(name, OSError(errno.ECONNREFUSED, f"refused by {name}"))
        told.run_once(0)
    (failure,) = outcome.failures
    assert type(failure) is ConnectionRefusedError, "as each of them is"
    assert str(failure) == "[Errno 111] refused by b4; refused by c4; refused by a4"
    assert causes(failure) in ([], ["refused by b4", "refused by c4", "refused by a4"])
    assert (told.stats()["timers"], told.stats()["watched"]) == (0, 0)


def test_failures_of_several_kinds_are_of_no_single_one(
    told: Reactor, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a6", "b4")
    course.settle("a6", OSError(errno.ENETUNREACH, "no road to a6"))
    told.run_once(0)
    course.settle("b4", OSError(errno.ECONNREFUSED, "refused by b4"))
    told.run_once(0)
    (failure,) = outcome.failures
    assert type(failure) is OSError
    assert str(failure) == "no road to a6; refused by b4"


def test_one_address_that_fails_is_its_own_failure(
    told: Reactor, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4")
    course.settle("a4", REFUSED)
    told.run_once(0)
    assert outcome.failures == [REFUSED]
    assert REFUSED.__cause__ is None


def test_real_sockets_that_are_refused_are_all_named(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 1, False) as gone:
        port = gone.getsockname()[1]
    answer(monkeypatch, *(Endpoint(socket.AF_INET, (host, port)) for host in ("127.0.0.1", "127.0.0.2")))
    outcome = Outcome()
    start(net, outcome, "name", 80)
    run_until(net, lambda: outcome)
    (failure,) = outcome.failures
    assert isinstance(failure, ConnectionRefusedError)
    for host in ("127.0.0.1", "127.0.0.2"):
        assert f"can't connect to {host}:{port}: Connection refused" in str(failure)


def test_families_take_turns(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    race(told, monkeypatch, "a6", "b6", "c6", "d4", "e4", timeout=None)
    pass_time(told, clock, 2)
    assert [name for name, _ in course.started] == ["a6", "d4", "b6", "e4", "c6"]


def test_the_timeout_ends_all_of_a_race(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race(told, monkeypatch, "a4", "b4", "c4", timeout=0.375)
    pass_time(told, clock, 2)
    assert [type(each) for each in outcome.failures] == [ConnectionTimeout]
    assert [name for name, _ in course.started] == ["a4", "b4"]
    assert {sock.fileno() for sock in course.socks.values()} == {-1}
    assert told.stats()["timers"] == 0


def test_closing_inside_a_race_closes_all(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, *ends("a4", "b4", "c4"))
    outcome = Outcome()
    attempt = start(told, outcome, "name", 80)
    told.run_once(0)
    pass_time(told, clock, 0.3125)
    attempt.close()
    pass_time(told, clock, 20)
    assert not outcome
    assert len(course.started) == 2
    assert (told.stats()["timers"], told.stats()["watched"]) == (0, 0)


# --- trying again

STEADY = Backoff(initial=1, factor=2, longest=3, jitter=0, attempts=4)


class Refuses:
    """Every connect is refused at once; when is written down."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self._began = clock, clock.now
        self.times: list[float] = []

    def start_connect(self, family: int, sockaddr: Any, *_: Any) -> socket.socket:
        self.times.append(self._clock.now - self._began)
        raise OSError(errno.ECONNREFUSED, f"refusal {len(self.times)}")


@pytest.fixture
def refuses(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Refuses:
    made = Refuses(clock)
    monkeypatch.setattr(sockets, "start_connect", made.start_connect)
    return made


def retry(told: Reactor, outcome: Outcome, backoff: Backoff, timeout: float | None = 10) -> Connector:
    address = TCPAddress("127.0.0.1", 80)
    attempt = Connector(told, address, outcome.connected, outcome.failures.append, timeout, backoff)
    told.run_once(0)
    return attempt


def test_it_tries_again_after_longer_and_longer_waits_then_fails_once(
    told: Reactor, clock: ManualClock, refuses: Refuses
) -> None:
    outcome = Outcome()
    retry(told, outcome, STEADY)
    pass_time(told, clock, 5.75)
    assert (outcome.failures, len(refuses.times)) == ([], 3)
    pass_time(told, clock, 20)
    assert refuses.times == [0, 1, 3, 6]
    assert [str(each) for each in outcome.failures] == ["[Errno 111] refusal 4"]
    assert told.stats()["timers"] == 0


def test_each_round_tells_of_its_own_addresses(
    told: Reactor, clock: ManualClock, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, *ends("a4", "b4"))
    outcome = Outcome()
    Connector(told, TCPAddress("name", 80), outcome.connected, outcome.failures.append, 10, Backoff(1, attempts=2))
    pass_time(told, clock, 20)
    assert [str(each) for each in outcome.failures] == ["[Errno 111] refusal 3; refusal 4"]


def test_each_try_that_is_followed_by_another_has_a_line_at_debug(
    told: Reactor, clock: ManualClock, refuses: Refuses, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        retry(told, Outcome(), STEADY)
        pass_time(told, clock, 20)
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("reactor.transport.connector", logging.DEBUG, f"no connection to 127.0.0.1:80: [Errno 111] {text}")
        for text in ("refusal 1. Next try in 1 s", "refusal 2. Next try in 2 s", "refusal 3. Next try in 3 s")
    ]


def test_without_retry_it_tries_once(told: Reactor, clock: ManualClock, refuses: Refuses) -> None:
    outcome = Outcome()
    start(told, outcome, "127.0.0.1", 80)
    pass_time(told, clock, 20)
    assert (len(refuses.times), len(outcome.failures)) == (1, 1)


def test_it_may_try_for_ever(told: Reactor, clock: ManualClock, refuses: Refuses) -> None:
    outcome = Outcome()
    attempt = retry(told, outcome, Backoff(initial=1, factor=1, longest=1, jitter=0))
    pass_time(told, clock, 100)
    assert len(refuses.times) == 101
    assert not outcome
    attempt.close()
    assert told.stats()["timers"] == 0


def test_closing_while_it_waits_ends_it(told: Reactor, clock: ManualClock, refuses: Refuses) -> None:
    outcome = Outcome()
    attempt = retry(told, outcome, STEADY)
    pass_time(told, clock, 0.5)
    assert len(refuses.times) == 1
    attempt.close()
    attempt.close()
    assert told.stats()["timers"] == 0
    pass_time(told, clock, 20)
    assert (len(refuses.times), bool(outcome)) == (1, False)


def test_each_try_has_the_whole_timeout(told: Reactor, clock: ManualClock, course: Course) -> None:
    outcome = Outcome()
    retry(told, outcome, Backoff(initial=1, factor=1, longest=1, jitter=0, attempts=2), timeout=2)
    pass_time(told, clock, 10)
    assert [at for _, at in course.started] == [0, 3]
    assert [type(each) for each in outcome.failures] == [ConnectionTimeout]


def test_one_that_stands_at_the_second_try_is_a_connection(
    net: Reactor, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = sockets.start_connect, []

    def start_connect(family: int, sockaddr: Any, *_: Any) -> socket.socket:
        calls.append(sockaddr)
        if len(calls) == 1:
            raise OSError(errno.ECONNREFUSED, "not yet")
        return real(family, sockaddr)

    monkeypatch.setattr(sockets, "start_connect", start_connect)
    outcome, address = Outcome(), TCPAddress(*listener.getsockname())
    Connector(net, address, outcome.connected, outcome.failures.append, 10, Backoff(initial=0.01))
    run_until(net, lambda: outcome)
    assert (len(calls), outcome.failures) == (2, [])
    outcome.socks[0].close()


def test_the_reactors_on_failure_comes_once_after_all_tries(net: Reactor, listener: socket.socket) -> None:
    port, failures = listener.getsockname()[1], []
    listener.close()
    quick = Backoff(initial=0.001, longest=0.001, attempts=3)
    net.connect_tcp(lambda: None, "127.0.0.1", port, on_failure=failures.append, retry=quick)
    run_until(net, lambda: failures)
    net.run_once(0.01)
    assert len(failures) == 1


def test_what_was_handed_over_and_failed_counts_as_a_try(
    told: Reactor, clock: ManualClock, listener: socket.socket
) -> None:
    """The connection stood, and TLS on it did not."""
    outcome, address = Outcome(), TCPAddress(*listener.getsockname())
    attempt = Connector(told, address, outcome.connected, outcome.failures.append, 10, STEADY)
    for count, wait in ((1, 1), (2, 2), (3, 3)):
        run_until(told, lambda count=count: len(outcome.socks) == count)
        attempt.failed(ConnectionResetError(f"in the handshake, {count}"))
        assert outcome.failures == []
        clock.advance(wait)
    run_until(told, lambda: len(outcome.socks) == 4)
    attempt.failed(ConnectionResetError("in the handshake, 4"))
    attempt.failed(ConnectionResetError("nobody asks any more"))
    assert [str(each) for each in outcome.failures] == ["in the handshake, 4"]
    for sock in outcome.socks:
        sock.close()


def test_a_socket_that_was_given_is_tried_once(net: Reactor) -> None:
    outcome, (one, other) = Outcome(), socket.socketpair()
    attempt = Connector(net, UnixAddress("unused"), outcome.connected, outcome.failures.append, 10, STEADY, one)
    with one, other:
        run_until(net, lambda: outcome.socks == [one])
        attempt.failed(ConnectionResetError("in the handshake"))
    assert [str(each) for each in outcome.failures] == ["in the handshake"]
    assert net.stats()["timers"] == 0


def test_closing_ends_what_was_handed_over_once_and_no_failure_follows(net: Reactor, listener: socket.socket) -> None:
    outcome, ended = Outcome(), []
    address = TCPAddress(*listener.getsockname())
    attempt = Connector(
        net, address, outcome.connected, outcome.failures.append, 10, STEADY, on_close=lambda: ended.append(1)
    )
    run_until(net, lambda: outcome.socks)
    attempt.close()
    attempt.close()
    attempt.failed(ConnectionResetError("because of that"))
    assert (ended, outcome.failures, net.stats()["timers"]) == ([1], [], 0)
    outcome.socks[0].close()


# --- coming back


def test_names_are_resolved_anew_each_time(
    told: Reactor, clock: ManualClock, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, names = Outcome(), Names(monkeypatch)
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 5, False) as moved:
        attempt = comes_back(told, outcome, STEADY)
        for count, where in enumerate((listener, moved), 1):
            names.tell(count - 1, Endpoint(socket.AF_INET, where.getsockname()))
            run_until(told, lambda count=count: len(outcome.socks) == count)
            assert outcome.socks[-1].getpeername() == where.getsockname()
            attempt.ended(None)
            clock.advance(1 if count == 1 else 2)
            turns(told)
        assert len(names.asked) == 3
    attempt.close()
    for sock in outcome.socks:
        sock.close()


def test_each_end_that_is_followed_by_another_try_has_a_line_at_debug(
    told: Reactor,
    clock: ManualClock,
    course: Course,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer(monkeypatch, *ends("a4"))
    outcome = Outcome()
    attempt = comes_back(told, outcome, STEADY)
    told.run_once(0)
    course.settle("a4")
    turns(told)
    clock.advance(2.5)
    with caplog.at_level(logging.DEBUG):
        attempt.ended(None)
        attempt.close()
    assert [record.getMessage() for record in caplog.records] == [
        "no connection to name:80: the connection with name:80 ended after 2.5 s. Next try in 1 s"
    ]
    outcome.socks[0].close()


@pytest.mark.parametrize("after", [0, 0.5])
def test_an_exception_out_of_nowhere_costs_no_coming_back(
    told: Reactor, clock: ManualClock, refuses: Refuses, after: float
) -> None:
    """Whatever was under way: the wait for the next try is as long as it would have been."""
    outcome = Outcome()
    attempt = comes_back(told, outcome, Backoff(initial=2, factor=1, longest=8, jitter=0), host="127.0.0.1")
    turns(told)
    clock.advance(after)
    for call in attempt._calls:
        call.cancel()  # as if it had never been made
    attempt.mend()
    attempt.mend()
    assert len(refuses.times) == 1
    pass_time(told, clock, 2.25)
    assert len(refuses.times) == 2
    attempt.close()


def test_behind_a_drain_an_exception_out_of_nowhere_begins_no_try(
    told: Reactor, clock: ManualClock, refuses: Refuses
) -> None:
    outcome = Outcome()
    attempt = comes_back(told, outcome, STEADY, host="127.0.0.1")
    turns(told)
    attempt.dial_no_more()
    attempt.dial_no_more()
    attempt.mend()
    pass_time(told, clock, 60)
    assert (len(refuses.times), len(outcome.failures)) == (1, 1)
    assert attempt.closed


def comes_back(told: Reactor, outcome: Outcome, reconnect: Backoff, host: str = "name") -> Connector:
    address = TCPAddress(host, 80)
    return Connector(told, address, outcome.connected, outcome.failures.append, 10, reconnect=reconnect)


def test_a_connector_says_where_it_stands(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, *ends("a4"))
    outcome = Outcome()
    attempt = comes_back(told, outcome, STEADY)
    turns(told)
    said = [repr(attempt)]
    course.settle("a4")
    turns(told)
    said.append(repr(attempt))
    attempt.ended(None)
    said.append(repr(attempt))
    attempt.close()
    said.append(repr(attempt))
    assert said == [f"<Connector {where} to name:80>" for where in ("connecting", "connected", "waiting", "closed")]
    outcome.socks[0].close()


# --- answers that come too late


class Names:
    """Names are answered when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Callable[[Any], object]] = []
        monkeypatch.setattr(connector, "resolve", lambda loop, address, on_done: self.asked.append(on_done))

    def answer(self, question: int, *names: str) -> None:
        self.tell(question, *ends(*names))

    def tell(self, question: int, *endpoints: Endpoint) -> None:
        future: Any = Future()
        future.set_result(list(endpoints))
        self.asked[question](future)


def test_a_name_that_is_answered_after_the_timeout_is_ignored(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, outcome = Names(monkeypatch), Outcome()
    start(told, outcome, "name", 80)
    pass_time(told, clock, 10.125)
    assert [type(each) for each in outcome.failures] == [ConnectionTimeout]
    names.answer(0, "a4")
    pass_time(told, clock, 20)
    assert (course.started, len(outcome.failures), outcome.socks) == ([], 1, [])


def test_a_name_that_is_answered_after_close_is_ignored(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, outcome = Names(monkeypatch), Outcome()
    start(told, outcome, "name", 80).close()
    names.answer(0, "a4")
    pass_time(told, clock, 20)
    assert (course.started, bool(outcome)) == ([], False)


def test_an_answer_to_an_earlier_try_is_not_taken_for_this_one(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, outcome = Names(monkeypatch), Outcome()
    address = TCPAddress("name", 80)
    Connector(told, address, outcome.connected, outcome.failures.append, 2, STEADY)
    pass_time(told, clock, 3.125)
    assert len(names.asked) == 2
    names.answer(0, "late4")
    names.answer(1, "a4")
    assert [name for name, _ in course.started] == ["a4"]
    course.settle("a4")
    told.run_once(0)
    assert outcome.socks == [course.socks["a4"]]
    outcome.socks[0].close()


def test_a_name_that_was_answered_while_the_loop_stood_still_has_its_time(
    told: Reactor, clock: ManualClock, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, outcome = Names(monkeypatch), Outcome()
    start(told, outcome, "name", 80, timeout=2)
    turns(told)
    clock.advance(60)
    told.call_soon(names.answer, 0, "a4")
    turns(told)
    assert ([name for name, _ in course.started], outcome.failures) == (["a4"], [])
    clock.advance(1.9)
    turns(told)
    assert outcome.failures == []
    clock.advance(0.1)
    turns(told)
    assert [type(each) for each in outcome.failures] == [ConnectionTimeout]
