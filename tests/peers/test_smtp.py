"""Python's own smtplib sends a mail to our server: lines, and a message up to a dot."""

from __future__ import annotations

import smtplib
from types import ModuleType

from peers.our_side import asked

from reactor import FramedProtocol, Framing, Reactor, presets

_END = b"\r\n.\r\n"  # of the message behind DATA


class Server(FramedProtocol):
    framing = LINES = presets.lines(b"\r\n", max_frame_length=510)

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.mails: list[bytes] = []

    def connection_made(self, transport: object) -> None:
        self.send(b"220 ready")

    def message_received(self, message: bytes) -> None:
        if self.framing is not self.LINES:
            self.mails.append(message)
            self.framing = self.LINES
            self.send(b"250 it is kept")
            return
        self.commands.append(message[:4].upper())
        if self.commands[-1] == b"DATA":
            self.send(b"354 go on")
            self.framing = Framing.delimited(_END)
        elif self.commands[-1] == b"QUIT":
            self.send(b"221 so long")
            self.transport.close()
        else:
            self.send(b"250 well")


def test_a_mail_arrives_with_its_doubled_dots(net: Reactor, twin: ModuleType) -> None:
    server = Server()
    port = net.listen_tcp(lambda: server, "127.0.0.1", 0).addresses[0][1]
    lines = ["Subject: dots", "", ".", "..", "x" * 900, *("a line\r" * 3).split("\r")] * 50

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for _ in range(2):
                client.sendmail("alice@example.com", ["bob@example.com"], "\r\n".join(lines))

    asked(net, send)
    doubled = "\r\n".join("." + line if line.startswith(".") else line for line in lines)
    assert server.mails == [doubled.removesuffix("\r\n").encode()] * 2
    assert server.commands == [b"EHLO", *[b"MAIL", b"RCPT", b"DATA"] * 2, b"QUIT"]
