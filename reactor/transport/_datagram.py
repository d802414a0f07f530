"""Choose the twin of the datagrams' mechanism."""

from __future__ import annotations

from ._datagram_py import Datagrams

__all__ = ["Datagrams"]
