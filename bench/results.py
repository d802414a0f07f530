"""What the bench found, as JSON in bench/out: facts about the machine, and the figures. charts.py draws from there."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent / "out"
PACKAGES = ("reactor", "uvloop", "aiofastnet", "twisted")


def median(figures: Sequence[float]) -> float:
    return sorted(figures)[len(figures) // 2]


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "cpu": next(_cpu_models(), platform.machine()),
        "kernel": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in PACKAGES},
    }


def save(file: Path, rounds: int, found: dict[str, Any]) -> None:
    """Write figures and the facts they depend on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"machine": machine(), "rounds": rounds, **found}, indent=1) + "\n")


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _cpu_models() -> Iterator[str]:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else []:
        if line.startswith("model name"):
            yield line.partition(":")[2].strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
