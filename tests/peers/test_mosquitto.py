"""Mosquitto understands the MQTT example, and the preset reads what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import Example, missing
from peers.servers import directory_of, free_port, program, running, unprivileged

from reactor import FramedProtocol, Reactor, presets

_CONNECT = b"\0\4MQTT\4\2\0\0\0\0"
_SIZES = [0, 1, 122, 123, 124, 125, 16_378, 16_379, 16_380, 70_000, 2_097_150, 3_000_000]  # where a varint grows


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a broker that lets anybody in, but tells nobody of topics below "secret"."""
    mosquitto = program("mosquitto")
    if mosquitto is None:
        missing("Mosquitto isn't installed: Debian's mosquitto has it")
    user = unprivileged("mosquitto")
    with directory_of(user) as where:
        port = free_port()
        config = where / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n")
        with running([mosquitto, "-v", "-c", str(config)], "running", user):
            yield port


def test_the_example_gets_back_what_it_publishes(example: Example, port: int) -> None:
    done = example("mqtt_client.py", "127.0.0.1", port, "a/tüpic", "hello", "", "ünd" * 100)
    assert (done.stdout, done.stderr, done.returncode) == (
        "a/tüpic hello\na/tüpic \na/tüpic " + "ünd" * 100 + "\n",
        "",
        0,
    )


def test_the_example_says_what_was_wrong(example: Example, port: int) -> None:
    done = example("mqtt_client.py", "127.0.0.1", port, "a/#/b", "a topic that can't be")
    assert done.returncode == 1
    assert done.stderr.startswith("mqtt_client: ")
    assert "Traceback" not in done.stderr
    assert "Connection refused" in example("mqtt_client.py", "127.0.0.1", 1, "a", "b").stderr


class Client(FramedProtocol):
    """Publishes bodies of some sizes to itself, and keeps header and size of what comes."""

    framing = presets.mqtt()

    def __init__(self) -> None:
        self.came: list[tuple[bytes, int]] = []
        self.lost: BaseException | None = None
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.send(_CONNECT, prefix=b"\x10")
        self.send(b"\0\1\0\1a\0", prefix=b"\x82")

    def message_received(self, message: bytes) -> None:
        header = self.decoder.header
        self.came.append((header, len(message)))
        if header[0] == 0x90:
            for size in _SIZES:
                self.send(b"\0\1a" + bytes(size), prefix=b"\x30")
        if len(self.came) == 2 + len(_SIZES):
            self.send(b"", prefix=b"\xe0")
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost, self.ended = exc, True


def test_packets_of_all_lengths_come_back_with_their_headers(net: Reactor, port: int, twin: ModuleType) -> None:
    client = Client()
    net.connect_tcp(lambda: client, "127.0.0.1", port)
    run_until(net, lambda: client.ended)
    assert client.lost is None
    assert client.came[:2] == [(b"\x20\2", 2), (b"\x90\3", 3)]
    assert [size - 3 for _, size in client.came[2:]] == _SIZES
    framing = presets.mqtt()
    assert [header for header, _ in client.came[2:]] == [framing.header(3 + size, b"\x30") for size in _SIZES]
