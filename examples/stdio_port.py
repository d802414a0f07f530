"""A program that another one runs and talks to over stdin and stdout: an Erlang port, say, opened with {packet, 4}.

Each message is 4 bytes of length and a body, and is answered with itself. Erlang's end of it:

    Port = open_port({spawn_executable, Python}, [{args, ["examples/stdio_port.py"]}, {packet, 4}, binary]).

What is printed would be part of the conversation: say it on stderr.
"""

from reactor import FramedProtocol, Reactor


class Port(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message)

    def connection_lost(self, exc: Exception | None) -> None:  # whoever runs us has closed our stdin, or is gone
        reactor.stop()


with Reactor() as reactor:
    reactor.connect_pipe(Port, 0, 1)
    reactor.run()
