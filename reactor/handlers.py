"""Mistakes in a protocol's class, named when it is given its first connection. Law: no false alarm; once per class.

Only what is sure is named: a callback of which a call would run nothing, for it is async or has a yield; the
`data_received` of a FramedProtocol that takes no messages; and a method whose name is a callback's but for its
spelling, that takes what the callback takes, where the class has no such callback and no code of it names the method.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any
from weakref import ref

from .late import difflib
from .protocol import FramedProtocol, Protocol

_ALL = ("connection_made", "eof_received", "connection_lost", "pause_writing", "resume_writing")
_FRAMED = (*_ALL, "message_received", "messages_received", "piece_received", "framing_failed")
_BYTES = (*_ALL, "data_received")
_BUFFERED = (*_ALL, "get_buffer", "buffer_updated")
_DATAGRAMS = (
    "connection_made", "datagram_received", "error_received", "connection_lost", "pause_writing", "resume_writing",
)  # fmt: skip
_OF_STREAMS = ("data_received", "buffer_updated")
_ANY_OF = ("connection_made", "data_received", "buffer_updated", "eof_received", "connection_lost")  # asyncio's words
_EITHER = {"message_received", "messages_received"}  # who has one needs no other
_MESSAGES = {*_EITHER, "piece_received"}
_ALMOST_OTHERS = {"pause_writing", "resume_writing", "get_buffer"}  # not far from names that are right
_ARGUMENTS = {"eof_received": 0, "datagram_received": 2}  # all others are called with one
_CLOSE = 0.9  # of difflib: a letter or two
_NOT_USERS = {"builtins", "typing", "asyncio.protocols", Protocol.__module__}

good: set[ref[type]] = set()  # classes that were judged
good_for_datagrams: set[ref[type]] = set()


def check_protocol(protocol: object, how: str, *args: object) -> None:
    """Raise TypeError if what was given can't be a protocol; `how`, a format for `args`, begins the text."""
    if ref(type(protocol)) in good:
        return
    if isinstance(protocol, type):  # it has the methods, too
        raise TypeError(f"{how % args} the class {protocol.__name__}, not an instance of it")
    if not any(hasattr(protocol, name) for name in _ANY_OF):
        raise TypeError(f"{how % args} {protocol!r}, which has no method of a protocol")
    if hasattr(protocol, "datagram_received") and not any(hasattr(protocol, name) for name in _OF_STREAMS):
        raise TypeError(
            f"{how % args} {protocol!r}, which takes datagrams: they come through bind_udp() and connect_udp()"
        )
    check_handlers(type(protocol))


def check_datagram_protocol(protocol: object, how: str, *args: object) -> None:
    """Raise TypeError if what was given can't take datagrams; `how` as above."""
    if ref(type(protocol)) in good_for_datagrams:
        return
    if isinstance(protocol, type):
        raise TypeError(f"{how % args} the class {protocol.__name__}, not an instance of it")
    if not hasattr(protocol, "datagram_received"):
        raise TypeError(f"{how % args} {protocol!r}, which has no datagram_received: a DatagramProtocol is needed")
    check_handlers(type(protocol), datagrams=True)


def check_handlers(kind: type, datagrams: bool = False) -> None:
    """Raise TypeError if something of a protocol's class is a mistake."""
    users = [each for each in kind.__mro__ if each.__module__ not in _NOT_USERS]
    has = {name for each in users for name in vars(each)}
    named = {name for each in users for value in vars(each).values() for name in _names(value)}
    framed = issubclass(kind, FramedProtocol)
    words = _FRAMED if framed else _BUFFERED if hasattr(kind, "buffer_updated") else _BYTES
    if datagrams:
        words, framed = _DATAGRAMS, False
    for word in words:
        if word != "message_received" or "messages_received" not in has:  # else it is called as the user likes
            _check_runs(kind, word)
    if framed and "data_received" in has - named and not has & _MESSAGES:  # with both it may be for either base
        raise TypeError(
            f"{kind.__qualname__} is a FramedProtocol, nobody calls its data_received(): "
            "messages come to message_received(), bytes to a Protocol"
        )
    for name in has - named - set(words):
        _check_spelling(kind, name, [word for word in words if not has & (_EITHER if word in _EITHER else {word})])
    judged = good_for_datagrams if datagrams else good
    if any(hasattr(kind, word) for word in words):  # else it is one because of what an instance has
        judged.add(ref(kind, judged.discard))


def _check_runs(kind: type, word: str) -> None:
    """Refuse a callback of which a call would run nothing."""
    called = getattr(kind, word, None)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise TypeError(f"{kind.__qualname__}.{word}() is async, and nobody would await it: callbacks are plain")
    if inspect.isgeneratorfunction(called):
        raise TypeError(f"{kind.__qualname__}.{word}() has a yield, so a call would run nothing of it")


def _check_spelling(kind: type, name: str, missing: list[str]) -> None:
    """Refuse a method that is one of the callbacks that the class lacks, but for its spelling."""
    for word in missing:
        if _plain(name) == _plain(word) or _is_typo(getattr(kind, name, None), name, word):
            raise TypeError(f"nobody calls {kind.__qualname__}.{name}(): is it meant to be {word}()?")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _is_typo(function: Any, name: str, word: str) -> bool:
    """Whether a method is so close to a callback that it can be nothing else."""
    if word in _ALMOST_OTHERS or name[-2:] != word[-2:] or difflib.SequenceMatcher(None, name, word).ratio() < _CLOSE:
        return False
    if not inspect.isfunction(function):
        return False
    try:
        inspect.signature(function).bind(*[None] * (1 + _ARGUMENTS.get(word, 1)))
    except TypeError:
        return False
    return True


def _names(value: Any) -> Iterator[str]:
    """Yield what the code of a class's attribute names: attributes, globals, and strings."""
    codes = [
        function.__code__
        for function in (value, *(getattr(value, each, None) for each in ("__func__", "__wrapped__", "fget", "fset")))
        if inspect.isfunction(function)
    ]
    while codes:
        code = codes.pop()
        yield from code.co_names
        yield from (each for each in code.co_consts if isinstance(each, str))
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
