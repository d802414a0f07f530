"""A DNS server for UDP and TCP on one port: N.example has the address that N counts to, and N lines of text.

    python examples/dns_server.py 127.0.0.1 5353
    dig @127.0.0.1 -p 5353 258.example
    dig @127.0.0.1 -p 5353 258.example TXT

An answer that is too long for a datagram is cut, and says so: whoever asked asks again over TCP.
"""

import signal
import struct
import sys
from contextlib import suppress
from typing import Any

from reactor import DatagramProtocol, FramedProtocol, Limits, Reactor, presets

A, TXT, IN = 1, 16, 1
IS_ANSWER, IS_CUT, KEPT, NO_NAME = 0x8400, 0x0200, 0x7900, 3  # of a header's flags (RFC 1035, 4.1.1)
LIMITS = Limits(max_connections=1000, first_message_timeout=5, read_timeout=10, write_timeout=5)


def answer(query: bytes, room: int) -> bytes:
    """Return the answer to a query, in so many bytes; IndexError, struct.error or ValueError say that it is none."""
    number, flags, _ = struct.unpack_from(">HHH", query)
    labels: list[bytes] = []
    at = 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].lower())
        at += 1 + query[at]
    (kind,) = struct.unpack_from(">H", query, at + 1)
    known = labels[1:] == [b"example"] and labels[0].isdigit()
    values, flags = values_of(int(labels[0]), kind) if known else [], flags & KEPT | IS_ANSWER
    records = b"".join(struct.pack(">HHHIH", 0xC00C, kind, IN, 60, len(value)) + value for value in values)
    if at + 5 + len(records) > room:
        values, records, flags = [], b"", flags | IS_CUT
    header = struct.pack(">HHHHHH", number, flags if known else flags | NO_NAME, 1, len(values), 0, 0)
    return header + query[12 : at + 5] + records


def values_of(count: int, kind: int) -> list[bytes]:
    if kind == TXT:
        return [bytes([len(text)]) + text for text in (b"line %d" % each for each in range(min(count, 1000)))]
    return [(10 << 24 | count & 0xFFFFFF).to_bytes(4, "big")] if kind == A else []


class OverUDP(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        with suppress(IndexError, struct.error, ValueError):  # anybody may send anything: it must not end the server
            self.transport.sendto(answer(data, 512), addr)


class OverTCP(FramedProtocol):
    framing = presets.dns()

    def message_received(self, message: bytes) -> None:
        try:
            self.send(answer(message, 65535))
        except (IndexError, struct.error, ValueError) as exc:
            print(f"{self.transport.get_extra_info('peername')}: no question: {exc}", file=sys.stderr, flush=True)
            self.transport.abort()


def main(host: str, port: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(OverTCP, host, int(port), limits=LIMITS)
        reactor.bind_udp(OverUDP, *server.addresses[0][:2])
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
