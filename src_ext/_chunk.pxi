# The chunk at hand: bytes that came and are not decoded yet. Part of _codec_c.pyx.


cdef class Chunk:
    """What a decoder is given, one chunk after the other."""

    def __cinit__(self, framing):
        self.seen = b""
        self.seen_at = -1

    def push(self, data):
        """Take the next chunk without decoding it: iterate for its frames. Raises what `feed()` raises."""
        self.open(data)
        self.own()

    cdef int open(self, data) except -1:
        """Hold the chunk's memory: a bytes object by reference, anything else by its buffer."""
        self.check_taken()
        self.busy = True  # asking for a buffer may run Python code, and so may letting go of one
        try:
            if not PyBytes_CheckExact(data):
                data = memoryview(data)
                if not data.c_contiguous:
                    data = data.tobytes()
            self.release()
            self.scratch = None
        finally:
            self.busy = False
        if PyBytes_CheckExact(data):
            self.hold(data)
        else:
            self._data = data
            self.viewed = True
            self._bytes = <const uint8_t *>PyMemoryView_GET_BUFFER(data).buf
            self.size = PyMemoryView_GET_BUFFER(data).len
        self.pushed += self.size
        return 0

    @cython.final
    cdef int hold(self, bytes data) except -1:
        """Point into an object of our own; nothing is held now."""
        self._data = data
        self._bytes = <const uint8_t *>PyBytes_AS_STRING(data)
        self.size = PyBytes_GET_SIZE(data)
        return 0

    cdef int lend(self, const uint8_t *at, Py_ssize_t size) except -1:
        """Take a chunk that lies in somebody's memory; own() before that memory is used again."""
        self.check_taken()
        self._bytes = at
        self.size = size
        self.pos = 0
        self.lent = True
        self.pushed += size
        return 0

    @cython.final
    cdef int release(self) except -1:
        """Let go of the chunk at hand. Letting go of somebody's buffer may run Python code, so it comes last."""
        if self.seen_at >= 0:
            self.seen = self._bytes[self.seen_at : self.seen_at + self.seen_size]
            self.seen_at = -1
        data = self._data if self.viewed else None
        self._bytes = NULL
        self.size = self.pos = 0
        self.lent = self.viewed = False
        self._data = None
        return 0

    @cython.final
    cdef int move_to(self, Py_ssize_t pos) except -1:
        """Be done with the chunk as far as here. An exhausted one goes now: the next may be long in coming."""
        self.pos = pos
        if pos == self.size and not self.viewed:
            self.release()
        return 0

    cdef int own(self) except -1:
        """Copy what is left of a chunk that belongs to somebody else."""
        if self.viewed or self.lent:
            self.replace(self._bytes[self.pos : self.size])
        return 0

    cdef int replace(self, bytes rest) except -1:
        """Go on with these bytes in the place of the chunk."""
        cdef bint busy = self.busy
        self.busy = True  # letting go of a buffer may run Python code
        try:
            self.release()
        finally:
            self.busy = busy
        return self.hold(rest)

    cdef bytes cut_off(self, Py_ssize_t count):
        """Move over `count` bytes of the chunk, which has as many."""
        self.pos += count
        return self._bytes[self.pos - count : self.pos]

    cdef object held(self):
        """How many bytes are held: of the frame in progress, and not decoded yet."""
        raise NotImplementedError

    cdef object frame_at(self):
        """Where in the stream the frame in progress begins, while all of it is held."""
        return self.pushed - self.held()

    cdef int fail(self, error) except -1:
        self._error = error
        self.state = BROKEN
        return 0

    cdef int check_open(self) except -1:
        if self._error is not None:
            raise self._error.with_traceback(None)  # or every raise would add to what it holds
        if self.state == ENDED:
            raise RuntimeError("the decoder was detached: its rest was handed over")
        return self.check_idle()

    cdef int check_taken(self) except -1:
        self.check_open()
        if self.pos < self.size:
            raise RuntimeError("the decoder is still decoding what it was given before")
        return 0

    cdef int check_idle(self) except -1:
        if self.busy:
            raise RuntimeError("the decoder is still decoding what it was given before")
        return 0

    @property
    def error(self):
        """What broke the stream, or None."""
        return self._error

    @property
    def buffered(self):
        """Bytes held: of an unfinished frame, or not decoded yet. 0 between frames."""
        return self.held()

    @property
    def undecoded(self):
        """Bytes of the chunk at hand that an iteration has not come to."""
        return self.size - self.pos

    @property
    def stream_offset(self):
        """Bytes of the stream that are done with; `buffered` more have arrived."""
        return self.pushed - self.held()
