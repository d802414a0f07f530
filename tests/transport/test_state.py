"""The states of a stream transport: only ever onwards."""

from reactor.transport.state import MOVES, State


def test_every_state_has_its_moves_and_none_leads_back() -> None:
    order = list(State)
    assert set(MOVES) == set(order)
    for state, nexts in MOVES.items():
        assert all(order.index(each) > order.index(state) for each in nexts)


def test_the_end_is_reachable_from_everywhere_and_final() -> None:
    assert MOVES[State.LOST] == set()
    assert all(State.LOST in nexts for state, nexts in MOVES.items() if state is not State.LOST)
