"""What a user's tests need: a clock that is told the time, connections in memory, cuts of a stream, and what
a transport promises."""

from .clock import ManualClock
from .conformance import check_transport
from .conformance_datagrams import check_datagrams
from .cuts import cuts
from .faulty import FaultyMachine, FaultySelector
from .memory import MemorySelector, MemorySocket, memory_pair, memory_sockets
from .memory_datagrams import MemoryDatagramSocket, memory_datagram_pair, memory_datagram_sockets
from .play import Outcome, play
from .settle import settle
from .sim import SimHost, SimNetwork, SimReactor
from .simulate import SimulationFailed, scenario, simulate

__all__ = [
    "FaultyMachine",
    "FaultySelector",
    "ManualClock",
    "MemoryDatagramSocket",
    "MemorySelector",
    "MemorySocket",
    "SimHost",
    "SimNetwork",
    "SimReactor",
    "SimulationFailed",
    "Outcome",
    "play",
    "scenario",
    "simulate",
    "check_datagrams",
    "check_transport",
    "cuts",
    "memory_datagram_pair",
    "memory_datagram_sockets",
    "memory_pair",
    "memory_sockets",
    "settle",
]
