"""A DNS server for UDP and TCP on one port: N.example has the address that N counts to, and N lines of text.

Run: python examples/dns_server.py 127.0.0.1 5353 & dig @127.0.0.1 -p 5353 258.example TXT"""

import signal
import struct
import sys
from contextlib import suppress

from reactor import DatagramProtocol, FramedProtocol, Limits, Reactor, presets

A, TXT, IN, IS_ANSWER, IS_CUT, KEPT, NO_NAME = 1, 16, 1, 0x8400, 0x0200, 0x7900, 3  # types, a class, flags: RFC 1035


def answer(query: bytes, room: int) -> bytes:
    """Return the answer to a query, in so many bytes; IndexError, struct.error or ValueError say that it is none."""
    number, flags, _ = struct.unpack_from(">HHH", query)
    labels, at = list[bytes](), 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].lower())
        at += 1 + size
    (kind,) = struct.unpack_from(">H", query, at + 1)
    known = labels[1:] == [b"example"] and labels[0].isdigit()
    count, flags = int(labels[0]) if known else 0, flags & KEPT | IS_ANSWER | (0 if known else NO_NAME)
    lines = [b"line %d" % each for each in range(min(count, 1000))]
    found = {A: [(10 << 24 | count & 0xFFFFFF).to_bytes(4, "big")], TXT: [bytes([len(each)]) + each for each in lines]}
    values = found.get(kind, []) if known else []
    records = b"".join(struct.pack(">HHHIH", 0xC00C, kind, IN, 60, len(value)) + value for value in values)
    if at + 5 + len(records) > room:  # who is told that an answer is cut asks again over TCP
        values, records, flags = [], b"", flags | IS_CUT
    return struct.pack(">HHHHHH", number, flags, 1, len(values), 0, 0) + query[12 : at + 5] + records


class OverUDP(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: object) -> None:
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


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with Reactor() as reactor:
        server = reactor.listen_tcp(OverTCP, sys.argv[1], int(sys.argv[2]), limits=Limits(read_timeout=10))
        reactor.bind_udp(OverUDP, *server.addresses[0][:2])
        print(f"listening on {server}", flush=True)
        reactor.add_signal_handler(signal.SIGTERM, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()
