"""play(): one scenario on the network of one seed."""

from __future__ import annotations

from reactor import Protocol
from reactor.testing import SimNetwork, play


def test_what_passes_has_no_error() -> None:
    outcome = play(lambda network: network.run(5), 7)
    assert (outcome.seed, outcome.failed, outcome.error, outcome.trace) == (7, False, None, "")


def test_what_a_scenario_raises_is_a_failure_with_its_trace_and_its_log() -> None:
    def wrong(network: SimNetwork) -> None:
        network.host("one")
        network.run(5)
        raise LookupError("not found")

    outcome = play(wrong, 7)
    assert outcome.failed
    assert "LookupError: not found" in outcome.trace
    assert outcome.log.lines()[-1] == "      5.000000 scenario         fails: LookupError: not found"


def test_what_a_callback_raises_is_one_too() -> None:
    def wrong(network: SimNetwork) -> None:
        network.host("one").reactor.call_later(2, lambda: 1 / 0)
        network.run(5)

    assert isinstance(play(wrong, 7).error, ZeroDivisionError)


def test_faults_that_are_left_out_do_not_happen() -> None:
    def troubled(network: SimNetwork) -> None:
        network.host("one", setup=lambda reactor: reactor.listen_tcp(Protocol, None, 1))
        network.disturb("freeze", every=1, until=20)
        network.run(30)

    whole = play(troubled, 1)
    less = play(troubled, 1, without=[0, 1])
    assert [fault.number for fault in less.faults] == [fault.number for fault in whole.faults][2:]
    assert less.without == {0, 1}


def test_failures_are_alike_by_their_class() -> None:
    one, same, other, none = (play(raising, seed) for seed in range(4))
    assert one.is_like(same)
    assert not one.is_like(other)
    assert not none.is_like(none)


def raising(network: SimNetwork) -> None:
    if network.seed < 3:
        raise (ValueError if network.seed < 2 else KeyError)("wrong")
