"""App: what a worker runs, by its name. Law: it is imported by the worker, never by the master, so a new one is new."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from socket import socket
from typing import Any

Setup = Callable[[Any, "list[socket]"], object]


def check_target(target: object) -> None:
    """Refuse what can't be an app, before anything is begun."""
    if callable(target):
        return
    if not isinstance(target, str):
        raise TypeError(f"target is {target!r}, it must be 'MODULE:FUNCTION', or a function")
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError(f"{target!r} names no app: MODULE:FUNCTION is needed")


def load(target: str | Setup) -> Setup:
    """Import the app. Raises whatever its import raises."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    # Bytecode is taken for new by its source's size and second: who changes a file twice in one would get the old one.
    sys.dont_write_bytecode = True
    sys.path_importer_cache.clear()  # what the master has seen of folders; invalidate_caches() imports 20 ms of modules
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{target} is {found!r}, it must be a function: {name}(reactor, sockets)")
    return found  # type: ignore[no-any-return]


def told(target: str | Setup, exc: BaseException) -> dict[str, str]:
    """Return how an app failed: a line, and the way there without our own steps."""
    name = target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
    what = traceback.format_exception_only(type(exc), exc)[-1].strip()
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame.f_globals):
        trace = trace.tb_next
    return {"failed": f"{name} failed: {what}", "trace": "".join(traceback.format_exception(type(exc), exc, trace))}


def _is_ours(names: dict[str, Any]) -> bool:
    name: str = names.get("__name__", "")
    return name.startswith((f"{__package__}.", "importlib"))
