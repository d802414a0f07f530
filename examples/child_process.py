"""Run a program and talk to it over its stdin and stdout.

Try it with one that answers with what it was sent:

    python examples/child_process.py python examples/stdio_port.py

The files are given as they are; bufsize=0, or Python might read ahead.
"""

import subprocess
import sys

from reactor import FramedProtocol, Reactor, Transport


class Conversation(FramedProtocol):
    def connection_made(self, transport: Transport) -> None:
        self.send(b"hello")

    def message_received(self, message: bytes) -> None:
        print(message.decode())
        self.transport.close()  # the child's stdin, too: it sees the end

    def connection_lost(self, exc: Exception | None) -> None:
        reactor.stop()


if not sys.argv[1:]:
    sys.exit(__doc__)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
with Reactor() as reactor:
    reactor.connect_pipe(Conversation, child.stdout, child.stdin)
    reactor.run()
sys.exit(child.wait())
