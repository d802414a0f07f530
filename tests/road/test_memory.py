"""Memory: what waits to be sent takes at most twice its bytes, however small the messages and whoever wrote them.

Each is measured in a process of its own whose every allocation is the C library's, OpenSSL's and Python's alike: so
the numbers are exact, and the same each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme

PROBE = Path(__file__).with_name("memory_probe.py")
CAP = 128 * 1024
SLACK = 64 * 1024  # bytes: whatever a connection owns besides while something waits
WAYS = ["send", "send_many", "write", "writelines"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, authority: tuple[trustme.CA, trustme.LeafCert]) -> str:
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    authority[1].private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


def probe(twin: ModuleType, *args: Any) -> dict[str, Any]:
    environment = {
        **os.environ,
        "REACTOR_EXTENSION": "1" if twin.__name__.endswith("_c") else "0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MALLOC_MMAP_THRESHOLD_": "131072",  # a fixed one: what is freed is given back
    }
    done = subprocess.run(
        [sys.executable, PROBE, *map(str, args)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("road", ["tcp", "tls"])
def test_what_waits_takes_at_most_twice_its_bytes_however_small_the_messages(
    twin: ModuleType, certificate: str, road: str
) -> None:
    found = probe(twin, "waiting", road, certificate, CAP, *WAYS)
    assert set(found) == set(WAYS)
    for way, (waiting, grown) in found.items():
        assert waiting <= CAP, f"{way}: the cap doesn't hold"
        assert waiting > CAP * 0.6, f"{way}: the cap was not reached"
        assert grown <= 2 * waiting + SLACK, f"{way}: {grown} bytes for {waiting} that wait"


def test_wishes_for_new_keys_that_are_never_read_take_no_memory(twin: ModuleType, certificate: str) -> None:
    found = probe(twin, "key_updates", "tls", certificate, CAP // 2)
    read_at_once = 384 * 1024  # a read, in a buffer of OpenSSL's, may lie undecrypted while nobody reads on
    assert found["waiting"] <= CAP // 2
    assert found["grown"] <= 2 * (CAP // 2) + read_at_once + SLACK
