"""Sends a file as one frame, in flat memory at both ends: python examples/send_file.py receive|send HOST PORT FILE"""

import os
import sys
from typing import IO

from reactor import FramedProtocol, Framing, Limits, Piece, Reactor, Transport

PART = 1 << 16  # bytes that are read and written at once
PATIENT = Limits(max_connections=1, frame_timeout=None, idle_timeout=600)  # megabytes may be on their way


class End(FramedProtocol):
    failure: object = "the peer ended the connection"  # while nothing better is known

    def __init__(self, reactor: Reactor, file: IO[bytes]) -> None:
        self.reactor, self.file = reactor, file

    def connection_lost(self, exc: BaseException | None) -> None:
        self.failure = exc or self.failure
        self.reactor.stop()


class Sender(End):
    framing = Framing(8, max_frame_length=1 << 62)
    paused = False

    def connection_made(self, transport: Transport) -> None:
        self.left = os.path.getsize(self.file.fileno())
        transport.write(self.framing.header(self.left))
        self.go_on()

    def go_on(self) -> None:
        while self.left and not self.paused and not self.transport.is_closing():
            part = self.file.read(min(PART, self.left))
            if not part:
                raise EOFError("the file has become shorter")
            self.left -= len(part)
            self.transport.write(part)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.go_on()

    def message_received(self, message: bytes) -> None:
        print(message.decode())
        self.failure = None if message.endswith(b" bytes came") else self.failure
        self.transport.close()


class Receiver(End):
    framing = Framing(8, max_frame_length=PART, oversize="stream")  # what is larger comes in pieces

    def piece_received(self, piece: Piece) -> None:
        self.file.write(piece)
        if piece.last:
            self.failure = None
            self.send(b"%d bytes came" % self.file.tell())

    def message_received(self, message: bytes) -> None:  # a small file, whole
        self.piece_received(Piece(message, 0, len(message)))


def main(what: str, host: str, port: str, path: str) -> str | None:
    with Reactor() as reactor, open(path, "rb" if what == "send" else "wb") as file:
        end = (Sender if what == "send" else Receiver)(reactor, file)
        if what == "send":
            reactor.connect_tcp(lambda: end, host, int(port), limits=PATIENT, on_failure=end.connection_lost)
        else:
            print(f"listening on {reactor.listen_tcp(lambda: end, host, int(port), limits=PATIENT)}", flush=True)
        reactor.run()
    return f"send_file: {end.failure}" if end.failure else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 5 else __doc__)
