"""A server that takes files of any size from anybody, in flat memory: each goes to disk as it comes.

    python examples/file_receiver.py 127.0.0.1 9000 DIRECTORY
    python examples/send_file.py send 127.0.0.1 9000 FILE

A file is a frame whose length has 8 bytes. Its SHA-256 becomes its name, so nobody writes over what others have sent.
Half a file is never seen: it has a name of its own until it is whole, and is gone if that doesn't come to be.
"""

import hashlib
import os
import signal
import sys
import tempfile
from functools import partial
from typing import IO

from reactor import FramedProtocol, Framing, Limits, Piece, Reactor

PART = 1 << 16  # bytes; what is larger comes in pieces
LARGEST = 4 << 30  # bytes of a file
LIMITS = Limits(max_connections=100, max_per_peer=10, frame_timeout=30, read_timeout=300)  # 30 s from piece to piece


class Receiver(FramedProtocol):
    framing = Framing(8, max_frame_length=PART, oversize="stream")
    file: IO[bytes] | None = None

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def message_received(self, message: bytes) -> None:  # a small file, whole
        self.piece_received(Piece(message, 0, len(message)))

    def piece_received(self, piece: Piece) -> None:
        try:
            self.take(piece, self.file or self.begin(piece))
        except OSError as exc:  # the disk is full, the file too large
            self.send(f"refused: {exc}".encode())
            self.transport.close()

    def begin(self, piece: Piece) -> IO[bytes]:
        if (piece.length or 0) > LARGEST:
            raise OSError(f"a file of {piece.length} bytes is too large, {LARGEST} are allowed")
        self.digest = hashlib.sha256()
        number, self.name = tempfile.mkstemp(prefix=".", dir=self.directory)
        self.file = os.fdopen(number, "wb")
        return self.file

    def take(self, piece: Piece, file: IO[bytes]) -> None:
        self.digest.update(piece)
        file.write(piece)  # a disk that keeps everybody waiting is for reactor.run_in_thread()
        if piece.last:
            file.close()
            os.replace(self.name, os.path.join(self.directory, self.digest.hexdigest()))
            self.file = None
            self.send(f"{self.digest.hexdigest()}: {piece.length} bytes came".encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.file is not None:
            self.file.close()
            os.unlink(self.name)
        if exc is not None:
            print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)


def main(host: str, port: str, directory: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(partial(Receiver, directory), host, int(port), limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):  # who is sending a file has half a minute to end it
            reactor.add_signal_handler(each, reactor.drain, 30, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
