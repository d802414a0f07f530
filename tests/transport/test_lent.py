"""What a protocol may have of its connection's socket."""

import copy
import socket

import pytest

from reactor.transport.lent import lend


def test_a_lent_socket_is_for_looking_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lent = lend(listener)
        assert (lent.getsockname(), lent.family, lent.fileno()) == (
            listener.getsockname(),
            socket.AF_INET,
            listener.fileno(),
        )
        lent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        for name in ("close", "detach", "recv", "send", "settimeout"):
            with pytest.raises(AttributeError, match="for the transport"):
                getattr(lent, name)
        with pytest.raises((AttributeError, TypeError)), lent:
            """Leaving this would close it."""
        assert copy.copy(lent).fileno() == listener.fileno()
