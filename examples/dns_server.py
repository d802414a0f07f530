"""A DNS server for UDP and TCP on one port: N.example has the address that N counts to, and N lines of text.

Usage: python examples/dns_server.py PORT; dig @127.0.0.1 -p PORT 258.example; dig @127.0.0.1 -p PORT 258.example TXT
"""

import struct
import sys
from contextlib import suppress

from reactor import DatagramProtocol, FramedProtocol, Framing, Reactor

A, TXT, IN = 1, 16, 1
IS_ANSWER, IS_CUT, KEPT, NO_NAME = 0x8400, 0x0200, 0x7900, 3  # of a header's flags (RFC 1035, 4.1.1)


def answer(query, room):
    """Return the answer to a query, in so many bytes; IndexError, struct.error or ValueError say that it is none."""
    number, flags, _ = struct.unpack_from(">HHH", query)
    labels, at = [], 12
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


def values_of(count, kind):
    if kind == TXT:
        return [bytes([len(text)]) + text for text in (b"line %d" % each for each in range(min(count, 1000)))]
    return [(10 << 24 | count & 0xFFFFFF).to_bytes(4, "big")] if kind == A else []


class OverUDP(DatagramProtocol):
    def datagram_received(self, data, addr):
        with suppress(IndexError, struct.error, ValueError):  # anybody may send anything: it must not end the server
            self.transport.sendto(answer(data, 512), addr)  # who is told that an answer is cut asks again over TCP


class OverTCP(FramedProtocol):
    framing = Framing(2, max_frame_length=65535)

    def message_received(self, message):
        self.send(answer(message, 65535))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with Reactor() as reactor:
        host, port = reactor.listen_tcp(OverTCP, "127.0.0.1", int(sys.argv[1])).addresses[0]
        reactor.bind_udp(OverUDP, host, port)
        print(f"listening on {host}:{port}", flush=True)
        reactor.run()
