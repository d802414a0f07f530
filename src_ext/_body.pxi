# A frame under construction. Part of _codec_c.pyx.


@cython.final
@cython.no_gc
cdef class Body:
    """A frame under construction, in the bytes object that will be handed out; exports the room behind what has come.

    It owns that object for as long as it lives, so a buffer that somebody kept never dangles.
    """

    def __dealloc__(self):
        Py_XDECREF(self.raw)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.at(), self.room - self.filled, 0, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1

    cdef char *at(self) noexcept:
        """Where the next byte goes."""
        return raw_string(self.raw) + self.filled

    cdef Py_ssize_t doubled(self) noexcept:
        """How much room twice what has come would take, or all of it."""
        return self.filled + min(self.filled, self.final - self.filled)

    cdef bytes take(self):
        """Hand out the complete frame."""
        return <bytes>self.raw


cdef Body new_body(Py_ssize_t final, Py_ssize_t room):
    """Begin a frame of `final` bytes with memory for `room` of them: a header announces, it doesn't allocate."""
    cdef Body body = Body.__new__(Body)
    body.final = final
    body.room = min(final, room)
    body.raw = raw_bytes(NULL, body.room)
    return body


cdef Body grown(Body body, Py_ssize_t room):
    """Return the body with memory for `room` bytes: itself, or a copy while somebody holds its buffer."""
    cdef Body copy
    room = min(room, body.final)
    if room <= body.room:
        return body
    if body.exports == 0:
        _PyBytes_Resize(&body.raw, room)  # ours alone: nobody has seen the object yet
        body.room = room
        return body
    copy = new_body(body.final, room)
    memcpy(raw_string(copy.raw), raw_string(body.raw), body.filled)
    copy.filled = body.filled
    return copy
