"""Adapted protocols: the conformance suite over asyncio's and uvloop's transports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aio.driven import made_by

from reactor.testing import check_transport
from reactor.testing.conformance import PROMISES

LOOPS: dict[str, Callable[[], Any]] = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("number", PROMISES, ids=lambda number: f"{number}_{PROMISES[number].check.__name__}")
def test_an_adapted_transport_keeps_its_promise(twin: Any, name: str, number: int) -> None:
    check_transport(made_by(LOOPS[name]), only=[number])
