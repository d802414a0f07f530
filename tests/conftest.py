"""What every test stands on: both twins, reactors that are closed, and nothing left behind."""

import gc
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from weakref import WeakSet

import pytest
from helpers import Echo, open_files
from hypothesis import settings

import reactor
from reactor._mode import compiled_wanted
from reactor.framing import spec
from reactor.loop import eventloop, forks
from reactor.testing import ManualClock, MemorySelector
from reactor.transport import _datagram, _stream, sockets
from reactor.transport.connection import Connection
from reactor.transport.core import State

needs_extension = pytest.mark.skipif(
    compiled_wanted() is False, reason="REACTOR_EXTENSION=0: the compiled twin is not to be loaded"
)
settings.register_profile("reactor", deadline=None)  # no test asserts a duration
settings.load_profile("reactor")

TWINS = ["py", pytest.param("c", marks=needs_extension)]


def pytest_collection_finish() -> None:
    """Let collections pass over the thousands of tests: many ask for one, and each would take 0.1 s and more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=TWINS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """One twin of the codec: a module with Decoder and Encoder."""
    return importlib.import_module(f"reactor.framing._codec_{request.param}")


@pytest.fixture
def twin(codec: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Let every Framing use one twin."""
    stream = importlib.import_module(f"reactor.transport._stream_{codec.__name__.rpartition('_')[2]}")
    for name in ("Intake", "Outlet", "Stream"):
        monkeypatch.setattr(_stream, name, getattr(stream, name))
    monkeypatch.setattr(_stream, "take_next", getattr(stream, "take_next", sockets.take_next))
    monkeypatch.setattr(spec, "Decoder", codec.Decoder)
    monkeypatch.setattr(spec, "encoder_of", codec.encoder_of)
    monkeypatch.setattr(reactor.FramedProtocol, "framing", reactor.Framing())
    return codec


@pytest.fixture(params=TWINS)
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every datagram endpoint use one twin."""
    module = importlib.import_module(f"reactor.transport._datagram_{request.param}")
    monkeypatch.setattr(_datagram, "Datagrams", module.Datagrams)
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a file descriptor or a live transport, or that a report reached nobody else."""
    started: WeakSet[Connection] = WeakSet()  # a test may ask what lives on
    reports: list[dict[str, Any]] = []
    start = Connection.start

    def noted(self: Connection) -> None:
        started.add(self)
        start(self)

    monkeypatch.setattr(Connection, "start", noted)
    monkeypatch.setattr(eventloop, "log_context", reports.append)
    monkeypatch.setattr(forks, "happened", False)  # a test that forks, or its fixture, is nothing to the others
    before = open_files()
    yield
    assert reports == [], "unexpected reports"
    assert [each for each in started if each._state is not State.LOST] == [], "live transports"
    left = {fd: what for fd, what in open_files().items() if before.get(fd) != what}
    assert left == {}, "leaked file descriptors"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loop(clock: ManualClock) -> Iterator[reactor.EventLoop]:
    """A loop in memory, on a clock that is told the time."""
    with reactor.EventLoop(MemorySelector(), clock) as loop:
        yield loop


@pytest.fixture
def net() -> Iterator[reactor.Reactor]:
    """A reactor over real sockets."""
    with reactor.Reactor() as net:
        yield net


@pytest.fixture
def echo() -> type[Echo]:
    """An Echo class of this test's own: `made_here` has its instances."""
    return type("Echo", (Echo,), {"made_here": []})
