"""vendor, as people and their CI call it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

import reactor
from reactor.cli import main
from reactor.cli.vendor import dotted_name

ROOT = Path(__file__).parents[2]
ORIGINAL = Path(reactor.__file__).parent


class Said(NamedTuple):
    status: int
    out: list[str]
    err: str


Vendor = Callable[..., Said]


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Vendor:
    """Run `vendor lib` with options, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def vendor(*options: str, dest: str = "lib") -> Said:
        status = main(["vendor", dest, *options])
        out, err = capsys.readouterr()
        return Said(status, out.splitlines(), err)

    return vendor


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_is_written_tried_and_its_import_is_told(vendor: Vendor, tmp_path: Path) -> None:
    said = vendor()
    assert (said.status, said.err) == (0, "")
    assert said.out[0].startswith("lib/reactor: ")
    assert said.out[0].endswith(f" files of reactor {reactor.__version__}, core")
    assert said.out[1:] == [
        "one frame was echoed through it, where nothing else called reactor can be imported",
        "from lib import reactor",
    ]
    assert {"__init__.py", "reactor.py", "LICENSE", "py.typed", "VENDORED.txt"} <= names(tmp_path / "lib/reactor")


def test_nothing_that_was_built_is_copied(vendor: Vendor, tmp_path: Path) -> None:
    assert vendor("--compiled", "--only", "all").status == 0
    suffixes = {Path(name).suffix for name in names(tmp_path / "lib")}
    assert suffixes == {".py", ".typed", ".txt", ".pyx", ".pxi", ".pxd", ""}


def test_core_has_no_command_line_and_nothing_for_tests(vendor: Vendor, tmp_path: Path) -> None:
    vendor("--name", "core")
    vendor("--name", "whole", "--only", "all")
    left_out = names(tmp_path / "lib/whole") - names(tmp_path / "lib/core")
    assert {name.partition("/")[0] for name in left_out} == {"cli", "testing", "__main__.py"}


def test_framing_is_the_codec_alone(vendor: Vendor, tmp_path: Path) -> None:
    assert vendor("--only", "framing").status == 0
    there = {name.partition("/")[0] for name in names(tmp_path / "lib/reactor")}
    assert there == {"__init__.py", "_mode.py", "errors.py", "framing", "LICENSE", "py.typed", "VENDORED.txt"}


def test_a_copy_of_the_whole_makes_copies_of_its_own(vendor: Vendor, tmp_path: Path) -> None:
    vendor("--name", "first", "--only", "all", "--compiled")
    options = ["--name", "second", "--only", "all", "--compiled"]
    command = [sys.executable, "-B", "-m", "first", "vendor", ".", *options]
    subprocess.run(command, cwd=tmp_path / "lib", env={**os.environ, "REACTOR_EXTENSION": "0"}, check=True)
    assert names(tmp_path / "lib/first") == names(tmp_path / "lib/second")
    records = [(tmp_path / "lib" / name / "VENDORED.txt").read_text().splitlines() for name in ("first", "second")]
    assert [pair for pair in zip(*records, strict=True) if pair[0] != pair[1]] == [
        (
            f"# repeat: python -m reactor vendor lib --name first {' '.join(options[2:])}",
            f"# repeat: python -m first vendor . {' '.join(options)}",
        )
    ]


def test_compiled_says_what_builds_it(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/__init__.py").touch()
    said = vendor("--compiled", "--name", "rx", dest="lib/inner")
    assert '    twins = run_path("lib/inner/rx/src_ext/twins.py")["twins"]' in said.out
    assert '    setup(ext_modules=twins("lib.inner.rx"))' in said.out
    assert said.out[-1] == "from lib.inner import rx"


def test_a_copy_may_be_made_anew_at_any_time(vendor: Vendor, tmp_path: Path) -> None:
    vendor()
    before = {name: (tmp_path / "lib/reactor" / name).read_bytes() for name in names(tmp_path / "lib/reactor")}
    assert vendor().status == 0
    assert before == {name: (tmp_path / "lib/reactor" / name).read_bytes() for name in before}


def test_what_an_older_copy_had_goes_and_so_does_what_was_built_of_it(vendor: Vendor, tmp_path: Path) -> None:
    vendor("--only", "all", "--compiled")
    (tmp_path / "lib/reactor/framing/_codec_c.cpython-399.so").touch()
    said = vendor("--only", "framing")
    assert "that an older one had were removed" in said.out[0]
    assert {path.name for path in (tmp_path / "lib/reactor").iterdir()} == {
        *("__init__.py", "_mode.py", "errors.py", "framing", "LICENSE", "py.typed", "VENDORED.txt")
    }
    assert "framing/_codec_c.cpython-399.so" not in names(tmp_path / "lib/reactor")


# --- what is not overwritten


def test_a_folder_that_is_no_copy_is_left_alone(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "lib/reactor").mkdir(parents=True)
    (tmp_path / "lib/reactor/mine.py").write_text("mine")
    said = vendor()
    assert said == (1, [], "vendor: lib/reactor is not a copy: mine.py (not ours); --force writes all the same\n")
    assert names(tmp_path / "lib") == {"reactor/mine.py"}


def test_force_writes_beside_what_is_not_ours(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "lib/reactor").mkdir(parents=True)
    (tmp_path / "lib/reactor/mine.py").write_text("mine")
    assert vendor("--force").status == 0
    assert (tmp_path / "lib/reactor/mine.py").read_text() == "mine"
    assert "not ours" in vendor().err


def test_a_copy_that_was_changed_is_left_alone_unless_forced(vendor: Vendor, tmp_path: Path) -> None:
    vendor()
    (tmp_path / "lib/reactor/server.py").write_text("changed")
    said = vendor()
    assert said.status == 1
    assert "was changed by hand: server.py (changed); --force" in said.err
    assert (tmp_path / "lib/reactor/server.py").read_text() == "changed"
    assert vendor("--force").status == 0
    assert vendor("--check").status == 0


def test_a_long_list_of_changes_is_cut(vendor: Vendor, tmp_path: Path) -> None:
    vendor()
    modules = list((tmp_path / "lib/reactor").rglob("*.py"))
    for path in modules:
        path.unlink()
    assert f" and {len(modules) - 10} more; --force" in vendor().err


@pytest.mark.parametrize("forced", [[], ["--force"]])
def test_the_original_is_never_overwritten(vendor: Vendor, tmp_path: Path, forced: list[str]) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/reactor").symlink_to(ORIGINAL)
    assert vendor(*forced) == (1, [], "vendor: lib/reactor is the original\n")


def test_a_file_in_the_way_is_named(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/reactor").touch()
    assert vendor() == (1, [], "vendor: lib/reactor is not a folder\n")


@pytest.mark.parametrize("name", ["a.b", "a-b", "class", "", "../x"])
def test_a_name_is_one_that_can_be_imported(vendor: Vendor, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        vendor("--name", name)
    assert capsys.readouterr().err == f"vendor: argument --name: {name!r} can't be the name of a package\n"


# --- --check


def test_a_fresh_copy_is_as_it_should_be(vendor: Vendor) -> None:
    vendor("--only", "all", "--compiled")
    said = vendor("--check")
    assert (said.status, said.err) == (0, "")
    assert said.out[0].endswith(f" files, as {reactor.__version__} has them")


def test_what_was_built_and_what_python_caches_is_no_change(vendor: Vendor, tmp_path: Path) -> None:
    vendor("--compiled")
    built = ("framing/_codec_c.cpython-311.so", "transport/_stream_c.pyd", "src_ext/_codec_c.c", "__pycache__/x.pyc")
    for name in built:
        (tmp_path / "lib/reactor" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "lib/reactor" / name).touch()
    assert vendor("--check").status == 0


def test_one_changed_byte_a_missing_file_and_a_new_one_are_told(vendor: Vendor, tmp_path: Path) -> None:
    vendor()
    folder = tmp_path / "lib/reactor"
    license_ = bytearray((folder / "LICENSE").read_bytes())
    license_[-2] ^= 1
    (folder / "LICENSE").write_bytes(license_)
    (folder / "loop/timers.py").unlink()
    (folder / "loop/mine.py").touch()
    said = vendor("--check")
    assert (said.status, said.out) == (1, ["LICENSE: changed", "loop/mine.py: not ours", "loop/timers.py: missing"])
    assert said.err.startswith("vendor: 3 files of lib/reactor (version ")


def test_an_old_version_is_told_file_by_file(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "older"
    shutil.copytree(ORIGINAL, older / "reactor", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (older / "reactor/errors.py").write_text("# as it was\n")
    (older / "reactor/gone.py").write_text("# as it was\n")
    (older / "reactor/dial.py").unlink()
    (older / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    (older / "src_ext").mkdir()
    (older / "src_ext/twins.py").touch()
    with monkeypatch.context() as patch:
        patch.setattr("reactor.cli.vendor_source._PACKAGE", older / "reactor")
        patch.setattr("reactor.cli.vendor._echo", lambda folder: None)
        vendor()
    said = vendor("--check")
    assert said.out == ["dial.py: old: it isn't there yet", "errors.py: old", "gone.py: old: it is no more"]
    assert said.status == 1
    assert "1 that an older one had were removed" in vendor().out[0]
    assert vendor("--check").status == 0


def test_a_folder_that_is_no_copy_can_not_be_checked(vendor: Vendor) -> None:
    assert vendor("--check") == (1, [], "vendor: lib/reactor is not a copy: it has no VENDORED.txt that is one's\n")


def test_a_record_that_is_none_is_not_trusted(vendor: Vendor, tmp_path: Path) -> None:
    vendor()
    (tmp_path / "lib/reactor/VENDORED.txt").write_text("mine")
    assert "is not a copy" in vendor("--check").err
    assert "is not a copy" in vendor().err
    assert vendor("--force").status == 0
    assert vendor("--check").status == 0


# --- how it is imported


@pytest.mark.parametrize(
    ("packages", "folder", "dotted"),
    [
        ([], "lib/rx", "rx"),
        (["app"], "app/rx", "app.rx"),
        (["app", "app/_vendor"], "app/_vendor/rx", "app._vendor.rx"),
        (["app"], "app/_vendor/rx", "app._vendor.rx"),
        (["src/app"], "src/app/_vendor/rx", "app._vendor.rx"),
        (["app"], "app/a/b/rx", "rx"),
    ],
)
def test_the_dotted_name_goes_up_to_the_outermost_package(
    tmp_path: Path, packages: list[str], folder: str, dotted: str
) -> None:
    for package in packages:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    assert dotted_name(tmp_path / folder) == dotted


def test_the_document_shows_the_lines_that_are_printed(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__init__.py").touch()
    printed = "\n".join(vendor("--compiled", "--name", "rx", dest="app/_vendor").out)
    document = (ROOT / "docs/vendoring.md").read_text()
    for block in re.findall(r"```(?:python|toml)\n(.*?)```", document, re.DOTALL):
        assert textwrap.indent(block, "    ", lambda line: bool(line.strip())) in printed


def test_where_no_folder_is_a_package_the_import_is_from_the_current_one(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(reactor.__file__).parents[1]), "REACTOR_EXTENSION": ""}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    said = run([sys.executable, "-m", "reactor", "vendor", "app/_vendor"]).stdout.splitlines()[-1]
    assert said == "from app._vendor import reactor"
    done = run([sys.executable, "-c", f"{said}\nprint(reactor.__name__)"])
    assert done.stdout == "app._vendor.reactor\n"
