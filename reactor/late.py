"""Modules of the standard library that not every program needs. Law: they are imported when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take this name for True, whoever made it

if TYPE_CHECKING:
    import difflib as difflib
    import ipaddress as ipaddress
    import random as random
    import ssl as ssl
    from concurrent import futures as futures
else:

    class _Late:
        """Stands for a module, and keeps what it was asked for: later it costs what a module's attribute does."""

        def __init__(self, module: str) -> None:
            self.__name__ = module

        def __getattr__(self, name: str) -> object:
            from importlib import import_module

            value = getattr(import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    difflib = _Late("difflib")
    futures = _Late("concurrent.futures")
    ipaddress = _Late("ipaddress")
    random = _Late("random")
    ssl = _Late("ssl")
