"""Twisted's length-prefixed protocols in a process of their own.

`twisted_peer.py serve WIDTH` prints its port, then echoes on one connection until that ends.
`twisted_peer.py talk WIDTH PORT` says the conversation, prints "ok" or what was wrong with the echoes.
"""

from __future__ import annotations

import signal
import sys

from conversation import LARGEST, bodies, difference
from twisted.internet import endpoints, reactor
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int8StringReceiver, Int16StringReceiver, Int32StringReceiver

_RECEIVERS = {1: Int8StringReceiver, 2: Int16StringReceiver, 4: Int32StringReceiver}
_PATIENCE = 60  # seconds until a peer that nobody waits for any more ends by itself


def echo_on(receiver: type) -> type:
    class Echo(receiver):
        def stringReceived(self, string):  # noqa: N802 - Twisted's word
            self.sendString(string)

        def connectionLost(self, reason):  # noqa: N802
            reactor.stop()

    return Echo


def talk_on(receiver: type, said: list[bytes]) -> type:
    class Talk(receiver):
        def connectionMade(self):  # noqa: N802
            self.came = []
            for message in said:
                self.sendString(message)

        def stringReceived(self, string):  # noqa: N802
            self.came.append(string)
            if len(self.came) == len(said):
                self.transport.loseWriteConnection()  # and go on reading: nothing more may come

        def connectionLost(self, reason):  # noqa: N802
            print(difference(said, self.came) or "ok", flush=True)
            reactor.stop()

    return Talk


def main(what: str, width: int, port: int = 0) -> None:
    signal.alarm(_PATIENCE)
    receiver = _RECEIVERS[width]
    receiver.MAX_LENGTH = LARGEST[width]
    if what == "serve":
        listening = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(echo_on(receiver))
        )
        listening.addCallback(lambda where: print(where.getHost().port, flush=True))
    else:
        connecting = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(
            Factory.forProtocol(talk_on(receiver, bodies(width)))
        )
        connecting.addErrback(lambda failure: (print(failure.getErrorMessage(), flush=True), reactor.stop()))
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
