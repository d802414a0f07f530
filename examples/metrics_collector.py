"""A collector of metrics over UDP, as statsd has them: counts and gauges, and what was lost on the way is told, too.

    python examples/metrics_collector.py 127.0.0.1 8125
    echo "jobs.done:1|c" | nc -u -w 1 127.0.0.1 8125
    nc 127.0.0.1 8125

Who connects over TCP to the same port gets the report, and so does the terminal at the end.
"""

import re
import signal
import sys
from functools import partial

from reactor import DatagramProtocol, Limits, Protocol, Reactor, Transport

METRIC = re.compile(rb"([\w.-]{1,100}):([+-]?\d{1,15}(?:\.\d{1,9})?)\|([cg])")
MOST_NAMES = 10_000  # anybody may send any: one more name is refused, and counted
LIMITS = Limits(max_connections=10, write_timeout=5)


class Metrics(DatagramProtocol):
    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.gauges: dict[str, float] = {}
        self.malformed = self.refused = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        for line in data.splitlines():
            match = METRIC.fullmatch(line)
            if match is None:
                self.malformed += 1
            else:
                self.take(match[1].decode(), float(match[2]), match[3])

    def take(self, name: str, value: float, kind: bytes) -> None:
        table = self.counts if kind == b"c" else self.gauges
        if name not in table and len(self.counts) + len(self.gauges) >= MOST_NAMES:
            self.refused += 1
        else:
            table[name] = value + (self.counts.get(name, 0) if kind == b"c" else 0)

    def report(self, stats: dict[str, int]) -> str:
        lost: dict[str, float] = {
            "malformed": self.malformed,
            "refused": self.refused,
            "missed": stats["datagrams_missed"],  # they came while the kernel's queue was full
            "cut": stats["datagrams_cut"],
        }
        tables = {"count": self.counts, "gauge": self.gauges, "lost": lost}
        lines = [f"{kind} {name} {value:.15g}\n" for kind, table in tables.items() for name, value in table.items()]
        return "".join(sorted(lines))


class Reporter(Protocol):
    def __init__(self, reactor: Reactor, metrics: Metrics) -> None:
        self.reactor, self.metrics = reactor, metrics

    def connection_made(self, transport: Transport) -> None:
        transport.write(self.metrics.report(self.reactor.stats()).encode())
        transport.close()


def main(host: str, port: str) -> None:
    metrics = Metrics()
    with Reactor() as reactor:
        server = reactor.listen_tcp(partial(Reporter, reactor, metrics), host, int(port), limits=LIMITS)
        reactor.bind_udp(lambda: metrics, *server.addresses[0][:2])
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()
        print(metrics.report(reactor.stats()), end="")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
