"""Privileges and the pid file; what becomes of a whole service is in test_master."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import in_child

from reactor.workers.privileges import Identity, PidFile, become, identity_of


def test_a_user_is_a_name_or_a_number_and_so_is_a_group() -> None:
    root = Identity("root", 0, 0)
    assert [identity_of(text) for text in ("root", "0", "root:0", "0:root")] == [root] * 4
    assert identity_of("0:5").gid == 5


@pytest.mark.parametrize("text", ["nobody-there", "4294967290", "root:nobody-there", ""])
def test_who_is_not_there_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"user is {text!r}"):
        identity_of(text)


def test_who_is_that_already_stays_so() -> None:
    become(Identity("me", os.geteuid(), os.getegid()), [])


@pytest.mark.skipif(os.geteuid() != 0, reason="who isn't root can't become somebody else")
def test_it_is_for_good(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def try_to_return() -> str:
        become(Identity("nobody", 65534, 65534), [str(tmp_path / "file")])
        try:
            os.setuid(0)
        except PermissionError:
            return f"{os.getresuid()} {os.getresgid()}"
        return "root again"

    assert in_child(try_to_return) == "(65534, 65534, 65534) (65534, 65534, 65534)"
    assert (tmp_path / "file").stat().st_uid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="there is nothing that root can't give up")
def test_who_may_not_is_told_whom_he_was_to_be() -> None:
    def try_it() -> str:
        os.setuid(65534)
        try:
            become(Identity("root", 0, 0), [])
        except OSError as exc:
            return str(exc.strerror)
        return "root again"

    assert in_child(try_it) == "can't become root: Operation not permitted"


def test_a_pid_file_is_ones_own_and_is_removed_by_who_made_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    file = PidFile(str(path))
    assert path.read_text() == f"{os.getpid()}\n"
    PidFile(str(path)).remove()
    assert not path.exists()
    path.write_text("1\n")
    file.remove()
    assert path.exists(), "it is another one's by now"


@pytest.mark.parametrize("left", ["", "nonsense", "999999999"])
def test_what_a_dead_process_has_left_is_replaced(tmp_path: Path, left: str) -> None:
    (tmp_path / "pid").write_text(left)
    PidFile(str(tmp_path / "pid")).remove()


def test_a_process_that_lives_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("1")
    with pytest.raises(OSError, match="says that process 1 is running already"):
        PidFile(str(tmp_path / "pid"))
