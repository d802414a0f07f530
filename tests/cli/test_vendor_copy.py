"""The record of a copy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reactor.cli.vendor_copy import Copy, Record, digest

FILES = {"__init__.py": b"one", "loop/turn.py": b"two"}
HASHES = {name: digest(data) for name, data in FILES.items()}
RECORD = Record("1.2", "commit 123", "core", False, "python -m reactor vendor lib", HASHES)


def test_a_record_is_read_as_it_was_written() -> None:
    assert Record.read(RECORD.text()) == RECORD


def test_sha256sum_checks_a_copy(tmp_path: Path) -> None:
    Copy(tmp_path).write(FILES, RECORD)
    done = subprocess.run(["sha256sum", "-c", "VENDORED.txt"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("__init__.py: OK\nloop/turn.py: OK\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        RECORD.text().replace("# version: 1.2\n", ""),
        RECORD.text().replace("# version: 1.2\n", "# vision: 1.2\n"),
        RECORD.text().replace("# only: core", "# only: most"),
        RECORD.text().replace("loop/turn.py", "../turn.py"),
        RECORD.text().replace("loop/turn.py", "/turn.py"),
        "\n".join(line for line in RECORD.text().splitlines() if line.startswith("#")),
    ],
    ids=["empty", "no version", "another word", "no part", "outside", "absolute", "no files"],
)
def test_any_other_text_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match="not a record of a copy"):
        Record.read(text)


def test_a_folder_without_a_record_holds_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert Copy(tmp_path).by_hand() == {"mine": "not ours"}
    assert Copy(tmp_path / "nowhere").by_hand() == {}


def test_a_folder_that_becomes_empty_goes(tmp_path: Path) -> None:
    Copy(tmp_path).write(FILES, RECORD)
    later = Copy(tmp_path)
    assert later.write({"__init__.py": b"one"}, RECORD) == 1
    assert not (tmp_path / "loop").exists()


def test_a_folder_with_something_else_in_it_stays(tmp_path: Path) -> None:
    Copy(tmp_path).write(FILES, RECORD)
    (tmp_path / "loop/mine.py").touch()
    Copy(tmp_path).write({"__init__.py": b"one"}, RECORD)
    assert [path.name for path in (tmp_path / "loop").iterdir()] == ["mine.py"]
