"""One frame, echoed through a copy. Law: a script: its process imports nothing of this package."""

from __future__ import annotations

import socket
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

_MESSAGE = b"one frame"
_PATIENCE = 10.0  # seconds


class Bar:
    """Lets nobody import `reactor`, unless the copy itself is called so."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "reactor":
            raise ModuleNotFoundError(f"{name} is imported, which is not the copy", name=name)


def load(folder: Path) -> Any:
    """Import the package in a folder under the folder's own name, wherever it lies."""
    spec = spec_from_file_location(folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[folder.name] = copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def echo_by_codec(copy: Any) -> bytes:
    """Return what a decoder makes of what a framing encodes."""
    framing = copy.Framing()
    return b"".join(framing.decoder().feed(framing.encode(_MESSAGE)))


def echo_by_loop(copy: Any) -> bytes:
    """Return what a server of the copy answers."""

    class Echo(copy.FramedProtocol):  # type: ignore[misc]  # a class of any copy
        def message_received(self, message: bytes) -> None:
            self.send(message)
            self.transport.close()

        def connection_lost(self, exc: BaseException | None) -> None:
            loop.stop()

    with copy.Reactor() as loop, socket.socket() as peer:
        peer.settimeout(_PATIENCE)
        peer.connect(loop.listen_tcp(Echo, "127.0.0.1", 0).addresses[0])
        peer.sendall(copy.Framing().encode(_MESSAGE))
        loop.call_later(_PATIENCE, loop.stop)
        loop.run()
        (answer,) = copy.Framing().decoder().feed(peer.recv(100)) or [b""]
        return bytes(answer)


def main(folder: Path) -> None:
    if folder.name != "reactor":
        sys.meta_path.insert(0, Bar)
    copy = load(folder)
    echo = echo_by_loop if hasattr(copy, "Reactor") else echo_by_codec
    answer = echo(copy)
    if answer != _MESSAGE:
        raise SystemExit(f"{answer!r} came back in place of {_MESSAGE!r}")
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in ("reactor", folder.name) and not Path(file or folder).is_relative_to(folder):
            raise SystemExit(f"{name} was imported from {file}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
