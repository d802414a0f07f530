"""What other systems lack, hidden from a process before it imports anything of ours: by its `sitecustomize`.

Hidden from the standard library as well, as far as it looks late.
"""

from __future__ import annotations

import select
import selectors
from typing import Any

_SELECTORS = {
    "epoll": "EpollSelector",
    "poll": "PollSelector",
    "kqueue": "KqueueSelector",
    "devpoll": "DevpollSelector",
}


def without_epoll() -> None:
    """Be behind gevent's or eventlet's patching: select() alone is left."""
    for call, selector in _SELECTORS.items():
        _hide(select, call)
        _hide(selectors, selector)
    selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc]


def _hide(owner: Any, *names: str) -> None:
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)
