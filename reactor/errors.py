"""The exception tree. Law: what a handler decides by is an attribute; what a person needs is in the text."""

from __future__ import annotations


class ReactorError(Exception):
    """The root of everything this library raises of its own."""


class FramingError(ReactorError, ValueError):
    """A frame that can't be decoded or encoded. On a decoder it is final: the stream is lost from here on.

    `length`: bytes of the body as announced (None where it never became known). `limit`: the largest body allowed.
    `header`: the raw bytes of the header, as far as they arrived. `stream_offset`: where in the stream the header
    begins, counted in bytes from its start.
    """

    def __init__(
        self,
        text: str,
        length: int | None = None,
        limit: int | None = None,
        header: bytes = b"",
        stream_offset: int = 0,
    ) -> None:
        super().__init__(text)
        self.length = length
        self.limit = limit
        self.header = header
        self.stream_offset = stream_offset


class FrameTooLarge(FramingError):
    """A body over `max_frame_length`, or one whose length the length field can't hold."""


class FrameCorrupt(FramingError):
    """A header that no peer with the same framing can have written."""


class FrameTruncated(FramingError):
    """The stream ended inside a frame, if only right behind its header."""


class ConnectionTimeout(ReactorError, TimeoutError):
    """A bounded wait ran out; the text names which, and the option that bounds it."""


class WriteBufferFull(ReactorError):
    """More bytes wait for the peer than `Limits.max_write_buffer` allows."""
