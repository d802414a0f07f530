"""Way: what becomes of packets, by what it was told and by its own dice."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from reactor.testing.sim.events import Events
from reactor.testing.sim.log import EventLog
from reactor.testing.sim.way import CONDITIONS, Link, Way


def way(**conditions: Any) -> Way:
    events = Events()
    return Way(events, EventLog(events, 100), "a>b", Random("7"), {**CONDITIONS, **conditions})


def test_a_packet_takes_the_latency_and_a_share_of_the_jitter() -> None:
    one = way(latency=1.0, jitter=0.5)
    times = [one.carry(10) for _ in range(100)]
    assert all(time is not None and 1.0 <= time < 1.5 for time in times)
    assert len({*times}) > 90


def test_bandwidth_is_shared_by_what_is_sent_at_once() -> None:
    one = way(latency=1.0, bandwidth=100)
    assert [one.carry(50), one.carry(50)] == [1.5, 2.0]


def test_a_pause_holds_what_is_sent_and_loses_none() -> None:
    one = way(latency=1.0)
    one.pause(5)
    assert one.carry(50) == 6.0


def test_a_blocked_way_carries_nothing_and_a_bad_one_half() -> None:
    assert way(blocked=True).carry(1) is None
    one = way(loss=0.5)
    assert 350 < sum(one.carry(1) is None for _ in range(1000)) < 650


def test_datagrams_are_lost_and_doubled_and_come_late() -> None:
    assert way(blocked=True).carry_datagram(1) == []
    assert len(way(duplicate=1.0).carry_datagram(1)) == 2
    assert max(way(latency=1.0, reorder=1.0).carry_datagram(1)) > 1.0


def test_what_is_cut_is_whole_together() -> None:
    data = bytes(range(200))
    pieces = list(way(cuts=0.9).cut(data))
    assert len(pieces) > 1
    assert all(pieces)
    assert b"".join(pieces) == data
    assert list(way().cut(data)) == [data]


def test_conditions_are_changed_for_one_way_or_for_both() -> None:
    there, back = way(), way()
    there.set(loss=0.1)
    Link(there, back).set(latency=3.0)
    Link(there, back).pause(2)
    assert (there.loss, back.loss, there.carry(1), back.carry(1)) == (0.1, 0.0, 5.0, 5.0)


def test_a_condition_that_is_none_is_named() -> None:
    with pytest.raises(TypeError, match="there is no condition 'lantency': latency, jitter"):
        way().set(lantency=1)


def test_the_same_dice_fall_the_same() -> None:
    one, other = way(loss=0.5, jitter=1.0), way(loss=0.5, jitter=1.0)
    assert [one.carry(1) for _ in range(50)] == [other.carry(1) for _ in range(50)]
