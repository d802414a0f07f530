"""bench: a table of what a message costs each server, in the user's own case."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reactor
from reactor import Framing
from reactor.cli import bench, bench_race, main
from reactor.cli.bench_load import Case, Load
from reactor.cli.bench_race import Figures, Server, Window
from reactor.cli.bench_servers import KINDS, kinds_here

Captured = pytest.CaptureFixture[str]

TINY = ["--seconds", "0", "--rounds", "1", "--connections", "2"]


class Told:
    """A race that is not run: its figures are told."""

    figures: dict[str, Figures]
    case: Case
    cores = "on paper"

    def __init__(self, case: Case, kinds: list[str], tell: Callable[[str], object]) -> None:
        type(self).case = case

    def run(self, rounds: int, seconds: float) -> dict[str, Figures]:
        return self.figures


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> type[Told]:
    monkeypatch.setattr(bench, "Race", Told)
    Told.figures = {"messages": figures(7.0), "uvloop": figures(8.0)}
    return Told


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes of all servers that were started."""
    found: list[int] = []
    genuine = Server.__enter__

    def noted(self: Server) -> Server:
        found.append(self.pid)
        return genuine(self)

    monkeypatch.setattr(Server, "__enter__", noted)
    return found


def figures(*microseconds: float, server_share: float = 1.0, load_share: float = 1.0) -> Figures:
    """Windows of a thousand messages, each of which cost so much."""
    cpu = [1000 * each * 1e-6 for each in microseconds]
    return Figures([Window(1000, each / server_share, each, each / server_share * load_share) for each in cpu])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def before_each_window(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let windows be long, and let something happen as each begins."""
    genuine = Load.start

    def start(self: Load, seconds: float) -> None:
        genuine(self, 60)
        act()

    monkeypatch.setattr(Load, "start", start)


def beside_progress(err: str) -> str:
    """Return what was written there beside plain lines of progress."""
    told = (f"bench: {len(kinds_here())} servers start", "bench: warming up", "bench: round ")
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith(told))


def test_every_server_has_a_row_of_one_table(run: Callable[..., Any]) -> None:
    ended = run("bench", *TINY)
    servers = len(kinds_here())
    assert ended.status == 0
    assert ended.err == [f"bench: {servers} servers start", "bench: warming up", "bench: round 1 of 1"]
    title, head, *rows = ended.out[: 2 + len(kinds_here())]
    assert title == "2 x 1 messages of 64 bytes in flight, Framing(); windows of 0 s in turns, 1 for each server"
    assert head.split() == ["CPU", "in", "us", "per", "message", "least", "median", "spread", "messages/s", "ratio"]
    labels = [KINDS[kind].label for kind in kinds_here()]
    assert [row[: len(label)] for row, label in zip(rows, labels, strict=True)] == labels
    assert rows[0].endswith("  1.00")
    assert len({len(line) for line in [head, *rows]}) == 1


def test_the_surroundings_are_told_below_it(capsys: Captured) -> None:
    assert main(["bench", *TINY]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if " twin, " in line)
    assert line.startswith("compiled twin, " if reactor.EXTENSION else "pure twin, ")
    assert f" {platform.python_version()}, " in line
    cores = sorted(os.sched_getaffinity(0))
    where = (
        f"servers on core {cores[0]}, load on core {cores[-1]}" if len(cores) > 1 else "servers and load on any core"
    )
    assert line.endswith(f"Selector; {where}")


def test_one_core_is_shared(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert main(["bench", *TINY]) == 0
    assert "; servers and load on any core\n" in capsys.readouterr().out


def test_it_gives_its_cores_back() -> None:
    before = os.sched_getaffinity(0)
    assert main(["bench", *TINY]) == 0
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--framing", "varint", "--size", "300", "--pipeline", "3"],
        ["--framing", "int8", "--size", "0"],
        ["--length-field-length", "3", "--byteorder", "little", "--size", "3000000"],
    ],
)
def test_other_cases_are_measured_too(options: list[str], capsys: Captured) -> None:
    assert main(["bench", *TINY, *options]) == 0
    assert beside_progress(capsys.readouterr().err) == ""


@pytest.mark.parametrize(
    ("options", "framing"),
    [
        ([], Framing()),
        (["--framing", "int8"], Framing(1)),
        (["--framing", "int16"], Framing(2)),
        (["--framing", "int32"], Framing()),
        (["--framing", "int64"], Framing(8)),
        (["--framing", "int16le"], Framing(2, "little")),
        (["--framing", "int32le"], Framing(4, "little")),
        (["--framing", "int64le"], Framing(8, "little")),
        (["--framing", "varint", "--max-frame-length", "99"], Framing.varint(max_frame_length=99)),
        (["--varint"], Framing.varint()),
        (["--length-field-length", "3"], Framing(3)),
        (["--size", "2000000"], Framing(max_frame_length=2_000_000)),
    ],
)
def test_a_framing_is_told_in_short_or_at_length(options: list[str], framing: Framing, told: type[Told]) -> None:
    assert main(["bench", *options]) == 0
    assert told.case.framing == framing


def test_the_case_is_what_the_options_say(told: type[Told]) -> None:
    assert main(["bench", "--size", "10", "--pipeline", "20", "--connections", "30"]) == 0
    assert told.case == Case(Framing(), 10, 20, 30)


@pytest.mark.parametrize(
    "options", [["--varint"], ["--byteorder", "big"], ["--length-field-length", "4"], ["--length-field-length", "0"]]
)
def test_a_framing_told_twice_is_the_user_s_mistake(options: list[str], capsys: Captured) -> None:
    assert main(["bench", "--framing", "int32", *options]) == 2
    text = "bench: --framing excludes --length-field-length, --byteorder and --varint\n"
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize(
    ("options", "largest"),
    [(["--framing", "int8", "--size", "256"], 255), (["--size", "11", "--max-frame-length", "10"], 10)],
)
def test_a_size_that_no_frame_can_hold_is_the_user_s_mistake(
    options: list[str], largest: int, capsys: Captured
) -> None:
    assert main(["bench", *options]) == 2
    text = f"bench: --size is {largest + 1}, but a frame holds at most {largest} bytes\n"
    assert capsys.readouterr() == ("", text)


def test_more_in_flight_than_memory_should_hold_is_the_user_s_mistake(capsys: Captured) -> None:
    assert main(["bench", "--size", "0", "--pipeline", "100000", "--connections", "1000"]) == 2
    what = "--connections, --pipeline and --size put 400,000,000 bytes in flight"
    assert capsys.readouterr() == ("", f"bench: {what}, at most 268,435,456 can be\n")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--size", "-1"], "argument --size: -1 is out of range: 0 to 67108864"),
        (["--pipeline", "0"], "argument --pipeline: 0 is out of range: 1 to 100000"),
        (["--connections", "0"], "argument --connections: 0 is out of range: 1 to 10000"),
        (["--rounds", "0"], "argument --rounds: 0 is out of range: 1 to 1000"),
        (["--seconds", "-1"], "argument --seconds: -1 is not a duration"),
        (["--framing", "int33"], "argument --framing: invalid choice: 'int33'"),
    ],
)
def test_a_number_out_of_range_is_the_user_s_mistake(options: list[str], complaint: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["bench", *options])
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"bench: {complaint}")


def test_a_framing_that_cannot_be_is_the_user_s_mistake(capsys: Captured) -> None:
    assert main(["bench", "--length-field-length", "9"]) == 2
    assert capsys.readouterr() == ("", "bench: length_field_length is 9, it must be an int, 1 to 8\n")


def test_without_uvloop_its_row_is_left_out(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert main(["bench", *TINY]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if "uvloop" in line] == ["uvloop isn't installed: it has no row"]


def test_rows_are_compared_with_the_first(told: type[Told], capsys: Captured) -> None:
    told.figures = {"messages": figures(8.0, 7.0, 7.7), "asyncio": figures(10.5, 10.5), "uvloop": figures(7.0)}
    assert main(["bench"]) == 0
    assert capsys.readouterr().out.splitlines()[1:5] == [
        "CPU in us per message             least  median  spread  messages/s  ratio",
        "reactor, a callback per message   7.000   7.700   10.0%     142,857   1.00",
        "asyncio, tuned by hand           10.500  10.500    0.0%      95,238   1.50",
        "uvloop, tuned by hand             7.000   7.000    0.0%     142,857   1.00",
    ]


def test_a_server_that_a_busy_load_keeps_waiting_is_marked(told: type[Told], capsys: Captured) -> None:
    told.figures = {
        "messages": figures(7.0, server_share=0.4, load_share=0.95),
        "uvloop": figures(7.0, server_share=0.6, load_share=0.95),
    }
    assert main(["bench"]) == 0
    _, _, first, second, _, *remarks = capsys.readouterr().out.splitlines()
    assert first.startswith("reactor, a callback per message * ")
    assert "*" not in second
    assert remarks == [
        "* idle for more than half of the time, the load was the bottleneck: messages/s is not the most that it can do"
    ]


def test_a_server_that_waits_with_its_load_is_marked(told: type[Told], capsys: Captured) -> None:
    told.figures = {
        "messages": figures(7.0, server_share=0.4, load_share=0.4),
        "uvloop": figures(7.0, server_share=0.4, load_share=0.95),
    }
    assert main(["bench"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [" * " in line for line in out[2:4]] == [True, True]
    assert out[-1].startswith("* idle for more than half of the time, so was the load: ")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_server_behind(
    signum: int, pids: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    before_each_window(monkeypatch, lambda: os.kill(os.getpid(), signum))
    assert main(["bench", "--connections", "2"]) == 1
    assert beside_progress(capsys.readouterr().err) == "bench: interrupted\n"
    assert [is_alive(pid) for pid in pids] == [False] * len(kinds_here())


def test_a_server_that_dies_fails_it(pids: list[int], monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    before_each_window(monkeypatch, lambda: os.kill(pids[0], signal.SIGKILL))
    assert main(["bench", "--connections", "2"]) == 1
    err = beside_progress(capsys.readouterr().err)
    assert err.startswith("bench: reactor, a callback per message: ")
    assert err.count("\n") == 1


def test_a_server_that_does_not_start_fails_it(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert main(["bench", *TINY]) == 1
    err = beside_progress(capsys.readouterr().err)
    assert err == "bench: reactor, a callback per message: the server didn't start\n"


def test_more_connections_than_descriptors_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(bench_race.resource, "getrlimit", lambda _: (10, 20))
    monkeypatch.setattr(bench, "kinds_here", lambda: ["messages", "reads"])
    assert main(["bench", *TINY]) == 1
    text = "bench: 104 file descriptors are needed, and this system allows 20: see `ulimit -Hn`\n"
    assert capsys.readouterr().err == text


def test_descriptors_that_may_be_had_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(bench_race.resource, "getrlimit", lambda _: (10, 10_000))
    monkeypatch.setattr(bench_race.resource, "setrlimit", lambda _, limits: asked.append(limits))
    monkeypatch.setattr(bench, "kinds_here", lambda: ["messages"])
    assert main(["bench", *TINY]) == 0
    assert asked == [(102, 10_000)]


def test_a_copy_under_another_name_measures_itself(tmp_path: Path) -> None:
    source = Path(reactor.__file__).parent
    shutil.copytree(source, tmp_path / "app" / "net", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    command = [sys.executable, "-m", "app.net", "bench", *TINY]
    env = {**os.environ, "REACTOR_EXTENSION": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, beside_progress(done.stderr)) == (0, "")
    assert "\npure twin, " in done.stdout


def test_help_keeps_to_itself_how_servers_are_started(capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["bench", "--help"])
    out = capsys.readouterr().out
    assert "--pipeline" in out
    assert "--serve" not in out


def test_a_machine_reads_one_object(told: type[Told], capsys: Captured) -> None:
    told.figures = {"messages": figures(7.0, 8.0), "reads": figures(5.0, 6.0)}
    assert main(["bench", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rounds"] == 2
    assert found["surroundings"].endswith("; on paper")
    assert [*found["servers"]] == [KINDS["messages"].label, KINDS["reads"].label]
    assert found["servers"][KINDS["reads"].label]["cpu_per_message"] == pytest.approx([5e-6, 6e-6])


def test_what_was_measured_before_an_interruption_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    begun: list[Load] = []
    genuine = Load.start
    whole_rounds = 3 * len(kinds_here())  # the first of them warms up

    def start(self: Load, seconds: float) -> None:
        begun.append(self)
        genuine(self, seconds if len(begun) < whole_rounds + 2 else 60)
        if len(begun) == whole_rounds + 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Load, "start", start)
    assert main(["bench", "--json", "--seconds", "0", "--connections", "2"]) == 1
    out, err = capsys.readouterr()
    assert beside_progress(err) == "bench: interrupted\n"
    assert json.loads(out)["rounds"] == 2


def test_nothing_is_told_where_no_round_was_whole(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    before_each_window(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert main(["bench", "--json", "--connections", "2"]) == 1
    out, err = capsys.readouterr()
    assert (out, beside_progress(err)) == ("", "bench: interrupted\n")
