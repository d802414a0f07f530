"""Notify: what systemd is told of a service, and how it hands over sockets. Law: where it isn't there nothing happens.

As sd_notify(3) and sd_listen_fds(3) say; the variables are taken away, for they are nobody's below.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_FIRST_FD = 3  # sd_listen_fds(3)


class Notify:
    """Tells the service manager at NOTIFY_SOCKET. `watchdog`: seconds in which it wants to be told, None for never."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog()

    def tell(self, *lines: str) -> None:
        """Send these lines, "READY=1" for one."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:  # a manager that went away
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)


def _watchdog() -> float | None:
    """Return how often the manager wants a word, if it is this process's."""
    pid, micros = os.environ.pop("WATCHDOG_PID", ""), os.environ.pop("WATCHDOG_USEC", "")
    if not micros.isdecimal() or int(micros) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1e6


def handed_over() -> list[int]:
    """Return the descriptors that systemd has opened for this process. They are handed over once."""
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return list(range(_FIRST_FD, _FIRST_FD + int(count)))
