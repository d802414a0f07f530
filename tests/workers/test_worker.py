"""Worker: its own end, which is not its master's."""

from __future__ import annotations

from pathlib import Path

from workers.conftest import APP, Start

LOCAL = ["--bind", "127.0.0.1:0", "--workers", "1"]


def test_what_a_thread_was_given_is_done_before_the_end(start: Start, folder: Path) -> None:
    late = "import os, threading\ngo = threading.Event()\ndef write():\n    go.wait()\n    os.write(1, b'written\\n')\n"
    setup = "    reactor.run_in_thread(write)\n    atexit.register(os.write, 1, b'exit\\n')\n"
    setup += "    atexit.register(os.write, 1, b'first at exit\\n')\n    reactor.call_soon(go.set)\n"
    (folder / "app.py").write_text(late + APP + setup)
    service = start(*LOCAL)
    service.ready()
    assert service.stop() == 0
    service.gone()
    assert service.lines.index("written") < service.lines.index("first at exit") < service.lines.index("exit")


def test_a_log_that_the_app_set_up_is_flushed(start: Start, folder: Path) -> None:
    logs = "\nimport logging.handlers\nfile = logging.FileHandler('log', delay=True)\n"
    logs += "memory = logging.handlers.MemoryHandler(1000, target=file)\nlogging.getLogger().addHandler(memory)\n"
    logs += "logging.warning('kept')\n"
    (folder / "app.py").write_text(APP + logs)
    service = start(*LOCAL)
    service.ready()
    assert service.stop() == 0
    service.gone()
    assert (folder / "log").read_text() == "kept\n"
