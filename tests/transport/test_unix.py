"""Unix sockets: whose path it is, who may connect, and what is left of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import FrameRecorder, run_until

from reactor import FramedProtocol, Reactor
from reactor.transport import unix

LOCAL = "127.0.0.1"


class Echo(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sock"


def speaks(net: Reactor, path: Any) -> FrameRecorder:
    """Have a message echoed by who listens there."""
    client = FrameRecorder()
    net.connect_unix(lambda: client, path)
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    return client


def stale(path: Path) -> None:
    """Leave what a process that was killed leaves: a socket file, and nobody who listens."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


# --- where


def test_messages_go_through_a_path(net: Reactor, path: Path) -> None:
    server = net.listen_unix(Echo, path)
    assert server.addresses == [str(path)]
    client = speaks(net, path)
    assert client.transport.get_extra_info("peername") == str(path)
    assert server.connections == 1


def test_a_path_may_be_a_string(net: Reactor, path: Path) -> None:
    net.listen_unix(Echo, str(path))
    speaks(net, str(path))


@pytest.mark.parametrize("mark", ["@", "\0"])
def test_an_abstract_name_has_no_file(net: Reactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"{mark}reactor-test-{os.getpid()}"
    server = net.listen_unix(Echo, name)
    assert server.addresses == [b"\0" + name[1:].encode()]
    speaks(net, name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="Address already in use"):
        net.listen_unix(Echo, name)


def test_a_path_that_is_too_long_is_refused_and_named(net: Reactor, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^can't listen on unix:.*too long$"):
        net.listen_unix(Echo, tmp_path / ("x" * 200))


@pytest.mark.parametrize("bad", ["", "no/such/directory/sock"])
def test_a_path_that_cannot_be_is_refused_and_named(net: Reactor, bad: str) -> None:
    with pytest.raises(OSError, match=f"can't listen on unix:{bad}"):
        net.listen_unix(Echo, bad)


def test_a_path_that_is_no_path_leaves_nothing_open(net: Reactor) -> None:
    with pytest.raises(ValueError, match="null"):
        net.listen_unix(Echo, "nul\0inside")


def test_no_path_at_all_is_an_error(net: Reactor) -> None:
    with pytest.raises(ValueError, match="path"):
        net.listen_unix(Echo, None)


# --- who is there already


def test_a_socket_file_that_nobody_listens_on_is_replaced(net: Reactor, path: Path) -> None:
    stale(path)
    before = path.stat().st_ino, path.stat().st_ctime_ns
    net.listen_unix(Echo, path)
    assert (path.stat().st_ino, path.stat().st_ctime_ns) != before
    speaks(net, path)


def test_a_live_socket_is_refused_and_goes_on(net: Reactor, path: Path) -> None:
    net.listen_unix(Echo, path)
    with pytest.raises(OSError, match=f"can't listen on unix:{path}: Address already in use"):
        net.listen_unix(Echo, path)
    speaks(net, path)


def test_a_live_socket_that_is_full_is_refused(net: Reactor, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen(0)
        with socket.socket(socket.AF_UNIX) as waits:
            waits.connect(str(path))
            with pytest.raises(OSError, match="Address already in use"):
                net.listen_unix(Echo, path)
    assert path.exists()


def test_a_live_datagram_socket_is_refused(net: Reactor, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as live:
        live.bind(str(path))
        with pytest.raises(OSError, match="Address already in use"):
            net.listen_unix(Echo, path)
    assert path.exists()


def test_a_regular_file_is_refused_and_untouched(net: Reactor, path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match=f"can't listen on unix:{path}: there is a file that isn't a socket"):
        net.listen_unix(Echo, path)
    assert path.read_text() == "precious"


def test_a_directory_is_refused(net: Reactor, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="isn't a socket"):
        net.listen_unix(Echo, tmp_path)


def test_a_symbolic_link_is_not_taken_for_the_socket_it_leads_to(net: Reactor, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    stale(target)
    path.symlink_to(target)
    with pytest.raises(OSError, match="can't listen on"):
        net.listen_unix(Echo, path)
    assert path.is_symlink()
    assert target.exists()


# --- several at once

ROUNDS = 40
RACER = """
import sys
from reactor import FramedProtocol, Reactor

with Reactor() as net:
    for line in sys.stdin:
        try:
            server = net.listen_unix(FramedProtocol, line.strip())
        except OSError:
            print("refused", flush=True)
        else:
            print("listens", flush=True)
"""


def test_of_servers_that_start_at_once_on_a_stale_path_one_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER]
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(3)
        ]
        stack.callback(lambda: [each.stdin.close() for each in racers])  # type: ignore[union-attr]
        for count in range(ROUNDS):
            path = tmp_path / f"sock{count}"
            stale(path)
            for each in racers:
                print(path, file=each.stdin, flush=True)
            told = [each.stdout.readline().strip() for each in racers]  # type: ignore[union-attr]
            assert sorted(told) == ["listens", "refused", "refused"], f"round {count}"
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
    assert list(tmp_path.iterdir()) == [], "no litter"


def held(directory: Path) -> bool:
    """Tell whether somebody holds the lock on a directory."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@pytest.mark.parametrize("is_stale", [True, False])
def test_from_the_look_at_a_path_to_the_listening_nobody_else_looks(
    net: Reactor, path: Path, monkeypatch: pytest.MonkeyPatch, is_stale: bool
) -> None:
    seen, chmod = list[bool](), os.chmod
    monkeypatch.setattr(unix.os, "chmod", lambda *args: (seen.append(held(path.parent)), chmod(*args)))
    if is_stale:
        stale(path)
    net.listen_unix(Echo, path)
    assert (seen, held(path.parent)) == ([True], False), "between bind() and listen()"
    speaks(net, path)


@pytest.fixture
def foreign_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody who doesn't let go of the directory."""
    monkeypatch.setattr(unix, "_LOCK_TRIES", 2)
    monkeypatch.setattr(unix, "_LOCK_PAUSE", 0)
    fd = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    os.close(fd)


@pytest.mark.usefixtures("foreign_lock")
def test_a_directory_that_somebody_else_has_locked_lets_a_free_path_be_taken(net: Reactor, path: Path) -> None:
    net.listen_unix(Echo, path)
    speaks(net, path)


@pytest.mark.usefixtures("foreign_lock")
def test_a_directory_that_somebody_else_has_locked_lets_nothing_be_replaced(net: Reactor, path: Path) -> None:
    stale(path)
    with pytest.raises(OSError, match="another process holds a lock on its directory") as caught:
        net.listen_unix(Echo, path)
    assert caught.value.errno == errno.EADDRINUSE
    assert path.exists()


@pytest.mark.parametrize("lock", [None, "no locks here"])
def test_where_there_are_no_locks_a_stale_socket_is_replaced(
    net: Reactor, path: Path, monkeypatch: pytest.MonkeyPatch, lock: str | None
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, lock)

    monkeypatch.setattr(unix, "_lock_of", lock and refuse)
    stale(path)
    net.listen_unix(Echo, path)
    speaks(net, path)


def test_a_file_that_could_not_be_listened_on_is_not_left(
    net: Reactor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chmod(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not allowed")

    monkeypatch.setattr(unix.os, "chmod", chmod)
    with pytest.raises(PermissionError, match="not allowed"):
        net.listen_unix(Echo, path)
    assert not path.exists()
    assert not held(path.parent)


def test_a_path_is_given_up_before_its_socket_looks_stale(
    net: Reactor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or another server takes it for stale, puts its own there, and that is what is removed."""
    alive, remove = list[int](), unix.UnixPath.remove

    def look_and_remove(file: unix.UnixPath) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            alive.append(client.connect_ex(str(path)))
        remove(file)

    monkeypatch.setattr(unix.UnixPath, "remove", look_and_remove)
    net.listen_unix(Echo, path).close()
    assert alive == [0]


# --- who may connect


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_only_the_owner_may_connect_unless_asked_otherwise(net: Reactor, path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        net.listen_unix(Echo, path)
        net.listen_unix(Echo, f"{path}2", mode=0o666)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}2").stat().st_mode) == 0o666


# --- what is left


def test_the_file_is_gone_with_the_server(net: Reactor, path: Path) -> None:
    server = net.listen_unix(Echo, path)
    client = speaks(net, path)
    server.close()
    assert not path.exists()
    server.close()
    client.send(b"hello")
    run_until(net, lambda: len(client.messages) == 2)


def test_the_file_is_gone_with_the_reactor(path: Path) -> None:
    with Reactor() as net:
        net.listen_unix(Echo, path)
    assert not path.exists()


def test_a_file_that_is_gone_already_is_no_error(net: Reactor, path: Path) -> None:
    server = net.listen_unix(Echo, path)
    path.unlink()
    server.close()


def test_a_file_that_another_has_put_there_is_kept(net: Reactor, path: Path, tmp_path: Path) -> None:
    server = net.listen_unix(Echo, path)
    other = tmp_path / "other"
    other.write_text("not ours")
    other.rename(path)
    server.close()
    assert path.read_text() == "not ours"


def test_a_server_that_took_over_the_path_keeps_it(net: Reactor, path: Path, tmp_path: Path) -> None:
    first = net.listen_unix(Echo, path)
    net.listen_unix(Echo, tmp_path / "next")
    (tmp_path / "next").rename(path)
    first.close()
    speaks(net, path)


def test_a_link_that_was_put_there_is_kept(net: Reactor, path: Path, tmp_path: Path) -> None:
    server = net.listen_unix(Echo, path)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    server.close()
    assert path.is_symlink()


def test_the_file_is_gone_though_the_process_went_to_another_directory(
    net: Reactor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    server = net.listen_unix(Echo, path.name)
    monkeypatch.chdir("/")
    server.close()
    assert not path.exists()


def in_a_child(act: Callable[[], object]) -> None:
    """Do something in a forked child, which then ends at once."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_that_closes_leaves_the_file(net: Reactor, path: Path) -> None:
    server = net.listen_unix(Echo, path)
    in_a_child(server.close)
    assert path.exists()


def test_a_forked_child_that_closes_leaves_its_parent_listening(net: Reactor, path: Path) -> None:
    server = net.listen_unix(Echo, path)
    in_a_child(server.close)
    speaks(net, path)


def test_a_socket_of_somebody_else_is_listened_on_and_its_file_kept(net: Reactor, path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    server = net.listen_unix(Echo, None, sock=sock)
    speaks(net, path)
    server.close()
    assert path.exists()
    assert sock.fileno() == -1, "the server owned it"


# --- connecting


def test_a_path_that_nobody_listens_on_is_one_failure(net: Reactor, path: Path) -> None:
    stale(path)
    failures: list[BaseException] = []
    net.connect_unix(FrameRecorder, path, on_failure=failures.append)
    assert failures == [], "never from inside the call"
    run_until(net, lambda: failures)
    assert [type(each) for each in failures] == [ConnectionRefusedError]
    assert f"can't connect to unix:{path}: Connection refused" in str(failures[0])
    assert net.stats()["timers"] == 0


def test_a_path_that_is_not_there_is_one_failure(net: Reactor, path: Path) -> None:
    failures: list[BaseException] = []
    net.connect_unix(FrameRecorder, path, on_failure=failures.append)
    run_until(net, lambda: failures)
    assert [type(each) for each in failures] == [FileNotFoundError]
    assert f"can't connect to unix:{path}: No such file" in str(failures[0])


def test_a_path_that_cannot_be_is_one_failure_when_connecting(net: Reactor, path: Path) -> None:
    failures: list[BaseException] = []
    net.connect_unix(FrameRecorder, f"{path}{'x' * 200}", on_failure=failures.append)
    run_until(net, lambda: failures)
    assert "too long" in str(failures[0])


def test_a_full_queue_is_a_failure_and_no_hang(net: Reactor, path: Path) -> None:
    failures: list[BaseException] = []
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as waits:
        live.bind(str(path))
        live.listen(0)
        waits.connect(str(path))
        net.connect_unix(FrameRecorder, path, on_failure=failures.append)
        run_until(net, lambda: failures)
    assert isinstance(failures[0], BlockingIOError)


def test_cancelling_before_it_began_leaves_nothing(net: Reactor, path: Path) -> None:
    net.listen_unix(Echo, path)
    client, failures = FrameRecorder(), []
    net.connect_unix(lambda: client, path, on_failure=failures.append).close()
    net.run_once(0)
    assert (client.made, failures, net.stats()["timers"]) == (False, [], 0)


# --- sockets that are brought along, and both families


@pytest.mark.parametrize("as_descriptor", [False, True])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_socket_can_be_brought_along(net: Reactor, path: Path, family: int, as_descriptor: bool) -> None:
    sock = socket.socket(family)
    sock.bind(str(path) if family == socket.AF_UNIX else (LOCAL, 0))
    address, client = sock.getsockname(), FrameRecorder()
    given = sock.detach() if as_descriptor else sock
    if family == socket.AF_UNIX:
        server = net.listen_unix(Echo, None, sock=given)
        speaks(net, path)
    else:
        server = net.listen_tcp(Echo, None, 0, sock=given)
        net.connect_tcp(lambda: client, *address)
        run_until(net, lambda: client.made)
    assert server.addresses == [address]


def test_a_socket_that_is_connected_cannot_listen(net: Reactor) -> None:
    one, other = socket.socketpair()
    with other, pytest.raises(OSError, match="can't listen on the socket that was given"):
        net.listen_unix(Echo, None, sock=one)
    assert one.fileno() == -1


def test_both_families_listen_on_one_port(net: Reactor) -> None:
    server = net.listen_tcp(Echo, "", 0)
    families = {":" in address[0] for address in server.addresses}
    assert families == {True, False}
    assert len({address[1] for address in server.addresses}) == 1
    for host in (LOCAL, "::1"):
        client = FrameRecorder()
        net.connect_tcp(lambda client=client: client, host, server.addresses[0][1])
        run_until(net, lambda client=client: client.made)
    run_until(net, lambda: server.connections == 2)
