"""PyMySQL asks our server, which plays a small one of MySQL's: packets up to the largest, and payloads beyond it."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Limits, Reactor, presets

_LARGEST = 0xFFFFFF  # bytes of a payload in one packet; one of exactly so many goes on
_CAPABILITIES = 512 | 32768 | 1 << 19  # protocol 4.1, a salt of 20 bytes, the name of what makes the password
_GREETING = (
    b"\x0a8.0.0\0\1\0\0\0saltsalt\0"
    + _CAPABILITIES.to_bytes(4, "little")[:2]
    + b"\x2d\2\0"
    + _CAPABILITIES.to_bytes(4, "little")[2:]
    + b"\x15"
    + bytes(10)
    + b"saltsaltsalt\0mysql_native_password\0"
)
_OK, _EOF = b"\0\0\0\2\0\0\0", b"\xfe\0\0\2\0"
_COLUMN = b"\3def\0\0\0\1x\0\x0c\x2d\0\xff\xff\xff\xff\xfd\0\0\0\0\0"  # "x", of text
_ECHO = b"\3select "  # COM_QUERY and how it begins


class Server(FramedProtocol):
    """Answers a query with the text behind "select", everything else with OK."""

    framing = presets.mysql()

    def __init__(self) -> None:
        self.number = 0
        self.payload = b""
        self.packets: list[int] = []

    def connection_made(self, transport: Any) -> None:
        self.say(_GREETING)

    def message_received(self, message: bytes) -> None:
        self.number = message[0] + 1
        self.packets.append(len(message) - 1)
        self.payload += message[1:]
        if len(message) - 1 < _LARGEST:
            payload, self.payload = self.payload, b""
            self.answer(payload)

    def answer(self, payload: bytes) -> None:
        if payload == b"\1":  # COM_QUIT
            self.transport.close()
        elif payload.startswith(_ECHO):
            text = payload[len(_ECHO) :]
            for each in b"\1", _COLUMN, _EOF, b"\xfe" + len(text).to_bytes(8, "little") + text, _EOF:
                self.say(each)
        else:
            self.say(_OK)

    def say(self, payload: bytes) -> None:
        for at in range(0, len(payload) + 1, _LARGEST):
            self.send(bytes([self.number]) + payload[at : at + _LARGEST])
            self.number += 1


@pytest.fixture
def pymysql() -> Any:
    if importlib.util.find_spec("pymysql") is None:
        missing('PyMySQL isn\'t installed: pip install "pymysql>=1.1" has it')
    import pymysql

    return pymysql


@pytest.mark.parametrize("size", [0, 70_000, _LARGEST - len(_ECHO), _LARGEST + 5], ids=["none", "some", "full", "more"])
def test_pymysql_gets_back_what_it_asks_for(net: Reactor, pymysql: Any, twin: ModuleType, size: int) -> None:
    server = Server()
    listening = net.listen_tcp(lambda: server, "127.0.0.1", 0, limits=Limits(max_write_buffer=64 << 20))

    def ask() -> Any:
        options = {"user": "alice", "max_allowed_packet": 64 << 20, "read_timeout": 60}
        connection = pymysql.connect(host="127.0.0.1", port=listening.addresses[0][1], **options)
        with connection, connection.cursor() as cursor:
            cursor.execute("select " + "x" * size)
            return cursor.fetchall()

    assert asked(net, ask) == (("x" * size,),)
    assert (_LARGEST in server.packets) is (size + len(_ECHO) >= _LARGEST)
