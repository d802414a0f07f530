# Frames that have no length field: a body, and what a delimiter or a function puts beside it. Part of _codec_c.pyx.
#
# _encoder_py.py is the reference.


cdef class PairEncoder:
    """Make frames of two parts: a body, and something in front of it or behind."""

    def __cinit__(self, framing):
        self.limit = verdicts.check_limit(framing.max_frame_length)
        self.offset = framing.length_field_offset
        self.behind = bool(framing.delimiter)

    def encode(self, body, prefix=b""):
        """Return one frame."""
        cdef bytes text = as_bytes(body), other = self.beside(text, as_bytes(prefix))
        return text + other if self.behind else other + text

    def frame(self, body, prefix=b""):
        """Return one frame, not joined."""
        cdef bytes text = body, other = self.beside(text, as_bytes(prefix))
        return (text, other) if self.behind else (other, text)

    def encode_many(self, bodies):
        """Return the frames of all bodies, joined."""
        return b"".join(self.parts(bodies))

    cpdef list parts(self, bodies):
        """Return the frames of all bodies, not joined: each header, and each body as it is."""
        cdef list parts = []
        cdef bytes text, other
        if self.offset:
            raise verdicts.wrong_prefix(0, self.offset)
        for body in list(bodies):
            text = as_bytes(body)
            other = self.beside(text, b"")
            parts.append(text if self.behind else other)
            parts.append(other if self.behind else text)
        return parts

    cdef bytes beside(self, bytes body, bytes prefix):
        """Return what stands beside a body; refuse one that can't be sent. A function of the user's may be called."""
        raise NotImplementedError


@cython.final
cdef class DelimitedEncoder(PairEncoder):
    """Put a delimiter behind bodies."""

    def __cinit__(self, framing):
        self.delimiter = framing.delimiter
        verdicts.check_layout(0, 0, 0, len(self.delimiter), 0)

    def header(self, size, prefix=b""):
        """Return nothing, which is what stands in front of a body."""
        self.judge(PyNumber_Index(size), as_bytes(prefix))
        return b""

    cdef bytes beside(self, bytes body, bytes prefix):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body), at
        if size > self.limit or PyBytes_GET_SIZE(prefix):
            self.judge(size, prefix)
        at = self.inside(<const uint8_t *>PyBytes_AS_STRING(body), size)
        if at < size:
            raise verdicts.delimiter_inside(at, self.delimiter)
        return self.delimiter

    cdef int judge(self, size, bytes prefix) except -1:
        if prefix:
            raise verdicts.wrong_prefix(len(prefix), 0)
        if size > self.limit:
            raise verdicts.body_over_limit(size, self.limit)
        return 0

    cdef Py_ssize_t inside(self, const uint8_t *body, Py_ssize_t size) noexcept:
        """Return where the first delimiter of a frame begins: behind the body, if all is well."""
        cdef uint8_t edge[2 * MOST_MARK]
        cdef const uint8_t *mark = <const uint8_t *>PyBytes_AS_STRING(self.delimiter)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(self.delimiter), kept = min(size, length - 1)
        cdef Py_ssize_t at = find_mark(body, size, mark, length)
        if at >= 0 or length == 1:
            return at if at >= 0 else size
        memcpy(edge, body + size - kept, kept)  # may make one with the beginning of the delimiter
        memcpy(edge + kept, mark, length)
        return size - kept + find_mark(edge, kept + length, mark, length)


@cython.final
cdef class CustomEncoder(PairEncoder):
    """Put headers in front of bodies that a function of the user's writes."""

    def __cinit__(self, framing):
        self.write_header = framing.write_header
        self.most = framing.max_header_length

    def header(self, size, prefix=b""):
        """Return what the function makes of size and prefix."""
        return self.written(PyNumber_Index(size), as_bytes(prefix))

    cdef bytes beside(self, bytes body, bytes prefix):
        return self.written(PyBytes_GET_SIZE(body), prefix)

    cdef bytes written(self, size, bytes prefix):
        cdef bytes header
        if size > self.limit:
            raise verdicts.body_over_limit(size, self.limit)
        if self.write_header is None:
            raise TypeError("Framing.custom() was given no write_header: nothing can be sent with it")
        header = as_bytes(self.write_header(size, prefix))
        if PyBytes_GET_SIZE(header) > self.most:
            raise ValueError(f"write_header returned {len(header)} bytes, max_header_length is {self.most}")
        return header


def encoder_of(framing):
    """Return what encodes for a framing."""
    if framing.delimiter:
        return DelimitedEncoder(framing)
    return CustomEncoder(framing) if framing.read_header else Encoder(framing)
