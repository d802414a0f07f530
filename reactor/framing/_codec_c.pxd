# What the compiled stream sees of the compiled codec.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    HEAD
    BODY
    SKIP
    STREAM
    BROKEN
    ENDED

cdef class Body:
    cdef PyObject *raw  # a bytes object of `room` bytes, nobody else's until it is handed out
    cdef Py_ssize_t filled, room, final
    cdef int exports

    cdef char *at(self) noexcept
    cdef Py_ssize_t doubled(self) noexcept
    cdef bytes take(self)

cdef class Decoder:
    cdef int width, max_varint, state
    cdef bint little, viewed, lent, busy
    cdef int64_t adjustment, limit, pushed
    cdef int64_t goal, done  # of the body in progress, `done` of `goal` bytes are taken
    cdef Py_ssize_t offset, header_size, strip, size, pos  # strip: -1 for the whole header
    cdef const uint8_t *_bytes  # the chunk at hand, of `size` bytes, decoded up to `pos`
    cdef object _data  # owns it: bytes, or a memoryview; None if it is lent
    cdef object length, begin, _strip, _oversize, _error, _discarded
    cdef bytearray head  # header of the frame in progress; None between frames
    cdef Body body
    cdef Py_ssize_t skips  # how many frames may still be discarded in one go
    cdef object scratch  # what get_buffer() gave: a bytearray, or the body itself

    cdef object next(self)
    cdef int open(self, data) except -1
    cdef int lend(self, const uint8_t *at, Py_ssize_t size) except -1
    cdef int release(self) except -1
    cdef int own(self) except -1
    cdef list collect(self, Py_ssize_t most)
    cdef bint is_between(self) noexcept
    cdef bytes whole(self)
    cdef Py_ssize_t varint_header(self, const uint8_t *at, Py_ssize_t left, uint64_t *value) noexcept
    cdef object step(self)
    cdef Py_ssize_t take(self, int64_t count)
    cdef bint leave_frame(self)
    cdef bint take_header(self) except -1
    cdef Py_ssize_t header_missing(self) except -1
    cdef int check_varint(self) except -1
    cdef int judge(self) except -1
    cdef object announced(self)
    cdef object take_body(self)
    cdef Body begin_body(self, Py_ssize_t there)
    cdef Body grow(self, Py_ssize_t room)
    cdef object end_body(self)
    cdef Py_ssize_t make_room(self) except -1
    cdef object advance(self, Py_ssize_t count)
    cdef object take_piece(self)
    cdef int fail(self, error) except -1
    cdef object frame_at(self)
    cdef object held(self)
    cdef tuple in_progress(self)
    cdef bint holds_header(self) except -1
    cdef bint begun(self) except -1
    cdef bint is_unfinished(self) noexcept
    cdef int check_open(self) except -1
    cdef int check_taken(self) except -1
    cdef int check_idle(self) except -1

cdef class Frames:
    cdef Decoder decoder

cdef class Encoder:
    cdef int width
    cdef bint little
    cdef Py_ssize_t offset
    cdef int64_t limit, adjustment, least, most
    cdef uint64_t field_max

    cdef list texts(self, bodies)
    cdef Py_ssize_t size_of(self, list texts) except -1
    cdef void put_all(self, uint8_t *at, list texts) noexcept
    cdef bytes checked(self, body)
    cdef Py_ssize_t header_size(self, Py_ssize_t size, bytes front) except -1
    cdef int refuse(self, size) except -1
    cdef Py_ssize_t put(self, uint8_t *at, bytes front, bytes text) noexcept
    cdef Py_ssize_t put_header(self, uint8_t *at, bytes front, Py_ssize_t size) noexcept
