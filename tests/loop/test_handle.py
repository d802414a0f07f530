"""Handle: what `call_soon` returns."""

import signal
import weakref

import pytest

from reactor import EventLoop


class Thing:
    """Something that a weak reference can watch."""

    def method(self) -> None:
        raise AssertionError("a cancelled handle called")


def test_a_handle_calls_once_with_its_arguments(loop: EventLoop) -> None:
    calls: list[tuple[object, ...]] = []
    loop.call_soon(lambda *args: calls.append(args), 1, "two")
    loop.run_once(0)
    loop.run_once(0)
    assert calls == [(1, "two")]


def test_a_cancelled_handle_calls_nothing(loop: EventLoop) -> None:
    calls: list[int] = []
    handle = loop.call_soon(calls.append, 1)
    loop.call_soon(calls.append, 2)
    handle.cancel()
    loop.run_once(0)
    assert calls == [2]


def test_a_handle_cancelled_by_an_earlier_one_of_the_same_turn_calls_nothing(loop: EventLoop) -> None:
    calls: list[int] = []
    loop.call_soon(lambda: later.cancel())
    later = loop.call_soon(calls.append, 1)
    loop.run_once(0)
    assert calls == []


def test_a_handle_tells_whether_it_was_cancelled(loop: EventLoop) -> None:
    handle = loop.call_soon(print)
    assert not handle.cancelled
    handle.cancel()
    assert handle.cancelled


def test_a_handle_may_be_cancelled_twice_and_after_its_call(loop: EventLoop) -> None:
    calls: list[int] = []
    handle = loop.call_soon(calls.append, 1)
    loop.run_once(0)
    handle.cancel()
    handle.cancel()
    loop.run_once(0)
    assert calls == [1]


def test_a_handle_may_cancel_itself_from_inside_its_call(loop: EventLoop) -> None:
    calls: list[int] = []

    def call() -> None:
        handle.cancel()
        calls.append(1)

    handle = loop.call_soon(call)
    loop.run_once(0)
    assert calls == [1]


def test_a_cancelled_handle_lets_go_of_its_callback_and_its_arguments(loop: EventLoop) -> None:
    target, argument = Thing(), Thing()
    watched = [weakref.ref(target), weakref.ref(argument)]
    handle = loop.call_soon(target.method, argument)
    del target, argument
    assert all(each() is not None for each in watched)
    handle.cancel()
    assert [each() for each in watched] == [None, None]


def test_what_was_called_is_let_go_when_the_turn_is_over(loop: EventLoop) -> None:
    argument = Thing()
    watched = weakref.ref(argument)
    loop.call_soon(lambda thing: None, argument)
    del argument
    loop.run_once(0)
    assert watched() is None


@pytest.mark.parametrize("wrong", [None, 3, "name"])
def test_what_cant_be_called_is_refused_where_it_is_given(loop: EventLoop, wrong: object) -> None:
    with pytest.raises(TypeError, match=repr(wrong)):
        loop.call_soon(wrong)
    assert loop.stats()["ready"] == 0


def test_an_async_handler_is_refused_where_it_is_given(loop: EventLoop) -> None:
    async def never_awaited(*_: object) -> None:
        """Be called, and not run."""

    with pytest.raises(TypeError, match=r"^callback is .*, which is async, and nobody would await it"):
        loop.add_signal_handler(signal.SIGTERM, never_awaited)
    with pytest.raises(TypeError, match=r"^handler is .*, which is async, and nobody would await it"):
        loop.set_exception_handler(never_awaited)


def test_the_text_of_a_handle_names_its_callback_or_says_that_it_is_cancelled(loop: EventLoop) -> None:
    soon, later = loop.call_soon(print), loop.call_later(1, print)
    assert repr(soon) == f"<Handle {print!r}>"
    assert repr(later) == f"<Timer {print!r}>"
    soon.cancel()
    later.cancel()
    assert repr(soon) == "<Handle cancelled>"
    assert repr(later) == "<Timer cancelled>"
