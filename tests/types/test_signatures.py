"""What `help()`, completion and a debugger show: the public signature, of every public name and of both twins."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

import reactor
from reactor import aio, testing

PLAIN = (Exception, bytes, reactor.Handle)  # made by the library, or as Python's own
DEFINED = [
    getattr(module, name)
    for module in (reactor, aio, testing)
    for name in module.__all__
    if callable(getattr(module, name))
]


def names(called: Any) -> list[str]:
    return list(inspect.signature(called).parameters)


@pytest.mark.parametrize("called", DEFINED, ids=lambda called: called.__qualname__)
def test_what_is_public_has_a_docstring_and_says_its_arguments(called: Any) -> None:
    assert inspect.getdoc(called)
    if not (inspect.isclass(called) and (issubclass(called, PLAIN) or getattr(called, "_is_protocol", False))):
        kinds = {each.kind for each in inspect.signature(called).parameters.values()}
        assert inspect.Parameter.VAR_POSITIONAL not in kinds


def test_a_decoder_says_its_argument_whichever_twin_it_is_of(codec: ModuleType) -> None:
    assert names(codec.Decoder) == ["framing"]
    assert (inspect.getdoc(codec.Decoder) or "").startswith("Cut a stream into frames.")


def test_a_reactor_is_made_as_a_loop_is() -> None:
    assert names(reactor.Reactor) == names(reactor.EventLoop) == ["selector", "clock"]


def test_a_debugging_person_is_told_what_is_there(codec: ModuleType) -> None:
    decoder = codec.Decoder(reactor.Framing())
    decoder.push(b"\0\0\0\5ab")
    assert list(decoder) == []
    assert repr(decoder) == "<Decoder stream_offset=0 buffered=6 wanted=3 discarded=0>"
    with reactor.Reactor() as net:
        server = net.listen_tcp(reactor.Protocol, "127.0.0.1", 0)
        assert repr(server) == f"<Server listening at 127.0.0.1:{server.addresses[0][1]}, connections=0>"
        assert repr(net).startswith("<Reactor idle, files=")
        assert repr(net).endswith("servers=1, connections=0>")
    assert repr(net) == "<Reactor closed, servers=0, connections=0>"
