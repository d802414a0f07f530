"""Master: what it starts, watches, replaces and ends, by real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from road.cast import frame
from workers.conftest import APP, Client, Service, Start, ask, ask_all

LOCAL = ["--bind", "127.0.0.1:0"]
TWO = [*LOCAL, "--workers", "2"]
CRASHING = 'import os\nif os.path.exists("crash"):\n    os.write(1, b"crashing\\n")\n    os._exit(3)\n'
ABORTING = "reactor.workers.master._MARGIN = 0.05"
HURRIED = "reactor.workers.master._START_WITHIN = 3"
HANGING = 'import os, time\nif os.path.exists("hang"):\n    time.sleep(1000)\n'


FORKING = """
import os, reactor.cli
fork, calls = os.fork, []
def counted():
    calls.append(1)
    if len(calls) == {}:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = counted
raise SystemExit(reactor.cli.main())
"""


def forking(at: int) -> list[str]:
    """Return what runs a command whose so many-th fork fails."""
    return [sys.executable, "-c", FORKING.format(at)]


def with_another(bound: str) -> list[str]:
    """Return what runs a command whose master has another bound."""
    script = f"import reactor.workers.master; {bound}; import reactor.cli; raise SystemExit(reactor.cli.main())"
    return [sys.executable, "-c", script]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- serving


def test_all_workers_serve_at_one_address(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    workers = service.workers()
    assert len(set(workers)) == 2
    assert service.process.pid not in workers
    ask_all(address, set(workers))
    assert service.stop() == 0
    assert sorted(service.gone()) == sorted(f"down {pid}" for pid in workers)
    assert service.errors() == ""


def test_its_stats_are_one_line_with_those_of_each_worker(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    ask_all(address, set(service.workers()))
    stats = service.stats()
    assert (stats["pid"], stats["restarts"], stats["reloads"]) == (service.process.pid, 0, 0)
    assert [(each["worker"], each["state"]) for each in stats["workers"]] == [(0, "ready"), (1, "ready")]
    assert all(each["stats"]["accepted"] >= 1 and each["stats"]["servers"] == 1 for each in stats["workers"])


def test_who_does_not_answer_is_left_out_of_the_stats(start: Start) -> None:
    service = start(*TWO)
    service.ready()
    stuck = service.workers()[0]
    os.kill(stuck, signal.SIGSTOP)
    told = {each["pid"]: each["stats"] is not None for each in service.stats()["workers"]}
    os.kill(stuck, signal.SIGCONT)
    assert told.pop(stuck) is False
    assert list(told.values()) == [True]


# --- a worker that dies


def test_each_worker_that_is_killed_comes_back_while_the_others_serve_on(start: Start) -> None:
    service = start(*LOCAL, "--workers", "3")
    address = service.ready()
    for pid in service.workers():
        others = set(service.workers()) - {pid}
        with Client(address) as client:
            while client.ask()[1] == pid:
                client.sock.close()
                client.__init__(address)  # type: ignore[misc]
            os.kill(pid, signal.SIGKILL)
            client.ask()
            successor = service.up()
            client.ask()
        ask_all(address, {successor, *others})
    stats = service.stats()
    assert stats["restarts"] == 3
    assert len(re.findall("was killed by SIGKILL; another begins in", service.errors())) == 3


def test_a_worker_that_ends_by_itself_is_replaced_too(start: Start, folder: Path) -> None:
    (folder / "app.py").write_text(APP.replace("self.send(", 'message == b"end" and loop.stop(); self.send('))
    with open(folder / "app.py", "a") as app:
        app.write("    global loop; loop = reactor\n")
    service = start(*LOCAL, "--workers", "1")
    address = service.ready()
    first = service.workers()[0]
    with Client(address) as client:
        client.send(frame(b"end"))
        assert service.until("down ") == f"down {first}"
    second = service.up()
    assert ask(address) == (1, second)
    assert "ended with status 0" in service.errors()


def test_a_crash_loop_is_told_once(start: Start, folder: Path) -> None:
    (folder / "app.py").write_text(CRASHING + APP)
    service = start(*TWO)
    address = service.ready()
    (folder / "crash").touch()
    victim, other = service.workers()
    os.kill(victim, signal.SIGKILL)
    for _ in range(4):
        service.until("crashing")
    assert ask(address) == (1, other)
    assert service.errors().count("another begins in") == 1
    (folder / "crash").unlink()
    ask_all(address, {service.up()})


# --- the start


def test_an_app_that_cannot_be_imported_ends_the_start_with_its_traceback_and_one_line(
    start: Start, folder: Path
) -> None:
    (folder / "app.py").write_text('print("importing", flush=True)\n1 / 0\n')
    service = start(*TWO)
    assert service.ended() == 1
    assert service.gone() == ["importing"]
    lines = service.errors().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "serve: app:setup failed: ZeroDivisionError: division by zero"
    assert len([line for line in lines if "Traceback" in line]) == 1
    assert not any("reactor/workers" in line for line in lines)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def setup(reactor, sockets):\n    raise ValueError('no')", "app:setup failed: ValueError: no"),
        (
            "setup = 5",
            "app:setup failed: TypeError: app:setup is 5, it must be a function: setup\\(reactor, sockets\\)",
        ),
        ("", "app:setup failed: AttributeError: module 'app' has no attribute 'setup'"),
        ("raise SystemExit('no configuration')", "app:setup failed: SystemExit: no configuration"),
        ("import os; os._exit(7)", r"worker 0 \(pid \d+\) ended with status 7 before it was ready"),
        ("import os; os.abort()", r"worker 0 \(pid \d+\) was killed by SIGABRT before it was ready"),
    ],
)
def test_whatever_goes_wrong_in_an_app_ends_the_start(start: Start, folder: Path, source: str, said: str) -> None:
    (folder / "app.py").write_text(source)
    service = start(*TWO)
    assert service.ended() == 1
    assert re.search(f"serve: {said}$", service.errors().strip())
    assert service.gone() == []


@pytest.mark.parametrize("at", [1, 2])
def test_where_no_process_is_to_be_had_at_the_start_that_is_the_end(start: Start, at: int) -> None:
    service = start("serve", "app:setup", *TWO, command=forking(at))
    assert service.ended() == 1
    number = at - 1
    assert f"serve: worker {number} can't be started: Resource temporarily unavailable" in service.errors()
    assert [line for line in service.gone() if "listening" in line] == []


def test_where_no_process_is_to_be_had_later_it_is_tried_again(start: Start) -> None:
    service = start("serve", "app:setup", *TWO, command=forking(3))
    service.ready()
    victim, other = service.workers()
    os.kill(victim, signal.SIGKILL)
    service.up()
    assert other in service.workers()
    assert service.stop() == 0


def test_where_no_process_is_to_be_had_for_a_reload_the_old_workers_go_on(start: Start) -> None:
    service = start("serve", "app:setup", *TWO, command=forking(3))
    service.ready()
    workers = service.workers()
    service.signal(signal.SIGHUP)
    assert "the old workers go on" in service.told("READY=1")
    assert service.workers() == workers
    service.signal(signal.SIGHUP)
    service.told("READY=1")
    assert not set(workers) & set(service.workers())


# --- the end


def test_a_message_that_has_begun_is_answered_before_the_end(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    with Client(address) as client, Client(address) as idle:
        client.ask()
        idle.ask()
        client.send(frame(b"last")[:5])
        service.signal(signal.SIGTERM)
        service.told("STOPPING=1")
        assert idle.end() == b""
        client.send(frame(b"last")[5:])
        assert client.answer()[2] == b"last"
        assert client.end() == b""
    assert service.ended() == 0


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_a_second_signal_aborts(start: Start, signals: tuple[int, int]) -> None:
    service = start(*TWO)
    with Client(service.ready()) as client:
        client.ask()
        client.send(frame(b"last")[:5])
        service.signal(signals[0])
        service.told("STOPPING=1")
        service.signal(signals[1])
        with pytest.raises(ConnectionResetError):
            client.end()
    assert service.ended() == 0


def test_a_drain_has_a_deadline(start: Start) -> None:
    service = start(*TWO, "--grace", "0.1")
    with Client(service.ready()) as client:
        client.ask()
        client.send(frame(b"last")[:5])
        assert service.stop() == 0
        with pytest.raises(ConnectionResetError):
            client.end()


def test_a_worker_that_does_not_hear_is_killed(start: Start, folder: Path) -> None:
    service = start("serve", "app:setup", *TWO, "--grace", "0.05", command=with_another(ABORTING))
    service.ready()
    for pid in service.workers():
        os.kill(pid, signal.SIGSTOP)
    assert service.stop() == 0
    assert service.errors().count("hasn't ended in time, and is killed") == 2


def test_no_worker_outlives_its_master(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    workers = service.workers()
    with Client(address) as client:
        client.ask()
        service.process.kill()
        assert service.ended() == -signal.SIGKILL
        assert sorted(service.gone()) == sorted(f"down {pid}" for pid in workers)
        assert client.end() == b""


def test_a_signal_to_the_whole_group_counts_once(start: Start) -> None:
    service = start(*TWO, start_new_session=True)
    with Client(service.ready()) as client:
        client.ask()
        client.send(frame(b"last")[:5])
        os.killpg(service.process.pid, signal.SIGTERM)
        service.told("STOPPING=1")
        client.send(frame(b"last")[5:])
        assert client.answer()[2] == b"last"
        assert client.end() == b""
    assert service.ended() == 0


def test_signals_for_the_master_are_nothing_to_a_worker(start: Start) -> None:
    service = start(*LOCAL, "--workers", "1")
    address = service.ready()
    (worker,) = service.workers()
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        os.kill(worker, signum)
    assert ask(address) == (1, worker)


# --- reloads


def test_a_reload_runs_new_code_at_the_same_sockets_and_drains_the_old(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    old = set(service.workers())
    with Client(address) as client:
        version, _ = client.ask()
        client.send(frame(b"late")[:5])
        service.change("VERSION = 1", "VERSION = 2")
        service.signal(signal.SIGHUP)
        assert service.told("RELOADING=1").split("\n")[1].startswith("MONOTONIC_USEC=")
        new = {service.up(), service.up()}
        service.told("READY=1")
        assert {ask(address)[0] for _ in range(10)} == {2}
        ask_all(address, new)
        client.send(frame(b"late")[5:])
        assert client.answer()[::2] == (version, b"late")
        assert client.end() == b""
    service.signal(signal.SIGTERM)
    assert {line for line in service.gone() if "down" in line} >= {f"down {pid}" for pid in new}
    assert {line for line in service.lines if "down" in line} == {f"down {pid}" for pid in old | new}


def test_new_code_that_fails_leaves_the_old_at_work(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    workers = service.workers()
    service.change("VERSION = 1", "VERSION = 1 / 0")
    service.signal(signal.SIGHUP)
    service.told("RELOADING=1")
    assert "the old workers go on" in service.told("READY=1")
    assert service.workers() == workers
    assert ask(address)[0] == 1
    assert "ZeroDivisionError: division by zero" in service.errors()
    service.change("VERSION = 1 / 0", "VERSION = 3")
    service.signal(signal.SIGHUP)
    service.told("READY=1")
    assert ask(address)[0] == 3
    assert service.stats()["reloads"] == 1


def test_an_app_that_never_comes_up_ends_the_start(start: Start, folder: Path) -> None:
    (folder / "app.py").write_text(HANGING + APP)
    (folder / "hang").touch()
    service = start("serve", "app:setup", *TWO, command=with_another(HURRIED.replace("3", "0.05")))
    assert service.ended() == 1
    assert service.errors() == "serve: the app was not ready within 0.05 s\n"


def test_new_code_that_never_comes_up_leaves_the_old_at_work(start: Start, folder: Path) -> None:
    (folder / "app.py").write_text(HANGING + APP)
    service = start("serve", "app:setup", *TWO, command=with_another(HURRIED))
    service.ready()
    workers = service.workers()
    (folder / "hang").touch()
    service.signal(signal.SIGHUP)
    assert "the old workers go on" in service.told("READY=1")
    assert "was killed, for the app was not ready within 3 s; the old workers go on" in service.errors()
    assert service.workers() == workers


def test_a_reload_that_is_asked_for_in_a_reload_follows_it(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    for _ in range(5):
        service.signal(signal.SIGHUP)
        service.told("RELOADING=1")
        service.signal(signal.SIGHUP)
        service.told("RELOADING=1")
        service.told("READY=1")
    assert service.stats()["reloads"] == 10
    workers = set(service.workers())
    ask_all(address, workers & set(service.workers()))


def test_a_reload_takes_a_place_whose_worker_has_just_died(start: Start) -> None:
    service = start(*TWO)
    address = service.ready()
    victim, other = service.workers()
    service.change("VERSION = 1", "VERSION = 2")
    os.kill(victim, signal.SIGKILL)
    service.signal(signal.SIGHUP)
    service.told("READY=1")
    workers = set(service.workers())
    assert not workers & {victim} or not lives(victim)
    ask_all(address, workers - {other})
    assert ask(address)[0] == 2


def test_a_socket_for_each_worker_stays_its_places(start: Start) -> None:
    service = start(*TWO, "--reuse-port")
    address = service.ready()
    ask_all(address, set(service.workers()))
    for _ in range(3):
        service.signal(signal.SIGHUP)
        clients = [Client(address) for _ in range(20)]  # some in the queue of one who is going
        for client in clients:
            with client:
                client.send(frame(b"hello"))
                assert client.end_or_answer() in (b"hello", b"")
        service.told("READY=1")
    ask_all(address, set(service.workers()))


# --- sockets of others


def test_a_descriptor_that_was_opened_by_somebody_else_is_listened_on(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        service = start("--bind", f"fd://{given.fileno()}", "--workers", "2", pass_fds=[given.fileno()])
        assert service.ready() == f"127.0.0.1:{port}"
        assert ask(f"127.0.0.1:{port}")[0] == 1


def test_sockets_of_systemd_are_taken_behind_the_others(start: Start, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        port, fd = given.getsockname()[1], given.fileno()
        script = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()))"
        script += "; os.execv(sys.executable, [sys.executable, '-m', 'reactor', 'serve', 'app:setup', *sys.argv[2:]])"
        service = start(
            str(fd), "--bind", f"unix:{folder}/socket", "--workers", "1",
            command=[sys.executable, "-c", script], pass_fds=[fd], environ={"LISTEN_FDS": "1"},
        )  # fmt: skip
        assert service.ready() == f"unix:{folder}/socket"
        assert service.until("serve: listening on ") == f"serve: listening on 127.0.0.1:{port}"
        assert ask(f"127.0.0.1:{port}") == ask(f"unix:{folder}/socket")
        assert service.stop() == 0
    assert not (folder / "socket").exists()


# --- where it runs


def test_the_watchdog_of_systemd_is_told(start: Start) -> None:
    service = start(*TWO, environ={"WATCHDOG_USEC": "20000"})
    service.ready()
    service.told("WATCHDOG=1")
    service.told("WATCHDOG=1")


def test_a_pid_file_is_there_while_it_runs(start: Start, folder: Path) -> None:
    service = start(*TWO, "--pid-file", "pid")
    service.ready()
    assert (folder / "pid").read_text() == f"{service.process.pid}\n"
    second = Service(folder, *TWO, "--pid-file", "pid")
    assert second.ended() == 1
    assert f"pid says that process {service.process.pid} is running already" in second.errors()
    second.close()
    assert service.stop() == 0
    assert not (folder / "pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="who isn't root can't become somebody else")
def test_privileges_are_given_up_when_the_sockets_are_bound(start: Start, folder: Path) -> None:
    service = start("--bind", "127.0.0.1:0", f"unix:{folder}/socket", "--workers", "1", "--user", "nobody:nogroup")
    service.ready()
    for pid in (service.process.pid, *service.workers()):
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.findall(r"^(?:Uid|Gid):\t(\d+)\t(\d+)\t(\d+)", status, re.MULTILINE) == [("65534",) * 3] * 2
        assert re.findall(r"^Groups:\t(.*)$", status, re.MULTILINE)[0].split() == ["65534"]
    assert (folder / "socket").stat().st_uid == 65534


def in_namespace() -> list[str]:
    """Return what runs a command as process 1 of a namespace of its own; skips where that may not be."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"no namespace can be made here: {exc}")
    return command


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def zombies(master: int) -> list[str]:
    """Return what is dead and still the master's to be buried."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) == master:
                found.append(status.parent.name)
    return found


def test_as_process_1_of_a_container_it_buries_strangers_and_ends_as_ever(start: Start, folder: Path) -> None:
    stranger = "    if os.fork() == 0:\n        os.fork() == 0 and os.write(1, b'stranger\\n')\n        os._exit(0)\n"
    (folder / "app.py").write_text(APP + stranger)
    serve = [sys.executable, "-m", "reactor", "serve", "app:setup"]
    service = start(*TWO, command=[*in_namespace(), *serve])
    address = service.ready()
    master = child_of(service.process.pid)
    assert ask(address)[1] < 10, "its worker's number is one of a namespace of its own"
    while service.lines.count("stranger") < 2:
        service.line()
    while zombies(master):
        os.kill(master, signal.SIGUSR1)
        service.until("{")
    os.kill(master, signal.SIGTERM)
    assert service.ended() == 0
    assert [line for line in service.gone() if line.startswith("down")]
