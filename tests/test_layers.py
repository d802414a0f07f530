"""A module imports only from below: from a lower storey, or from a lower shelf of its own."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import reactor
from reactor.cli.vendor_source import trimmed

ROOT = Path(reactor.__file__).parent

# Lowest first; what shares a line may not import each other.
RANKS = [
    {"_mode", "errors", "late"},
    {"framing.piece", "framing.verdicts"},
    {"framing._fields_py", "framing.custom"},
    {"framing._encoder_py"},
    {"framing._chunk_py"},
    {"framing._lines_py"},
    {"framing._codec_py"},
    {"framing._codec"},
    {"framing.spec"},
    {"framing.presets"},
    {"framing"},
    {"loop.handle", "loop.machine", "loop.poller", "loop.report", "loop.watch", "loop.wakeup"},
    {"loop.ends", "loop.look", "loop.timers", "loop.signals", "loop.stalls", "loop.threads", "loop.outcome"},
    {"loop.turn"},
    {"loop.forks", "loop.interrupts", "loop.owner"},
    {"loop.files"},
    {"loop.eventloop"},
    {"loop"},
    {"protocol"},
    {"handlers"},
    {
        "transport.address",
        "transport.limits",
        "transport.buffers",
        "transport.deadlines",
        "transport.lent",
        "transport.proxy",
        "transport.tls",
    },
    {"transport.sockets", "transport._sender_py", "transport._receiver_py"},
    {"transport._stream_py"},
    {"transport._stream"},
    {"transport.core", "transport.unix", "transport.resolver", "transport.linger", "transport.multicast"},
    {"transport.receiving", "transport.sending", "transport.listener", "transport.connector", "transport.udp"},
    {"transport.connection", "transport._datagram_py"},
    {"transport.pipe"},
    {"transport._datagram"},
    {"transport.datagram_core"},
    {"transport.datagram"},
    {"transport"},
    {"arguments", "waits"},
    {"gate", "guests"},
    {"server", "dial", "lookup"},
    {"connections"},
    {"datagrams"},
    {"reactor"},
    {
        "testing.clock",
        "testing.cuts",
        "testing.memory",
        "testing.settle",
        "testing.faulty",
        "testing.conformance_stage",
    },
    {
        "testing.conformance_bytes",
        "testing.conformance_ends",
        "testing.conformance_flow",
        "testing.conformance_messages",
        "testing.conformance_meeting",
        "testing.memory_datagrams",
    },
    {"testing.conformance_datagrams"},
    {"testing.sim.events", "testing.sim.base", "testing.sim.selector"},
    {"testing.sim.log", "testing.sim.drift", "testing.sim.calls", "testing.sim.datagram_socket"},
    {"testing.sim.way"},
    {"testing.sim.flow"},
    {"testing.sim.stream"},
    {"testing.sim.handshake"},
    {"testing.sim.machine"},
    {"testing.sim.process"},
    {"testing.sim.host"},
    {"testing.sim.faults"},
    {"testing.sim.network"},
    {"testing.sim"},
    {"testing.play", "testing.strategies"},
    {"testing.shrink", "testing.workers"},
    {"testing.simulate"},
    {"testing.conformance"},
    {"testing"},
    {"testing.__main__"},
    {""},
    {"aio.attach", "aio.bridge"},
    {"aio.adapt"},
    {"aio.streams"},
    {"aio"},
    {"workers.app", "workers.binding", "workers.channel", "workers.notify", "workers.privileges"},
    {"workers.worker"},
    {"workers.master"},
    {"workers.running"},
    {"workers"},
    {"cli.failure", "cli.paint", "cli.round_trips", "cli.vendor_echo", "cli.terminal"},
    {"cli.options", "cli.pcap", "cli.vendor_source"},
    {"cli.vendor_copy"},
    {"cli.load", "cli.echo", "cli.send", "cli.dump", "cli.bench_asyncio", "cli.bench_load", "cli.vendor", "cli.serve"},
    {"cli.demo", "cli.bench_servers"},
    {"cli.bench_race"},
    {"cli.bench"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
PARTS = {"receiving", "sending", "_receiver_py", "_sender_py", "outcome"}  # of connection, stream and threads
PARTS |= {"datagram_core", "_chunk_py", "waits"}  # of datagram, codec, guests and gate
FRAMING_MUST_NOT_SEE = {"socket", "selectors", "time", "asyncio", "threading", "ssl"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] == "src_ext":  # what an installed package has beside its modules
            continue
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> list[tuple[int, str]]:
    """Return (level, module or module.name) of every import that runs."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, f"{node.module or ''}.{alias.name}".lstrip(".")) for alias in node.names]
    return found


def resolve(name: str, path: Path, level: int, target: str) -> str:
    """Return our name of a relative import's module."""
    here = name.split(".") if name else []
    base = here if path.name == "__init__.py" else here[:-1]
    base = base[: len(base) - (level - 1)] if level > 1 else base
    full = [*base, *target.split(".")]
    while full and ".".join(full) not in RANK:
        full.pop()
    return ".".join(full)


def test_every_module_has_its_rank() -> None:
    assert set(modules()) == set(RANK)


@pytest.mark.parametrize("name", sorted(RANK))
def test_a_module_imports_only_from_below(name: str) -> None:
    path = modules()[name]
    for level, target in imports(name, path):
        if level:
            seen = resolve(name, path, level, target)
            if target.startswith(("_codec_c", "_stream_c", "_datagram_c")):
                continue
            assert RANK[seen] < RANK[name], f"{name or 'reactor'} imports {seen}"
        else:
            assert not target.startswith("reactor"), f"{name} imports itself by name: a vendored copy would break"


IMPORT_ALL = """
import sys
sys.path.insert(0, sys.argv.pop(1))
for name in sys.argv[1:]:
    __import__(name)
print(len(sys.argv) - 1, [name for name in sys.modules if name.partition(".")[0] == "reactor"])
"""


@pytest.mark.parametrize("rank", range(1, len(RANKS)), ids=lambda rank: f"without {min(RANKS[rank]) or 'the face'}")
def test_what_is_below_works_where_all_from_a_rank_up_is_left_out(rank: int, tmp_path: Path) -> None:
    kept = {path.relative_to(ROOT).as_posix(): path for name, path in modules().items() if RANK[name] < rank}
    for name, path in kept.items():
        (tmp_path / "below" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "below" / name).write_bytes(path.read_bytes())
    face = trimmed((ROOT / "__init__.py").read_text(), dict.fromkeys(kept, b""))
    (tmp_path / "below/__init__.py").write_text(face)
    names = [".".join(filter(None, ("below", name))) for name in modules() if RANK[name] < rank]
    command = [sys.executable, "-I", "-B", "-c", IMPORT_ALL, str(tmp_path), "below", *names]
    environment = {**os.environ, "REACTOR_EXTENSION": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"{len(names) + 1} []\n", "")


@pytest.mark.parametrize("name", sorted(each for each in RANK if each.startswith("framing")))
def test_framing_sees_no_socket_clock_or_loop(name: str) -> None:
    seen = {target.split(".")[0] for level, target in imports(name, modules()[name]) if level == 0}
    assert not seen & FRAMING_MUST_NOT_SEE


@pytest.mark.parametrize(("name", "path"), sorted(modules().items()))
def test_a_module_stays_under_400_lines(name: str, path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_every_module_has_its_tests() -> None:
    tests = {path.name for path in Path(__file__).parent.rglob("test_*.py")}
    for name in RANK:
        last = name.rpartition(".")[2]
        if last.startswith("__") or (ROOT / name.replace(".", "/")).is_dir():
            continue
        if last.startswith("conformance_") or last in PARTS:
            continue
        wanted = f"test_{last.strip('_').removesuffix('_py')}.py"
        assert wanted in tests, name
