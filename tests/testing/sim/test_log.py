"""EventLog: lines that are put together when they are read, the last of them."""

from reactor.testing.sim.events import Events
from reactor.testing.sim.log import EventLog


def test_a_line_has_its_time_its_place_and_its_text() -> None:
    events = Events()
    log = EventLog(events, 10)
    events.now = 1.5
    log.note("server", "reports %s, %d times", "this", 3)
    assert str(log) == "      1.500000 server           reports this, 3 times"


def test_it_keeps_the_last_lines_and_counts_all() -> None:
    log = EventLog(Events(), 3)
    for each in range(5):
        log.note("host", "%d", each)
    assert [line[-1] for line in log.lines()] == ["2", "3", "4"]
    assert [line[-1] for line in log.lines(2)] == ["3", "4"]
    assert (len(log), log.written) == (3, 5)


def test_a_text_without_arguments_may_have_percent_signs() -> None:
    log = EventLog(Events(), 3)
    log.note("host", "100% lost")
    assert str(log).endswith("100% lost")
