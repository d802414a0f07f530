"""Binding: what is listened on, by whom, and that it is let go of."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from helpers import in_child

from reactor.workers.binding import Sockets

LOCAL = "127.0.0.1"


def reaches(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


def test_every_place_has_the_same_sockets_in_the_order_of_the_addresses(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets = Sockets([f"unix:{path}", f"{LOCAL}:0"], [], 3, False)
    port = sockets.of(0)[1].getsockname()[1]
    assert sockets.addresses == [f"unix:{path}", f"{LOCAL}:{port}"]
    assert sockets.of(0) == sockets.of(1) == sockets.of(2)
    assert list(sockets.paths) == [str(path)]
    assert reaches(sockets.addresses[1])
    sockets.close()
    sockets.close()
    assert not path.exists()


def test_a_socket_for_each_place_has_the_same_port() -> None:
    sockets = Sockets([f"{LOCAL}:0"], [], 3, True)
    assert len({place.fileno() for number in range(3) for place in sockets.of(number)}) == 3
    assert len(sockets.addresses) == 1
    assert reaches(sockets.addresses[0])
    sockets.close()


def test_a_child_keeps_those_of_its_place() -> None:
    sockets = Sockets([f"{LOCAL}:0"], [], 3, True)

    def kept() -> list[bool]:
        mine = sockets.keep(1)
        return [sock in mine for number in range(3) for sock in sockets.of(number) if sock.fileno() >= 0]

    assert in_child(kept) == "[True]"
    assert reaches(sockets.addresses[0]), "the master's are open"
    sockets.close()


def test_a_descriptor_is_listened_on_and_goes_to_nobody_who_is_started() -> None:
    given = socket.socket()
    given.bind((LOCAL, 0))
    given.set_inheritable(True)
    sockets = Sockets([f"fd://{given.detach()}"], [], 1, False)
    assert not sockets.of(0)[0].get_inheritable()
    assert reaches(sockets.addresses[0])
    sockets.close()


def test_a_socket_for_datagrams_may_be_handed_over_too() -> None:
    given = socket.socket(type=socket.SOCK_DGRAM)
    given.bind((LOCAL, 0))
    sockets = Sockets([], [given.detach()], 1, False)
    assert sockets.of(0)[0].type == socket.SOCK_DGRAM
    sockets.close()


@pytest.mark.parametrize("address", ["fd://", "fd://x", "fd://-1", LOCAL, f"{LOCAL}:x", "unix:"])
def test_what_is_no_address_is_a_value_error_and_leaves_nothing_open(address: str) -> None:
    with pytest.raises(ValueError, match=address.partition(":")[0]):
        Sockets([f"{LOCAL}:0", address], [], 2, True)


def test_what_cannot_be_listened_on_is_named_and_leaves_nothing_open(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with pytest.raises(OSError, match=f"fd://{reading}, which is descriptor {reading}, can't be used"):
        Sockets([f"{LOCAL}:0", f"fd://{reading}"], [], 2, False)
    os.close(writing)
    os.close(reading)
    with pytest.raises(OSError, match="can't be used: Bad file descriptor"):
        Sockets([f"fd://{reading}"], [], 2, False)
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"can't listen on {LOCAL}:{port}"):
            Sockets([f"unix:{tmp_path}/s", f"{LOCAL}:{port}"], [], 2, False)
    assert not (tmp_path / "s").exists()
