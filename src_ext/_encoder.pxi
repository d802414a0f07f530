# The encoding half: `Framing.encode` and `encode_many`, and what the stream writes. Part of _codec_c.pyx.


@cython.final
cdef class Encoder:
    """Put headers in front of bodies: `Framing.encode` and `encode_many`."""

    def __cinit__(self, framing):
        self.width = framing.length_field_length
        self.varint = framing.max_varint_bytes > 0
        self.fixed = framing.fixed_length
        self.little = framing.byteorder == "little"
        self.offset = framing.length_field_offset
        self.adjustment = framing.length_adjustment
        self.limit = verdicts.check_limit(framing.max_frame_length)
        self.field_max = framing.length_field_max
        self.least = max(0, self.adjustment)  # of a body, in bytes
        self.most = min(self.limit, framing.length_field_max + framing.length_adjustment)

    def encode(self, body, prefix=b""):
        """Return one frame."""
        cdef bytes text = as_bytes(body), front = as_bytes(prefix), frame
        cdef Py_ssize_t size = PyBytes_GET_SIZE(text), header = self.header_size(size, front)
        frame = PyBytes_FromStringAndSize(NULL, header + size)
        self.put(<uint8_t *>PyBytes_AS_STRING(frame), front, text)
        return frame

    def frame(self, body, prefix=b""):
        """Return one frame, not joined."""
        return self.header(len(body), prefix), body

    def header(self, size, prefix=b""):
        """Return what stands in front of a body of `size` bytes."""
        number = PyNumber_Index(size)  # once: an object may be another number the next time
        cdef bytes front = as_bytes(prefix), header
        cdef Py_ssize_t count = clamped(number, NULL)
        if PyBytes_GET_SIZE(front) == self.offset and not self.least <= count <= self.most:
            self.refuse(number)
        header = PyBytes_FromStringAndSize(NULL, self.header_size(count, front))
        self.put_header(<uint8_t *>PyBytes_AS_STRING(header), front, count)
        return header

    def encode_many(self, bodies):
        """Return the frames of all bodies, joined."""
        cdef list texts = self.texts(bodies)
        cdef bytes out = PyBytes_FromStringAndSize(NULL, self.size_of(texts))
        self.put_all(<uint8_t *>PyBytes_AS_STRING(out), texts)
        return out

    def parts(self, bodies):
        """Return the frames of all bodies, not joined: each header, and each body as it is."""
        cdef list parts = []
        for text in self.texts(bodies):
            parts.append(self.header(PyBytes_GET_SIZE(text)))
            parts.append(text)
        return parts

    cdef list texts(self, bodies):
        """Return bodies as a list of bytes: the very list, if it is one. What can't be sent is refused in its order."""
        cdef list texts
        if self.offset:
            raise verdicts.wrong_prefix(0, self.offset)
        texts = bodies if PyList_CheckExact(bodies) else list(bodies)
        for body in texts:
            if not PyBytes_CheckExact(body):
                return [self.checked(each) for each in list(texts)]
        return texts

    cdef Py_ssize_t size_of(self, list texts) except -1:
        """Return the bytes that the frames of all texts take. They hold until Python code runs: the list may change."""
        cdef int64_t total = 0
        cdef Py_ssize_t size
        cdef bytes text
        for text in texts:
            size = PyBytes_GET_SIZE(text)
            if size < self.least or size > self.most:
                self.refuse(size)
            total += size + (varint_size(size - self.adjustment) if self.varint else self.width)
        if total > MAX_BODY:  # one body may be in a list a million times
            raise MemoryError
        return total

    cdef void put_all(self, uint8_t *at, list texts) noexcept:
        """Write the frames of all texts to where there is room for `size_of()` them."""
        cdef bytes text
        for text in texts:
            at += self.put(at, b"", text)

    cdef bytes checked(self, body):
        """Return a body as bytes, if it can be sent: what comes first in a list is what is complained of."""
        cdef bytes text = as_bytes(body)
        self.header_size(PyBytes_GET_SIZE(text), b"")
        return text

    cdef Py_ssize_t header_size(self, Py_ssize_t size, bytes front) except -1:
        """Return the bytes of a header; refuse a body that can't be announced."""
        if PyBytes_GET_SIZE(front) != self.offset:
            raise verdicts.wrong_prefix(len(front), self.offset)
        if size < self.least or size > self.most:
            self.refuse(size)
        return self.offset + (varint_size(size - self.adjustment) if self.varint else self.width)

    cdef int refuse(self, size) except -1:
        """Raise what is wrong with a body of this size."""
        if self.fixed:
            raise verdicts.wrong_size(size, self.fixed)
        if size > self.limit:
            raise verdicts.body_over_limit(size, self.limit)
        raise verdicts.body_over_field(size, self.adjustment, self.field_max, self.limit)

    cdef Py_ssize_t put(self, uint8_t *at, bytes front, bytes text) noexcept:
        """Write a frame to where there is room for it; return how long it is."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(text), header = self.put_header(at, front, size)
        memcpy(at + header, PyBytes_AS_STRING(text), size)
        return header + size

    cdef Py_ssize_t put_header(self, uint8_t *at, bytes front, Py_ssize_t size) noexcept:
        """Write the header of a body of `size` bytes, which `header_size()` has judged; return how long it is."""
        cdef uint64_t length = size - self.adjustment
        if self.offset:
            memcpy(at, PyBytes_AS_STRING(front), self.offset)
        if not self.varint:
            store(at + self.offset, length, self.width, self.little)
            return self.offset + self.width
        store_varint(at + self.offset, length)
        return self.offset + varint_size(length)


cdef inline bytes as_bytes(data):
    return <bytes>data if PyBytes_CheckExact(data) else memoryview(data).tobytes()
