"""Copies beside the package itself, in one application. `vendored/everywhere.py` does it with a compiled copy, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from reactor import EXTENSION
from reactor._mode import compiled_wanted

APPLICATION = Path(__file__).parent / "vendored/application.py"
COPIES = ["app._vendor.reactor", "app._vendor.rx", "app._vendor.all"]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that has copies, and with certificates."""
    folder = tmp_path_factory.mktemp("application")
    (folder / "app").mkdir()
    (folder / "app/__init__.py").touch()
    for name, part in (("reactor", "core"), ("rx", "core"), ("all", "all")):
        options = ["--name", name, "--only", part]
        subprocess.run([sys.executable, "-m", "reactor", "vendor", folder / "app/_vendor", *options], check=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "chain.pem")
    return folder


def echoed(application: Path, *names: str) -> list[str]:
    command = [sys.executable, "-W", "error", str(APPLICATION), "ca.pem", "chain.pem", *names]
    twin = "0" if compiled_wanted() is False else ""  # 1 would mean the copies, too, which have no compiled ones
    environment = {**os.environ, "REACTOR_EXTENSION": twin}
    done = subprocess.run(command, cwd=application, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_copies_echo_beside_the_package_itself_over_tcp_and_tls(application: Path) -> None:
    twin = "compiled" if EXTENSION else "pure"
    expected = [f"reactor {twin} 3 3", *(f"{name} pure 3 3" for name in COPIES)]
    assert echoed(application, "reactor", *COPIES) == expected


def test_copies_import_nothing_called_reactor(application: Path) -> None:
    assert echoed(application, *COPIES) == [f"{name} pure 3 3" for name in COPIES]
