"""A key-value store with a small binary protocol of its own: bad requests are answered, and the store has a bound.

    python examples/key_value_store.py 127.0.0.1 9000
    python examples/key_value_client.py 127.0.0.1 9000 "set colour dark red" "get colour" "delete colour" "get colour"

A request is [length: 4][what: 1][length of the key: 1][key][value], an answer [length: 4][verdict: 1][value].
"""

import signal
import sys
from enum import IntEnum

from reactor import FramedProtocol, Framing, Limits, Reactor

LIMITS = Limits(max_connections=1000, read_timeout=600, write_timeout=10)
MEMORY, ENTRY = 64 << 20, 200  # bytes for all; bytes that an entry takes beside its own
What = IntEnum("What", ["GET", "SET", "DELETE"])  # 1, 2, 3
Verdict = IntEnum("Verdict", ["OK", "MISSING", "FULL", "BAD"])


class Store(dict[bytes, bytes]):
    taken = 0

    def answer(self, request: bytes) -> tuple[Verdict, bytes]:
        end = 2 + request[1] if len(request) > 1 else 2  # of the key
        key, value = request[2:end], request[end:]
        match request[0] if len(request) >= end else None:
            case What.SET:
                return self.put(key, value), b""
            case What.GET if key in self:
                return Verdict.OK, self[key]
            case What.DELETE if key in self:
                self.taken -= ENTRY + len(key) + len(self.pop(key))
                return Verdict.OK, b""
            case What.GET | What.DELETE:
                return Verdict.MISSING, b""
        return Verdict.BAD, b""

    def put(self, key: bytes, value: bytes) -> Verdict:
        more = len(value) - len(self[key]) if key in self else ENTRY + len(key) + len(value)
        if self.taken + more > MEMORY:
            return Verdict.FULL
        self[key], self.taken = value, self.taken + more
        return Verdict.OK


class Asked(FramedProtocol):
    framing = Framing(max_frame_length=64 * 1024)
    store = Store()  # one for all connections

    def message_received(self, message: bytes) -> None:
        verdict, value = self.store.answer(message)
        self.send(bytes([verdict]) + value)

    def pause_writing(self) -> None:  # who doesn't read its answers is asked for no more requests
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)


def main(host: str, port: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(Asked, host, int(port), limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
