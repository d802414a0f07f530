"""CPU of an echo server per connection: accepted, one message echoed, closed. In turns within one run."""

from __future__ import annotations

from contextlib import ExitStack

from options import arguments, best_peer, ratio, servers_of
from race import FLOOR, LOAD_CORE, OUT, Figures, Program, Window, build, in_turns, server
from results import save

AT_ONCE, SIZE = 64, 64
CONNECTIONS = 1000  # a window; their ports rest for a second, and each server has 28,000
TITLES = {"tcp": "accept", "tls": "accept, TLS handshake"}


class Dialer:
    """One server with connections that come and go."""

    def __init__(self, name: str, kind: str, stack: ExitStack) -> None:
        self.server = server(name, kind, stack)
        words = [kind, self.server.hear(), str(AT_ONCE), str(SIZE)]
        self._dial = stack.enter_context(Program(LOAD_CORE, [str(OUT / "dial"), *words], {}))
        assert self._dial.hear() == "ready"

    def window(self) -> Window:
        before = self.server.cpu_ns()
        self._dial.tell(str(CONNECTIONS))
        connections, nanoseconds = map(int, self._dial.hear().split())
        return Window((self.server.cpu_ns() - before) / connections / 1e3, connections / nanoseconds * 1e9)


def measure(kind: str, names: list[str], rounds: int) -> dict[str, Figures]:
    found = in_turns(names, lambda name, stack: Dialer(name, kind, stack), Dialer.window, rounds)
    return {name: Figures(windows) for name, windows in found.items()}


def show(kind: str, found: dict[str, Figures], rounds: int) -> None:
    print(f"\n{TITLES[kind]}, echo {SIZE} B, close; {AT_ONCE} at once: server CPU a connection, least of {rounds}")
    print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'to best peer':>13} {'connections/s':>14}")
    best = best_peer(found)
    for name, each in found.items():
        to_floor, to_best = ratio(each, found.get(FLOOR)), ratio(each, best)
        print(
            f"  {name:28} {each.least:7.1f}us {each.median:7.1f}us {to_floor:>9} {to_best:>13} {each.rate:14,.0f}",
            flush=True,
        )


def main() -> None:
    parser = arguments("Measure what a connection costs echo servers, in turns.", 9, list(TITLES), list(TITLES))
    args = parser.parse_args()
    rounds = 3 if args.quick else args.rounds
    build()
    cases = {}
    for kind in args.cases:
        if not (names := servers_of(kind, args)):
            continue
        found = measure(kind, names, rounds)
        show(kind, found, rounds)
        cases[kind] = {name: each.plain() for name, each in found.items()}
    if args.json:
        save(args.json, rounds, {"cases": cases})


if __name__ == "__main__":
    main()
