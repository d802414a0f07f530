"""An application of several copies: `application.py CA CHAIN NAME…` has each of them echo, all in one process.

Every copy has a loop, two servers and two clients, over TCP and TLS; the loops run in turns. Prints for each its name,
its twin, and how many answers came. The copies know nothing of each other: none has a module or a class of another.
"""

from __future__ import annotations

import ssl
import sys
from importlib import import_module
from itertools import combinations
from typing import Any

MESSAGES = [b"", b"hello", b"x" * 100_000]
PATIENCE = 20.0  # seconds


def echo_class(copy: Any) -> type:
    class Echo(copy.FramedProtocol):  # type: ignore[misc]  # a class of any copy
        def message_received(self, message: bytes) -> None:
            self.send(message)

    return Echo


def client_class(copy: Any, answers: list[bytes]) -> type:
    class Client(copy.FramedProtocol):  # type: ignore[misc]  # a class of any copy
        def connection_made(self, transport: Any) -> None:
            self.send_many(MESSAGES)

        def message_received(self, message: bytes) -> None:
            answers.append(message)
            if len(answers) == len(MESSAGES):
                self.transport.close()

    return Client


def contexts(authority: str, chain: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=authority)


def start(copy: Any, loop: Any, server_tls: Any = None, client_tls: Any = None) -> list[bytes]:
    """Have a copy talk to itself, and return where its answers come."""
    answers: list[bytes] = []
    server = loop.listen_tcp(echo_class(copy), "127.0.0.1", 0, tls=server_tls)
    name = {"server_hostname": "localhost"} if client_tls else {}
    loop.connect_tcp(client_class(copy, answers), *server.addresses[0], tls=client_tls, **name)
    return answers


def run(copies: dict[str, Any], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> dict[str, list[list[bytes]]]:
    """Run the loops of all copies in turns, until every answer is there."""
    loops = {name: copy.Reactor() for name, copy in copies.items()}
    answers = {
        name: [start(copy, loops[name]), start(copy, loops[name], server_tls, client_tls)]
        for name, copy in copies.items()
    }
    end = loops[next(iter(loops))].time() + PATIENCE
    while any(each != MESSAGES for pair in answers.values() for each in pair):
        for loop in loops.values():
            assert loop.time() < end, "no answer came"
            loop.run_once(0.01)
    for loop in loops.values():
        loop.close()
    return answers


def check_apart(copies: dict[str, Any]) -> None:
    for one, other in combinations(copies.values(), 2):
        for name in one.__all__:
            both = getattr(one, name), getattr(other, name, None)
            assert both[0] is not both[1] or isinstance(both[0], bool), f"{name} belongs to two copies"
    for copy in copies.values():
        for name, module in sys.modules.items():
            if name.startswith(f"{copy.__name__}."):
                assert module.__file__.startswith(copy.__path__[0]), f"{name} was imported from {module.__file__}"


def main(authority: str, chain: str, *names: str) -> None:
    before = set(sys.modules)
    copies = {name: import_module(name) for name in names}
    answers = run(copies, *contexts(authority, chain))
    check_apart(copies)
    if "reactor" not in names:
        assert "reactor" not in {name.partition(".")[0] for name in set(sys.modules) - before}
    for name, pair in answers.items():
        print(name, "compiled" if copies[name].EXTENSION else "pure", *(len(each) for each in pair))


if __name__ == "__main__":
    sys.path.insert(0, "")
    main(*sys.argv[1:])
