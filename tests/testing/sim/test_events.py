"""Events: what is to happen, in order of time and then of asking."""

from reactor.testing.sim.events import Events


def test_events_come_by_time_and_equal_times_first_in_first_out() -> None:
    events, came = Events(), []
    events.at(2, came.append, "late")
    events.at(1, came.append, "one")
    events.at(1, came.append, "two")
    events.run(5, lambda: False)
    assert came == ["one", "two", "late"]
    assert events.now == 5


def test_what_is_past_is_now() -> None:
    events, came = Events(), []
    events.run(3, lambda: False)
    events.at(1, lambda: came.append(events.now))
    events.run(3, lambda: False)
    assert came == [3]


def test_it_stops_where_it_is_told_and_goes_on_from_there() -> None:
    events, came = Events(), []
    for each in (1, 2, 3):
        events.after(each, came.append, each)
    events.run(9, lambda: came[-1] == 2)
    assert (came, events.now) == ([1, 2], 2)
    events.run(9, lambda: False)
    assert (came, events.now) == ([1, 2, 3], 9)


def test_nothing_comes_of_what_was_cleared() -> None:
    events, came = Events(), []
    events.after(1, came.append, 1)
    events.clear()
    events.run(2, lambda: False)
    assert came == []
