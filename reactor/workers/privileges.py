"""Privileges, and the file that names the master. Law: what needs them is done before they are given up, for good."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple


class Identity(NamedTuple):
    """Whom a process is to be."""

    name: str
    uid: int
    gid: int


def identity_of(text: str) -> Identity:
    """Read USER or USER:GROUP, names or numbers. Raises ValueError."""
    import grp
    import pwd

    user, _, group = text.partition(":")
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"user is {text!r}, and there is no user {user!r}") from None
    gid = entry.pw_gid
    if group:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise ValueError(f"user is {text!r}, and there is no group {group!r}") from None
    return Identity(entry.pw_name, entry.pw_uid, gid)


def become(who: Identity, files: Iterable[str]) -> None:
    """Be somebody else for good, who is given these files. Raises OSError naming him."""
    try:
        for path in files:
            os.chown(path, who.uid, who.gid)
        if os.geteuid() == who.uid and os.getegid() == who.gid:
            return
        os.initgroups(who.name, who.gid)
        os.setgid(who.gid)
        os.setuid(who.uid)
    except OSError as exc:
        raise OSError(exc.errno, f"can't become {who.name}: {exc.strerror}") from None


class PidFile:
    """A file with this process's number. Raises OSError if another one that lives has put its own there."""

    def __init__(self, path: str) -> None:
        self.path = path
        other = _read(path)
        if other is not None and other != os.getpid() and _lives(other):
            raise OSError(errno.EEXIST, f"{path} says that process {other} is running already")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    def remove(self) -> None:
        """Remove it, if it is still ours, and may be."""
        if _read(self.path) == os.getpid():
            with suppress(OSError):  # in a directory of root's, behind `become()`
                os.unlink(self.path)


def _read(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
