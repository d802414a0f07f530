"""The states of a connection, which only ever go onwards, and reports that name the callback that raised."""

from typing import Any

from reactor import EventLoop, Protocol
from reactor.testing import memory_pair
from reactor.transport.core import MOVES, State


def test_every_state_has_its_moves_and_none_leads_back() -> None:
    order = list(State)
    assert set(MOVES) == set(order)
    for state, nexts in MOVES.items():
        assert all(order.index(each) > order.index(state) for each in nexts)


def test_the_end_is_reachable_from_everywhere_and_final() -> None:
    assert MOVES[State.LOST] == set()
    assert all(State.LOST in nexts for state, nexts in MOVES.items() if state is not State.LOST)


def test_a_report_names_the_users_function_and_what_is_known(loop: EventLoop) -> None:
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    error = ValueError("no")

    class Raises(Protocol):
        def data_received(self, data: bytes) -> None:
            raise error

    ours = Raises()
    left, right = memory_pair(loop, Protocol(), ours)
    loop.run_once(0)
    left.write(b"x")
    for _ in range(6):
        loop.run_once(0)
    assert contexts == [
        {"message": "exception in data_received", "exception": error, "transport": right, "protocol": ours}
    ]
