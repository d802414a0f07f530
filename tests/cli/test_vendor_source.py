"""What a copy has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import reactor
from reactor.cli import vendor_source
from reactor.cli.failure import Failure

ROOT = Path(__file__).parents[2]
ORIGINAL = Path(reactor.__file__).parent


def test_every_part_has_more_than_the_one_before() -> None:
    framing, core, everything = (vendor_source.files(part, True).keys() for part in vendor_source.PARTS)
    assert framing < core < everything


def test_the_sources_of_the_twins_come_whole() -> None:
    sources = {name: data for name, data in vendor_source.files("core", True).items() if name.startswith("src_ext/")}
    included = {name for data in sources.values() for name in re.findall(r'^include "(.*)"$', data.decode(), re.M)}
    assert {f"src_ext/{name}" for name in included} < sources.keys()
    assert {"src_ext/_codec_c.pyx", "src_ext/_stream_c.pyx", "src_ext/twins.py"} < sources.keys()


def test_the_codec_alone_has_the_sources_of_no_stream() -> None:
    names = vendor_source.files("framing", True).keys()
    assert not [name for name in names if "stream" in name or "transport" in name]
    assert "framing/_codec_c.pxd" in names


def test_an_init_is_trimmed_to_what_is_there() -> None:
    errors = "from .errors import (\n    A,\n    B,\n)\n"
    loop = "from .loop import C, D as E\n"
    text = f'{errors}{loop}\n__all__ = [\n    "A",\n    "C",\n    "E",\n]\n'
    assert vendor_source.trimmed(text, {"errors.py": b""}) == f'{errors}\n__all__ = [\n    "A",\n]\n'


def test_a_part_that_needs_nothing_trimmed_is_copied_as_it_is() -> None:
    assert vendor_source.files("core", False)["__init__.py"] == (ORIGINAL / "__init__.py").read_bytes()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a wheel brings it: with nothing beside it."""
    beside = ("*.so", "__pycache__", "src_ext", "LICENSE")  # some of it is there if the original is installed itself
    shutil.copytree(ORIGINAL, tmp_path / "reactor", ignore=shutil.ignore_patterns(*beside))
    monkeypatch.setattr(vendor_source, "_PACKAGE", tmp_path / "reactor")
    return tmp_path / "reactor"


def test_an_installed_package_copies_what_a_checkout_does(installed: Path) -> None:
    shutil.copytree(ROOT / "src_ext", installed / "src_ext", ignore=shutil.ignore_patterns("*.c"))
    shutil.copy(ROOT / "LICENSE", installed)
    found = vendor_source.files("all", True)
    vendor_source._PACKAGE = ORIGINAL
    assert found == vendor_source.files("all", True)


def test_a_copy_without_its_sources_says_so(installed: Path) -> None:
    shutil.copy(ROOT / "LICENSE", installed)
    (installed.parent / "LICENSE").write_text("of somebody else")
    with pytest.raises(
        Failure, match=r"src_ext/twins.py isn't in .*: this copy was made without it, vendor from a wheel"
    ):
        vendor_source.files("core", True)


def test_a_package_in_a_zip_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_source, "_PACKAGE", tmp_path / "application.pyz/reactor")
    with pytest.raises(Failure, match="is no folder of files: vendor from a wheel that is installed"):
        vendor_source.files("core", False)


def test_the_origin_of_a_release_a_copy_and_a_checkout(installed: Path) -> None:
    assert vendor_source.origin() == "a release, as it was installed"
    (installed / "VENDORED.txt").write_text("# origin: commit 123\n")
    assert vendor_source.origin() == "commit 123"
