"""Bytes to messages and back. Law: nothing in this folder imports a socket, a clock or the loop."""

from . import presets
from ._codec import EXTENSION, BytesLike, Decoder, Encoder
from .piece import Piece
from .spec import Framing

__all__ = ["EXTENSION", "BytesLike", "Decoder", "Encoder", "Framing", "Piece", "presets"]
