"""Running workers from Python, by a function and by a name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from workers.conftest import APP, Start, ask

from reactor import workers

SCRIPT = """
from reactor import workers
{import_}

if __name__ == "__main__":
    workers.run({target}, bind=["127.0.0.1:0"], workers=2, grace=1, on_ready=print_all)
    print("over", flush=True)
"""
PRINT = "def print_all(addresses):\n    print('serve: listening on', *addresses, flush=True)\n"


@pytest.mark.parametrize(
    ("import_", "target"), [("", "'app:setup'"), ("from app import setup", "setup"), ("", "'app:Class.setup'")]
)
def test_a_function_or_its_name_is_run(start: Start, folder: Path, import_: str, target: str) -> None:
    (folder / "app.py").write_text(APP + "\nclass Class:\n    setup = staticmethod(setup)\n")
    (folder / "main.py").write_text(PRINT + SCRIPT.format(import_=import_, target=target))
    service = start(command=[sys.executable, "main.py"])
    assert ask(service.ready())[1] in service.workers_by_lines()
    assert service.stop() == 0
    assert service.gone().count("over") == 1, "the workers end in run(), and only the master returns from it"


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"target": "app"}, ValueError, "MODULE:FUNCTION"),
        ({"target": None}, TypeError, "target is None"),
        ({"bind": []}, ValueError, "bind is empty"),
        ({"bind": "127.0.0.1:0"}, TypeError, "bind is '127.0.0.1:0'"),
        ({"bind": ["nonsense"]}, ValueError, "nonsense"),
        ({"workers": 0}, ValueError, "workers is 0"),
        ({"workers": True}, ValueError, "workers is True"),
        ({"grace": -1}, ValueError, "grace is -1"),
        ({"user": "nobody-there"}, ValueError, "user is 'nobody-there'"),
        ({"pid_file": "/nowhere/pid"}, FileNotFoundError, "/nowhere/pid"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_forked(
    wrong: dict[str, Any], error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        workers.run(**{"target": "app:setup", "bind": ["127.0.0.1:0"], **wrong})
