"""A simulated network. Law: one thread, one time, one seed; above the socket the code is production's."""

from .faults import GENTLE, KINDS, Fault
from .host import SimHost
from .log import EventLog
from .network import SimNetwork
from .process import SimReactor
from .way import CONDITIONS, Link, Way

__all__ = ["CONDITIONS", "GENTLE", "KINDS", "EventLog", "Fault", "Link", "SimHost", "SimNetwork", "SimReactor", "Way"]
