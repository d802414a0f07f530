# Frames that end in a delimiter. Part of _codec_c.pyx; _lines_py.py is the reference.


cdef class Lines(Chunk):
    """What of a decoder knows delimiters."""

    def __cinit__(self, framing):
        self.delimiter = framing.delimiter
        self.mark = <const uint8_t *>PyBytes_AS_STRING(self.delimiter)  # which is held, and never changes
        self.mark_size = PyBytes_GET_SIZE(self.delimiter)
        self.keep = framing.keep
        self._oversize = framing.oversize
        self.limit = verdicts.check_limit(framing.max_frame_length)
        self._discarded = 0

    cdef bytes whole_line(self):
        """The fast lane: the next line, if all of it lies in the chunk. The rest is step_line()'s."""
        cdef Py_ssize_t end, left = self.size - self.pos, pos = self.pos
        cdef int64_t room = self.limit + self.mark_size
        cdef bytes line
        if self.state != HEAD or self.head is not None:
            return None
        end = find_mark(self._bytes + pos, left if left < room else <Py_ssize_t>room, self.mark, self.mark_size)
        if end < 0:
            return None
        line = line_at(self._bytes + pos, end + self.mark_size if self.keep else end)
        self.move_to(pos + end + self.mark_size)
        return line

    cdef Py_ssize_t whole_lines(self, list lines, Py_ssize_t most) except -1:
        """Do the same for `most` lines at most; return how many more there may be. No Python code runs meanwhile."""
        cdef int64_t room = self.limit + self.mark_size
        cdef Py_ssize_t pos = self.pos, left, end
        if self.state != HEAD or self.head is not None:
            return most
        try:
            while most:
                left = self.size - pos
                end = find_mark(self._bytes + pos, left if left < room else <Py_ssize_t>room, self.mark, self.mark_size)
                if end < 0:
                    break
                lines.append(line_at(self._bytes + pos, end + self.mark_size if self.keep else end))
                pos += end + self.mark_size
                most -= 1
        finally:
            self.move_to(pos)  # of what was appended
        return most

    cdef object step_line(self):
        """Go on to the next line or piece; None where the chunk ends or the stream broke."""
        frame = None
        while frame is None and self.pos < self.size and (self.state != HEAD or self.skips):
            if self.state == HEAD:
                frame = self.take_line()
            elif self.state in (SKIP, STREAM):
                frame = self.pass_line()
            else:
                return None
        if self.pos == self.size:
            self.release()
        return frame

    cdef object take_line(self):
        """Return the line in progress if it ends in the chunk, else keep what there is of it."""
        cdef int64_t most
        if self.head is None:
            self.line_limit = self.limit
            self.head = bytearray()
        most = self.line_limit + self.mark_size
        self.head += self.cut_off(self.to_end(most - len(self.head)))
        if not self.head.endswith(self.delimiter):
            return self.judge_line() if len(self.head) == most else None
        line = bytes(self.head if self.keep else self.head[: len(self.head) - self.mark_size])
        self.head = None
        return line

    cdef Py_ssize_t to_end(self, int64_t room) except -1:
        """Return how many bytes of the chunk go on to the line's end, or as many as there are: `room` at most."""
        cdef int64_t most = min(room, <int64_t>(self.size - self.pos))
        cdef Py_ssize_t found
        cdef bytes before
        if self.mark_size > 1 and self.head:
            before = bytes(self.head[max(0, len(self.head) - self.mark_size + 1) :])
            edge = before + self._bytes[self.pos : self.pos + min(most, <int64_t>self.mark_size - 1)]
            cut = edge.find(self.delimiter)
            if cut >= 0:
                return cut + self.mark_size - len(before)
        found = find_mark(self._bytes + self.pos, <Py_ssize_t>most, self.mark, self.mark_size)
        return found + self.mark_size if found >= 0 else <Py_ssize_t>most

    cdef object judge_line(self):
        """Decide what becomes of a line that is longer than the limit, whatever follows."""
        begins, at = bytes(self.head[: verdicts.SHOWN]), self.frame_at()
        if self._oversize == "error":
            self.fail(verdicts.undelimited(self.line_limit, self.delimiter, begins, at))
            return None
        self.begin, self.begins, self.handed = at, begins, 0
        if self._oversize == "discard":
            self._discarded += 1
            self.state = SKIP
        else:
            self.state = STREAM
        return self.hand_on(bytes(self.head), False)

    cdef object pass_line(self):
        """Skip the line in progress, or return what has come of it."""
        cdef bytes taken = self.cut_off(self.to_end(MAX_LENGTH))
        if self.head:
            taken = bytes(self.head) + taken
        return self.hand_on(taken, taken.endswith(self.delimiter))

    cdef object hand_on(self, bytes taken, bint ended):
        """Return a piece of a streamed line, nothing of a skipped one; keep what may begin the delimiter."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(taken)
        cdef Py_ssize_t kept = self.mark_size if ended else self.mark_begun(taken)
        cdef int was = self.state
        self.head = None if ended else bytearray(taken[size - kept :])
        if ended:
            self.state = HEAD
        if was == SKIP:
            self.skips -= ended
            return None
        body = taken if ended and self.keep else taken[: size - kept]
        at, self.handed = self.handed, self.handed + len(body)
        return Piece(body, at, self.handed if ended else None) if body or ended else None

    cdef Py_ssize_t mark_begun(self, data) except -1:
        """Return how many bytes at the end of `data` may be the beginning of a delimiter that isn't complete."""
        cdef Py_ssize_t size
        for size in range(min(self.mark_size - 1, <Py_ssize_t>len(data)), 0, -1):
            if data.endswith(self.delimiter[:size]):
                return size
        return 0

    cdef object line_missing(self):
        """How many bytes the line in progress certainly lacks."""
        return self.mark_size - (self.mark_begun(self.head) if self.head else 0)

    cdef tuple came_of_line(self):
        """Tell what has come of the line in progress, and how it begins."""
        begins, at = self.begins, self.begin
        if self.state == HEAD:
            begins, at = bytes(self.head[: verdicts.SHOWN]) if self.head else b"", self.frame_at()
        count = self.pushed - (self.size - self.pos) - at
        return verdicts.came_undelimited(count, self.delimiter, begins, at), begins


cdef inline bytes line_at(const uint8_t *at, Py_ssize_t size):
    return PyBytes_FromStringAndSize(<const char *>at, size)


cdef inline Py_ssize_t find_mark(const uint8_t *at, Py_ssize_t size, const uint8_t *mark, Py_ssize_t length) noexcept:
    """Return where in `size` bytes the delimiter begins, -1 if it isn't there whole. A mark has 1 to 16 bytes."""
    cdef const uint8_t *found = at
    cdef const uint8_t *end = at + size  # `found + length <= end` is what every access stands behind
    while end - found >= length:
        found = <const uint8_t *>memchr(found, mark[0], end - found - length + 1)
        if found is NULL:
            return -1
        if length == 1 or memcmp(found + 1, mark + 1, length - 1) == 0:
            return found - at
        found += 1
    return -1
