# What the compiled stream sees of the compiled codec.

cimport cython
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

cdef class Chunk:
    cdef int state
    cdef bint viewed, lent, busy
    cdef int64_t pushed
    cdef Py_ssize_t size, pos
    cdef const uint8_t *_bytes  # the chunk at hand, of `size` bytes, decoded up to `pos`
    cdef object _data  # owns it: bytes, or a memoryview; None if it is lent
    cdef object _error
    cdef bytearray head  # header of the frame in progress, or a line; None between frames
    cdef bytes seen  # the header of the frame that was handed out last,
    cdef Py_ssize_t seen_at, seen_size  # or where it is in the chunk: copied when that goes, and not for each frame
    cdef object scratch  # what get_buffer() gave: a bytearray, or the body itself

    cdef int open(self, data) except -1
    @cython.final
    cdef int hold(self, bytes data) except -1
    cdef int lend(self, const uint8_t *at, Py_ssize_t size) except -1
    @cython.final
    cdef int release(self) except -1
    @cython.final
    cdef int move_to(self, Py_ssize_t pos) except -1
    cdef int own(self) except -1
    cdef int replace(self, bytes rest) except -1
    cdef bytes cut_off(self, Py_ssize_t count)
    cdef object held(self)
    cdef object frame_at(self)
    cdef int fail(self, error) except -1
    cdef int check_open(self) except -1
    cdef int check_taken(self) except -1
    cdef int check_idle(self) except -1

cdef class Lines(Chunk):
    cdef bytes delimiter, begins  # `begins`: how a line begins that is longer than the limit
    cdef const uint8_t *mark  # the delimiter's bytes, `mark_size` of them: 0 where there is none
    cdef Py_ssize_t mark_size
    cdef bint keep
    cdef int64_t limit, line_limit  # of the next frame, and of the line in progress
    cdef object handed  # bytes of a streamed line that were handed out
    cdef object begin, _oversize, _discarded
    cdef Py_ssize_t skips  # how many frames may still be discarded in one go

    cdef bytes whole_line(self)
    cdef Py_ssize_t whole_lines(self, list lines, Py_ssize_t most) except -1
    cdef object step_line(self)
    cdef object take_line(self)
    cdef Py_ssize_t to_end(self, int64_t room) except -1
    cdef object judge_line(self)
    cdef object pass_line(self)
    cdef object hand_on(self, bytes taken, bint ended)
    cdef Py_ssize_t mark_begun(self, data) except -1
    cdef object line_missing(self)
    cdef tuple came_of_line(self)

cdef class Decoder(Lines):
    cdef int width, max_varint
    cdef bint little, announces  # a length: else a delimiter is looked for, or a function is asked
    cdef bint in_bulk  # cut by loops of their own: lines, and frames of one size that are all body
    cdef int64_t adjustment
    cdef int64_t goal, done  # of the body in progress, `done` of `goal` bytes are taken
    cdef Py_ssize_t offset, field, header_size, most_header, strip  # strip: -1 for the whole header
    cdef object length, fixed, _strip, read_header
    cdef tuple promised  # bytes of header and body, as `read_header` said; None before it has
    cdef Body body

    cdef object next(self)
    cdef int collect(self, list frames, Py_ssize_t most) except -1
    cdef bint is_between(self) noexcept
    cdef bytes whole(self)
    cdef Py_ssize_t whole_records(self, list frames, Py_ssize_t most) except -1
    cdef Py_ssize_t varint_header(self, const uint8_t *at, Py_ssize_t left, uint64_t *value) noexcept
    cdef object step(self)
    cdef Py_ssize_t take(self, int64_t count)
    cdef bint leave_frame(self)
    cdef bint take_header(self) except -1
    cdef bint ask_user(self) except -1
    cdef tuple answer_to(self, bytes head)
    cdef Py_ssize_t header_missing(self) except -1
    cdef int check_varint(self) except -1
    cdef tuple place(self)
    cdef int judge(self) except -1
    cdef object announced(self)
    cdef object take_body(self)
    cdef Body begin_body(self, Py_ssize_t there)
    cdef Body grow(self, Py_ssize_t room)
    cdef object end_body(self)
    cdef Py_ssize_t make_room(self) except -1
    cdef object advance(self, Py_ssize_t count)
    cdef object take_piece(self)
    cdef object held(self)
    cdef tuple came(self)
    cdef bint holds_header(self) except -1
    cdef bint begun(self) except -1
    cdef bint is_unfinished(self) noexcept

cdef class Frames:
    cdef Decoder decoder

cdef class Encoder:
    cdef int width
    cdef bint little, varint
    cdef object fixed
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

cdef class PairEncoder:
    cdef bint behind  # the body, and not in front of it
    cdef int64_t limit
    cdef object offset

    cpdef list parts(self, bodies)
    cdef bytes beside(self, bytes body, bytes prefix)

cdef class DelimitedEncoder(PairEncoder):
    cdef bytes delimiter

    cdef int judge(self, size, bytes prefix) except -1
    cdef Py_ssize_t inside(self, const uint8_t *body, Py_ssize_t size) noexcept

cdef class CustomEncoder(PairEncoder):
    cdef object write_header
    cdef Py_ssize_t most

    cdef bytes written(self, size, bytes prefix)
