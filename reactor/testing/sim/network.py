"""SimNetwork: hosts, the ways between them, one time and one log. Law: the seed decides, and nothing else does.

So no set is iterated, no `id()` or hash has a say, and chance comes from `random.Random.random()` alone, which is the
same on every machine and Python. While it runs, the module `random` has the seed's numbers, too, for back-offs and for
the code that is tested.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, TypeVar

from .datagram_socket import SimDatagramSocket
from .events import Events
from .faults import GENTLE, Fault, Trouble, draw
from .host import SimHost
from .log import EventLog
from .process import SimReactor
from .way import CONDITIONS, Link, Way, check_conditions

_LOOPBACK = {**CONDITIONS, "latency": 0.00002}
_UDP_HEADER = 28

Network = TypeVar("Network", bound="SimNetwork")


class SimNetwork:
    """A network of one seed. `conditions` are those of `CONDITIONS` that hold for every way unless it is told others.

    Use it in `with`, or `close()` it. `log`: everything that happened. `dice`: chance for the scenario's own use.
    """

    def __init__(
        self, seed: int = 0, *, log_lines: int = 1_000_000, without: Iterable[int] = (), **conditions: Any
    ) -> None:
        check_conditions(conditions)
        self.seed = seed
        self.without = frozenset(without)  # the numbers of faults that don't happen
        self.faults: list[Fault] = []  # those that do
        self.events = Events()
        self.log = EventLog(self.events, log_lines)
        self.dice = self.new_dice("scenario")
        self.hosts: dict[str, SimHost] = {}
        self._conditions = {**CONDITIONS, **conditions}
        self._ways: dict[tuple[str, str], Way] = {}
        self._at: dict[str, SimHost] = {}  # by address
        self._names: dict[str, tuple[str, ...]] = {}
        self._failure: BaseException | None = None
        self._theirs = self.new_dice("random").getstate()  # of the module `random`, between two runs

    def new_dice(self, name: str) -> Random:
        """Return chance that nothing else has a share in."""
        return Random(f"{self.seed}/{name}")

    @property
    def time(self) -> float:
        """The simulated seconds since the beginning."""
        return self.events.now

    # --- what there is

    def host(
        self, name: str, *addresses: str, setup: Callable[[SimReactor], object] | None = None, drift: float = 1.0
    ) -> SimHost:
        """Return a new host, which runs. Without addresses it has one: 10.0.0.1, 10.0.0.2 and so on.

        `setup(reactor)` starts its program, now and behind each restart. `drift`: how fast its clock runs.
        """
        if name in self.hosts:
            raise ValueError(f"there is a host {name!r} already")
        number = len(self.hosts) + 1
        addresses = addresses or (f"10.0.{number >> 8}.{number & 255}",)
        for address in addresses:
            if address in self._at:
                raise ValueError(f"{address} is {self._at[address].name}'s already")
        start = 1000.0 + self.new_dice(f"clock {name}").random() * 1e5
        host = self.hosts[name] = SimHost(self, name, addresses, setup, start)
        self._at.update(dict.fromkeys(addresses, host))
        self._names[name] = addresses
        if drift != 1.0:
            host.drift(drift)
        host.boot()
        return host

    def name(self, name: str, *addresses: str) -> None:
        """Let a name stand for these addresses, from now on; for none, it is unknown."""
        self._names[name] = addresses

    def way(self, source: str, target: str) -> Way:
        """Return one direction between two hosts."""
        way = self._ways.get((source, target))
        if way is None:
            conditions = _LOOPBACK if source == target else self._conditions
            name = f"{source}>{target}"
            way = self._ways[source, target] = Way(self.events, self.log, name, self.new_dice(name), conditions)
        return way

    def link(self, one: str, other: str) -> Link:
        """Return both directions between two hosts."""
        return Link(self.way(one, other), self.way(other, one))

    def partition(self, *groups: Iterable[str]) -> None:
        """Let nothing pass between these groups of hosts; inside of each it goes on."""
        parts = [list(group) for group in groups]
        for one, part in enumerate(parts):
            for other in parts[one + 1 :]:
                for source in part:
                    for target in other:
                        self.link(source, target).set(blocked=True)

    def heal(self) -> None:
        """Let everything pass again."""
        for way in self._ways.values():
            if way.blocked:
                way.set(blocked=False)

    def set(self, **conditions: Any) -> None:
        """Change conditions of every way between two hosts, those too that come later."""
        check_conditions(conditions)
        self._conditions.update(conditions)
        for (source, target), way in self._ways.items():
            if source != target:
                way.set(**conditions)

    def disturb(
        self,
        *kinds: str,
        every: float = 10.0,
        until: float = 60.0,
        longest: float = 10.0,
        hosts: Sequence[str] | None = None,
    ) -> None:
        """Let things go wrong up to a time, about one in `every` seconds, each for `longest` seconds at most.

        `kinds`: of `KINDS`; all that cost no host its memory or its time unless told. `hosts`: whom it may happen to.
        """
        trouble = Trouble(self, hosts)
        for fault in draw(self.new_dice, kinds or GENTLE, every, until, longest):
            if fault.number not in self.without:
                self.faults.append(fault)
                self.events.at(self.time + fault.when, trouble.begin, fault)

    # --- what happens

    def at(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at that time of the network, from outside of every host."""
        self.events.at(when, self._call, callback, args)

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Call in so many seconds of the network, from outside of every host."""
        self.events.after(seconds, self._call, callback, args)

    def run(self, seconds: float) -> None:
        """Let so much time pass. Raises what a callback has raised that isn't the network's doing."""
        self._run(self.time + seconds, lambda: self._failure is not None)

    def run_until(self, condition: Callable[[], object], timeout: float = 3600.0) -> None:
        """Let time pass until the condition holds. Raises TimeoutError if it doesn't for so many seconds."""
        if condition():
            return
        met: list[object] = []

        def over() -> bool:
            if condition():
                met.append(True)
            return bool(met) or self._failure is not None

        self._run(self.time + timeout, over)
        if not met:
            raise TimeoutError(f"in {timeout:g} s of the network's the condition was never true")

    def note(self, text: str, *args: Any) -> None:
        """Write a line of the scenario's own into the log."""
        self.log.note("scenario", text, *args)

    def failed(self, exc: BaseException) -> None:
        """Have `run()` raise this; the first one counts."""
        self._failure = self._failure or exc

    def close(self) -> None:
        """End all hosts. Idempotent."""
        self.events.clear()
        for host in self.hosts.values():
            host.drop()

    def __enter__(self: Network) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, until: float, is_over: Callable[[], object]) -> None:
        ours = random.getstate()
        random.setstate(self._theirs)
        try:
            self.poke_all()
            self.events.run(until, is_over)
        finally:
            self._theirs = random.getstate()
            random.setstate(ours)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _call(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        callback(*args)
        self.poke_all()  # it may have called any host's reactor, which doesn't know

    def poke_all(self) -> None:
        """Have every host look whether there is something to do."""
        for host in self.hosts.values():
            host.look()

    # --- what hosts ask

    def host_at(self, address: str) -> SimHost | None:
        return self._at.get(address)

    def look_up(self, host: SimHost, name: str) -> list[str]:
        """Return the addresses of a name. Raises gaierror as getaddrinfo() does."""
        if host.names_fail:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        found = self._names.get(name, ())
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return list(found)

    def carry_datagram(
        self, file: SimDatagramSocket, sender: Any, host: SimHost | None, data: bytes, address: Any
    ) -> None:
        """Let a datagram go; who is there tells the sender if nobody listens."""
        where = f"{file.label}>{address[0] if host is None else host.name}:{address[1]}"
        way = None if host is None else self.way(file.host.name, host.name)
        copies = [] if way is None else way.carry_datagram(_UDP_HEADER + len(data))
        self.log.note(where, "udp %d bytes%s", len(data), _fate(copies))
        for seconds in copies:
            self.events.after(seconds, self._datagram_arrives, where, file, sender, host, data, address)

    def _datagram_arrives(
        self, where: str, file: SimDatagramSocket, sender: Any, host: SimHost, data: bytes, address: Any
    ) -> None:
        if not host.up:
            return self.log.note(where, "udp %d bytes for a host that is down", len(data))
        target = host.machine.bound_at(socket.SOCK_DGRAM, address)
        if target is None:
            self.log.note(where, "udp %d bytes refused", len(data))
            seconds = self.way(host.name, file.host.name).carry(_UDP_HEADER)
            return None if seconds is None else self.events.after(seconds, file.fail, errno.ECONNREFUSED)
        most = self.way(file.host.name, host.name).backlog
        fits = target.datagram_came(data, sender, most)
        return self.log.note(where, "udp %d bytes %s", len(data), "arrive" if fits else "find no room")


def _fate(copies: list[float]) -> str:
    return {0: ", lost", 1: ""}.get(len(copies), ", twice")
