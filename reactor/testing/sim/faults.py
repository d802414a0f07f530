"""Faults: what goes wrong, and when. Law: all of it is drawn before it happens, each from dice of its own.

So one of them can be left out, and the others stay what they were: that is how a search finds those that are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from .host import SimHost
from .way import Way


class Fault:
    """One thing that goes wrong at `when`, for `seconds`. Has dice of its own."""

    def __init__(self, number: int, when: float, seconds: float, kind: str, dice: Random) -> None:
        self.number, self.when, self.seconds, self.kind = number, when, seconds, kind
        self.dice = dice

    def one_of(self, things: Sequence[Any]) -> Any:
        """Draw one of some things with the fault's own dice."""
        return things[int(self.dice.random() * len(things))]

    def __str__(self) -> str:
        return f"fault {self.number}: {self.kind} at {self.when:.3f} s for {self.seconds:.3f} s"


class Trouble:
    """Makes faults happen to the hosts of a network."""

    def __init__(self, network: Any, hosts: Sequence[str] | None) -> None:
        self._network = network
        self._names = hosts
        self._layers: dict[tuple[str, str], list[Any]] = {}  # what held before, and what each fault has set since

    def begin(self, fault: Fault) -> None:
        """Let it happen, to whoever its dice say."""
        network, hosts = self._network, self._hosts()
        if not hosts:
            return
        network.log.note("fault", "%s", str(fault))
        KINDS[fault.kind](self, fault, fault.one_of(hosts))
        network.poke_all()

    def _hosts(self) -> list[SimHost]:
        hosts = self._network.hosts
        return [hosts[name] for name in (hosts if self._names is None else self._names)]

    def _ways(self, fault: Fault, host: SimHost) -> list[Way]:
        """Return both ways between a host and another one."""
        others = [each.name for each in self._hosts() if each is not host]
        if not others:
            return []
        other = fault.one_of(others)
        return [self._network.way(host.name, other), self._network.way(other, host.name)]

    def _worsen(self, fault: Fault, ways: list[Way], **conditions: Any) -> None:
        """Set conditions for a time."""
        for way in ways:
            for name, value in conditions.items():
                self._lay(fault, way.name, name, partial(_set_condition, way, name), getattr(way, name), value)

    def _set(self, fault: Fault, host: SimHost, name: str, value: Any) -> None:
        """Set what a host has, for a time."""
        self._lay(fault, host.name, name, partial(_set_attribute, host, name), getattr(host, name), value)

    def _lay(
        self, fault: Fault, where: str, name: str, change: Callable[[Any], object], before: Any, value: Any
    ) -> None:
        """Set a value for a time. Of several faults the last one counts; behind all of them it is what it was."""
        layers = self._layers.setdefault((where, name), [(-1, before)])
        layers.append((fault.number, value))
        change(value)
        self._network.after(fault.seconds, self._lift, (where, name), fault.number, change)

    def _lift(self, place: tuple[str, str], number: int, change: Callable[[Any], object]) -> None:
        layers = [each for each in self._layers.pop(place) if each[0] != number]
        change(layers[-1][1])
        if len(layers) > 1:
            self._layers[place] = layers

    # --- what there is

    def partition(self, fault: Fault, host: SimHost) -> None:
        others = [each.name for each in self._hosts() if each is not host]
        ways = [self._network.way(*pair) for each in others for pair in ((host.name, each), (each, host.name))]
        self._worsen(fault, ways, blocked=True)

    def one_way(self, fault: Fault, host: SimHost) -> None:
        self._worsen(fault, self._ways(fault, host)[:1], blocked=True)

    def bad_link(self, fault: Fault, host: SimHost) -> None:
        chance = fault.dice.random()
        much = {"jitter": chance, "loss": 0.3 * chance, "cuts": 0.8, "duplicate": 0.3, "reorder": 0.3}
        self._worsen(fault, self._ways(fault, host), **much)

    def slow_link(self, fault: Fault, host: SimHost) -> None:
        self._worsen(fault, self._ways(fault, host), bandwidth=1000 + 100_000 * fault.dice.random(), buffer=4096)

    def pause(self, fault: Fault, host: SimHost) -> None:
        for way in self._ways(fault, host):
            way.pause(fault.seconds)

    def refuse(self, fault: Fault, host: SimHost) -> None:
        self._worsen(fault, self._ways(fault, host), refuses=True)

    def ignore(self, fault: Fault, host: SimHost) -> None:
        self._worsen(fault, self._ways(fault, host), ignores=True)

    def reset(self, fault: Fault, host: SimHost) -> None:
        host.reset_connections()

    def crash(self, fault: Fault, host: SimHost) -> None:
        if host.up:
            host.crash()
            host.restart(after=fault.seconds)

    def kill(self, fault: Fault, host: SimHost) -> None:
        if host.up:
            host.kill()
            host.restart(after=fault.seconds)

    def freeze(self, fault: Fault, host: SimHost) -> None:
        host.freeze(fault.seconds)

    def drift(self, fault: Fault, host: SimHost) -> None:
        self._lay(fault, host.name, "rate", host.drift, host.clock.rate, 0.5 + fault.dice.random())

    def descriptors(self, fault: Fault, host: SimHost) -> None:
        self._set(fault, host, "descriptors", host.machine.files)

    def names(self, fault: Fault, host: SimHost) -> None:
        self._set(fault, host, "names_fail", True)


def _set_condition(way: Way, name: str, value: Any) -> None:
    way.set(**{name: value})


def _set_attribute(host: SimHost, name: str, value: Any) -> None:
    setattr(host, name, value)
    host.note("has %s %s", name, value)


KINDS: dict[str, Callable[[Trouble, Fault, SimHost], None]] = {
    name: each for name, each in vars(Trouble).items() if not name.startswith("_") and name != "begin"
}
_ROUGH = {"crash", "kill", "drift"}  # a host loses its memory, or its time
GENTLE = tuple(name for name in KINDS if name not in _ROUGH)


def draw(
    new_dice: Callable[[str], Random], kinds: Sequence[str], every: float, until: float, longest: float
) -> list[Fault]:
    """Return what is to go wrong up to a time, one fault `every` so many seconds or so."""
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}: {', '.join(KINDS)}")
    faults: list[Fault] = []
    times, when = new_dice("faults"), 0.0
    while (when := when + 2 * every * times.random()) < until:
        dice = new_dice(f"fault {len(faults)}")
        kind = kinds[int(dice.random() * len(kinds))]
        faults.append(Fault(len(faults), when, longest * dice.random(), kind, dice))
    return faults
