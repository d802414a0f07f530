"""A copy in somebody's project. Law: what it doesn't know by its record, it neither changes nor removes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .failure import Failure
from .vendor_source import PARTS, RECORD

_FIELDS = ("version", "origin", "only", "compiled", "repeat")
_HASHED = re.compile("([0-9a-f]{64})  (.+)")  # as sha256sum writes it, and checks it
_BUILT = re.compile(r"(^|/)__pycache__/|^src_ext/[^/]+\.c$|(^|/)_(codec|stream|datagram)_c\.[^/]*(so|pyd)$")


@dataclass(frozen=True)
class Record:
    """What VENDORED.txt says."""

    version: str
    origin: str
    only: str
    compiled: bool
    repeat: str
    hashes: Mapping[str, str]

    def text(self) -> str:
        said = {**vars(self), "compiled": "yes" if self.compiled else "no"}
        head = ["# A copy of reactor. Changes belong into the original; `repeat` brings them here."]
        head += [f"# {name}: {said[name]}" for name in _FIELDS]
        return "\n".join([*head, *(f"{value}  {name}" for name, value in sorted(self.hashes.items()))]) + "\n"

    @classmethod
    def read(cls, text: str) -> Record:
        """Return what such a text says. Raises ValueError for any other text."""
        said = dict(re.findall(r"^# (\w+): (.*)$", text, re.MULTILINE))
        hashes = {line[2]: line[1] for line in map(_HASHED.fullmatch, text.splitlines()) if line}
        inside = all(".." not in PurePosixPath(name).parts and not name.startswith("/") for name in hashes)
        if not inside or not hashes or not said.keys() >= set(_FIELDS) or said["only"] not in PARTS:
            raise ValueError("not a record of a copy")
        return cls(**{**{name: said[name] for name in _FIELDS}, "compiled": said["compiled"] == "yes"}, hashes=hashes)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Copy:
    """A folder that is a copy, or becomes one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: Record | None = None
        if folder.exists() and not folder.is_dir():
            raise Failure(f"{folder} is not a folder")
        with suppress(FileNotFoundError, ValueError):  # a record that can't be read is none
            self.record = Record.read((folder / RECORD).read_text(encoding="utf-8"))

    def by_hand(self) -> dict[str, str]:
        """Return what was done to which file since it was copied."""
        there = self._hashes()
        if self.record is None:
            return dict.fromkeys(there, "not ours")
        known = self.record.hashes
        missing = dict.fromkeys(known.keys() - there.keys(), "missing")
        unknown = dict.fromkeys(there.keys() - known.keys(), "not ours")
        changed = {name: "changed" for name in known.keys() & there.keys() if known[name] != there[name]}
        return dict(sorted({**missing, **unknown, **changed}.items()))

    def outdated(self, now: Mapping[str, str]) -> dict[str, str]:
        """Return which files would be others, new or gone if they were copied now."""
        assert self.record is not None
        known = self.record.hashes
        new = dict.fromkeys(now.keys() - known.keys(), "old: it isn't there yet")
        gone = dict.fromkeys(known.keys() - now.keys(), "old: it is no more")
        other = {name: "old" for name in known.keys() & now.keys() if known[name] != now[name]}
        return dict(sorted({**new, **gone, **other}.items()))

    def write(self, files: Mapping[str, bytes], record: Record) -> int:
        """Write the files, the record last, and remove what an older copy had, and what was built from it."""
        before = self.record.hashes if self.record else {}
        removed = [name for name in before if name not in files]
        self._remove([*removed, *self._built()])
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self.folder / RECORD).write_text(record.text(), encoding="utf-8", newline="\n")
        self.record = record
        return len(removed)

    def _hashes(self) -> dict[str, str]:
        paths = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        return {
            name: digest(path.read_bytes())
            for name, path in paths.items()
            if name != RECORD and not _BUILT.search(name)
        }

    def _built(self) -> list[str]:
        paths = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return [name for name in paths if self.record and _BUILT.search(name)]

    def _remove(self, names: list[str]) -> None:
        for name in names:
            path = self.folder / name
            path.unlink(missing_ok=True)
            for parent in path.relative_to(self.folder).parents[:-1]:
                with suppress(OSError):  # something is left in it
                    (self.folder / parent).rmdir()
