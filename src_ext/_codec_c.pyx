# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, embedsignature=True, embedsignature.format=clinic
"""The compiled twin of the codec; _codec_py.py is the reference, and says what each name means.

Law: bytes only. No pointer is kept across a call that can run Python code, but into a buffer that is held: `_data`
owns what `_bytes` points into, or whoever lent it does. Every read at `_bytes[i]` stands behind a comparison of i with
`size`, which is why bounds checks are off.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytearray cimport PyByteArray_FromStringAndSize
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from cpython.tuple cimport PyTuple_CheckExact
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from ..errors import FramingError
from . import verdicts
from .custom import ask
from .piece import Piece

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    Py_ssize_t clamped "PyNumber_AsSsize_t"(object number, PyObject *error) except? -1
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1
    PyObject *raw_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    char *raw_string "PyBytes_AS_STRING"(PyObject *bytes)

cdef Py_ssize_t READ_SIZE = 64 * 1024
cdef Py_ssize_t MAX_READ_SIZE = 256 * 1024
cdef Py_ssize_t FIRST_ROOM = 256  # what a body gets before anything of it has come
cdef uint64_t MAX_LENGTH = verdicts.MAX_LENGTH
cdef Py_ssize_t MAX_OFFSET = verdicts.MAX_OFFSET
cdef int64_t MAX_BODY = verdicts.MAX_BODY
cdef enum:
    MOST_MARK = 16  # bytes of a delimiter
assert MOST_MARK == verdicts.MAX_DELIMITER

include "_fields.pxi"
include "_chunk.pxi"
include "_lines.pxi"
include "_body.pxi"
include "_encoder.pxi"
include "_pairs.pxi"


@cython.final
cdef class Decoder(Lines):
    """Decoder(framing)\n--\n
    Cut a stream into frames. Not thread-safe. An idle decoder holds no buffer.

    Iterating decodes lazily what `push()` brought; `feed()` is both at once.
    """

    def __cinit__(self, framing):
        self.width = framing.length_field_length
        self.little = framing.byteorder == "little"
        self.offset = framing.length_field_offset
        self.adjustment = framing.length_adjustment
        self._strip = framing.strip
        self.max_varint = framing.max_varint_bytes
        self.read_header = framing.read_header
        self.most_header = framing.max_header_length
        self.fixed = framing.fixed_length
        self.announces = not self.mark_size and self.read_header is None
        self.field = self.offset if self.announces else -1
        verdicts.check_layout(self.offset, self.width, self.max_varint, self.mark_size, self.most_header)
        self.header_size = self.offset + self.width
        self.strip = -1 if self._strip is None else min(self._strip, PY_SSIZE_T_MAX)
        self.in_bulk = self.mark_size or (self.fixed and not self.header_size and self.strip <= 0)

    def feed(self, data):
        """Return every frame that is complete with `data`.

        The call that meets a bad header returns the good frames before it and sets `error`; every later one raises
        it. Raises RuntimeError while the decoder is decoding, and after `detach()`.
        """
        cdef list frames = []
        self.open(data)
        self.collect(frames, PY_SSIZE_T_MAX)
        return frames

    def frames(self, skips):
        """Yield the frames of the chunk at hand, but come back when `skips` oversized ones were discarded."""
        self.skips = skips
        frame = self.next()
        while frame is not None:
            yield frame
            frame = self.next()

    def __iter__(self):
        """Yield the frames of the chunk at hand. Stop anywhere; the next iteration goes on there."""
        cdef Frames frames = Frames.__new__(Frames)
        frames.decoder = self
        return frames

    cdef object next(self):
        """Return the next frame or piece, None where there is none."""
        frame = self.whole()
        if frame is None and not self.is_between():
            self.busy = True
            try:
                frame = self.step()
            finally:
                self.busy = False
        return frame

    cdef int collect(self, list frames, Py_ssize_t most) except -1:
        """Decode the chunk at hand, but no more than `most` frames of it."""
        cdef object frame
        self.skips = most
        self.busy = True
        try:
            while most:
                if self.in_bulk:
                    most = self.whole_lines(frames, most) if self.mark_size else self.whole_records(frames, most)
                    if not most:
                        break
                frame = self.whole()
                if frame is None:
                    if self.is_between():
                        break
                    frame = self.step()
                    if frame is None:
                        break
                frames.append(frame)
                most -= 1
        finally:
            self.busy = False
        return self.own()

    cdef bint is_between(self) noexcept:
        """Whether the chunk at hand ends where a header begins, or goes on: then there is nothing to do."""
        return self.pos == self.size and self.state == HEAD

    cdef bytes whole(self):
        """The fast lane: the next frame, if all of it lies in the chunk and it is good. The rest is step()'s."""
        cdef const uint8_t *at = self._bytes + self.pos
        cdef Py_ssize_t left = self.size - self.pos, header = self.header_size, strip = self.strip
        cdef uint64_t announced
        cdef int64_t length
        cdef bytes frame
        if self.state != HEAD or self.head is not None:
            return None
        if not self.announces:
            return self.whole_line() if self.mark_size else None
        if self.max_varint:
            header = self.varint_header(at, left, &announced)
            if header == 0:
                return None
        elif left < header:
            return None
        else:
            announced = load(at + self.offset, self.width, self.little)
        if announced >= MAX_LENGTH:
            return None
        length = <int64_t>announced + self.adjustment  # below 2**62 and at most 2**62: the sum is within 63 bits
        if length < 0 or length > self.limit or length > left - header:
            return None
        length += header
        if strip < 0:
            strip = header
        elif strip > length:
            return None
        frame = PyBytes_FromStringAndSize(<const char *>at + strip, length - strip)
        self.seen_at = self.pos
        self.seen_size = header
        self.pos += length
        if self.pos == self.size and not self.viewed:
            self.release()  # now, and not when the next frame comes, which may be long
        return frame

    cdef Py_ssize_t whole_records(self, list frames, Py_ssize_t most) except -1:
        """Do the same for `most` frames at most that are alike, and all body; return how many more there may be."""
        cdef Py_ssize_t pos = self.pos, size = self.adjustment
        if self.state != HEAD or self.head is not None or size > self.limit:
            return most
        try:
            while most and self.size - pos >= size:
                frames.append(line_at(self._bytes + pos, size))
                pos += size
                most -= 1
        finally:
            self.move_to(pos)  # of what was appended
        return most

    cdef Py_ssize_t varint_header(self, const uint8_t *at, Py_ssize_t left, uint64_t *value) noexcept:
        """Return the size of a header that is complete and good at `at`, else 0."""
        cdef Py_ssize_t i = self.offset, end = min(left, self.offset + self.max_varint)
        cdef int shift = 0
        value[0] = 0
        while i < end:
            value[0] |= <uint64_t>(at[i] & 0x7F) << shift
            if at[i] < 0x80:
                return 0 if shift == 63 and at[i] > 1 else i + 1
            shift += 7
            i += 1
        return 0

    cdef object step(self):
        """Go on to the next frame or piece; None where the chunk ends, the stream broke or the decoder was detached."""
        if self.mark_size:
            return self.step_line()
        while self.state != HEAD or (self.skips and self.take_header()):
            if self.state == BODY:
                return self.take_body()
            if self.state == STREAM:
                return self.take_piece()
            if self.state != SKIP:
                return None
            self.take(self.goal - self.done)
            self.skips -= 1
            if not self.leave_frame():
                return None
        return None

    cdef Py_ssize_t take(self, int64_t count):
        """Move over at most `count` bytes of the body in progress; return how many."""
        cdef Py_ssize_t left = self.size - self.pos, taken = left if left < count else <Py_ssize_t>count
        self.pos += taken
        self.done += taken
        return taken

    cdef bint leave_frame(self):
        """Return to HEAD if the frame in progress is complete; let go of an exhausted chunk."""
        if self.pos == self.size:
            self.release()
        if self.done < self.goal:
            return False
        self.state = HEAD
        self.head = None
        self.body = None
        return True

    cdef bint take_header(self) except -1:
        """Collect the header and judge it; False while it is incomplete, or bad."""
        cdef Py_ssize_t wanted, taken
        if self.header_size == 0 and self.pos == self.size and self.head is None:
            return False  # a frame that has no header begins with its body
        while self.state == HEAD:
            if self.read_header is not None and self.promised is None and not self.ask_user():
                return False
            wanted = self.header_missing()
            if wanted == 0:
                self.judge()
                return self.state != BROKEN
            taken = min(wanted, self.size - self.pos)
            if taken == 0:
                self.release()
                return False
            if self.head is None:
                self.head = bytearray()
            self.head += self._bytes[self.pos : self.pos + taken]
            self.pos += taken
            if self.max_varint and len(self.head) > self.offset:
                self.check_varint()
        return False

    cdef bint ask_user(self) except -1:
        """Ask how long header and body are. What was taken and belongs to neither goes back to the chunk."""
        cdef Py_ssize_t had = 0 if self.head is None else len(self.head), size
        cdef Py_ssize_t there = min(self.most_header - had, self.size - self.pos)
        cdef bytes head
        if there == 0:
            self.release()
            return False
        head = self._bytes[self.pos : self.pos + there]
        if had:
            head = bytes(self.head) + head
        try:
            self.promised = self.answer_to(head)
        except FramingError as exc:
            self.fail(exc.with_traceback(None))  # its frames know the decoder, which knows it
            head = exc.header
        size = len(head) if self.promised is None else min(len(head), <Py_ssize_t>self.promised[0])
        if size < had:  # the function has looked far ahead
            self.replace(bytes(self.head[size:]) + self._bytes[self.pos : self.size])
        else:
            self.pos += size - had
        self.head = bytearray(head[:size])
        if self.pos == self.size and self.promised is None:
            self.release()
        return self.promised is not None

    cdef tuple answer_to(self, bytes head):
        """Return what the user's function says of the beginning of a frame; what isn't plainly right is asked again."""
        try:
            answer = self.read_header(head)
        except Exception:
            answer = ()
        if answer is None and len(head) < self.most_header:
            return None
        if PyTuple_CheckExact(answer) and len(answer) == 2 and PyLong_CheckExact(answer[0]) and PyLong_CheckExact(answer[1]):
            if 0 <= answer[0] <= self.most_header and answer[1] >= 0 and answer[0] + answer[1] > 0:
                return answer
        return ask(self.read_header, head, self.most_header, self.limit, self.frame_at())

    cdef Py_ssize_t header_missing(self) except -1:
        """How many bytes the header certainly lacks: all of a fixed one, the next one of a varint."""
        cdef Py_ssize_t have = 0 if self.head is None else len(self.head)
        if self.read_header is not None:
            return 1 if self.promised is None else <Py_ssize_t>self.promised[0] - have
        if not self.max_varint:
            return self.header_size - have
        if have <= self.offset:
            return self.offset + 1 - have
        return self.head[have - 1] >> 7

    cdef int check_varint(self) except -1:
        cdef Py_ssize_t have = len(self.head) - self.offset
        cdef int last = self.head[self.offset + have - 1]
        if have == self.max_varint and last & 0x80:
            self.fail(verdicts.varint_too_long(self.max_varint, self.limit, *self.place()))
        elif have == 10 and last > 1:
            self.fail(verdicts.varint_too_big(self.limit, *self.place()))
        return 0

    cdef tuple place(self):
        """Return what a verdict shows: the header, where in it the length field is, where the frame begins."""
        return bytes(self.head), self.field, self.frame_at()

    cdef int judge(self) except -1:
        """Decide what becomes of the frame whose header is complete. The order is fixed in the design."""
        if self.head is None:
            self.head = bytearray()
        length = self.announced() + self.adjustment
        self.promised = None
        if length < 0:
            return self.fail(verdicts.negative(length, self.adjustment, self.limit, *self.place()))
        over = length > self.limit
        if over and self._oversize == "error":
            return self.fail(verdicts.too_large(length, self.limit, *self.place()))
        self.begin = self.frame_at()
        self.length = length
        self.goal = min(length, MAX_LENGTH)  # more than anybody will ever send
        self.done = 0
        if over and self._oversize == "discard":
            self._discarded += 1
            self.state = SKIP
            return 0
        if self._strip is not None and self._strip > len(self.head) + length:
            return self.fail(verdicts.strip_beyond(self._strip, length, self.limit, *self.place()))
        self.state = STREAM if over else BODY
        return 0

    cdef object announced(self):
        if self.promised is not None:
            return self.promised[1]
        if not self.max_varint:
            return load(<const uint8_t *><char *>self.head + self.offset, self.width, self.little)
        value = 0
        for shift, byte in enumerate(self.head[self.offset :]):
            value |= (byte & 0x7F) << 7 * shift
        return value

    cdef object take_body(self):
        """Return the frame if it is complete, else keep what there is of its body."""
        cdef Body body = self.body
        cdef int64_t missing = self.goal - self.done
        cdef Py_ssize_t left = self.size - self.pos, there = left if left < missing else <Py_ssize_t>missing
        if body is None:
            body = self.begin_body(there)
        self.body = body
        if body.filled + there > body.room:
            body = self.grow(max(body.filled + there, body.doubled()))
        if there:  # or there may be no chunk to point into
            memcpy(body.at(), self._bytes + self.pos, there)
        body.filled += there
        self.take(there)
        return self.end_body()

    cdef Body begin_body(self, Py_ssize_t there):
        """Make the object that will be handed out: what `strip` leaves of the header is its beginning."""
        cdef Py_ssize_t header = len(self.head)
        cdef Py_ssize_t kept = header - self.strip if 0 <= self.strip < header else 0
        cdef Body body = new_body(kept + self.goal, kept + max(2 * there, FIRST_ROOM))
        memcpy(body.at(), <char *>self.head + header - kept, kept)
        body.filled = kept
        return body

    cdef Body grow(self, Py_ssize_t room):
        """Make room in the body in progress. Out of memory is the end of the decoder: the body is lost with it."""
        try:
            self.body = grown(self.body, room)
        except MemoryError:
            self.busy = False
            self.detach()
            raise
        return self.body

    cdef object end_body(self):
        """Return the frame in progress if it is complete."""
        cdef Py_ssize_t header = len(self.head)
        cdef Body body = self.body
        if self.done == self.goal:
            self.seen = bytes(self.head)
            self.seen_at = -1
        if not self.leave_frame():
            return None
        frame = body.take()
        return frame[self.strip - header :] if self.strip > header else frame

    cdef object take_piece(self):
        """Return what has come of a streamed frame; the first piece has what `strip` leaves of the header."""
        cdef int64_t done = self.done
        cdef Py_ssize_t start = self.pos, count = self.take(self.goal - self.done)
        if count == 0 and done < self.goal:
            self.leave_frame()
            return None
        taken = self._bytes[start : start + count]
        header = len(self.head)
        self.seen = bytes(self.head)
        self.seen_at = -1
        strip = header if self._strip is None else self._strip
        total = header + self.length - strip
        if done == 0:
            taken, at = bytes((self.head + taken)[strip:]), 0
        else:
            at = done + header - strip
            taken, at = taken[max(0, -at) :], max(0, at)
        ended = self.leave_frame()
        return Piece(taken, at, total) if taken or ended else None

    cdef object held(self):
        """How many bytes are held: of the header and the body in progress, and not decoded yet."""
        cdef Py_ssize_t held = self.size - self.pos
        if self.holds_header():
            held += len(self.head)
        if self.body is not None:
            held += self.done
        return held

    cdef bint begun(self) except -1:
        """Whether a frame has begun and isn't complete."""
        return self.state in (BODY, SKIP, STREAM) or (self.state == HEAD and (self.head is not None or self.pos < self.size))

    cdef bint is_unfinished(self) noexcept:
        return self.state in (BODY, SKIP, STREAM) or (self.state == HEAD and self.head is not None)

    cdef bint holds_header(self) except -1:
        """Whether the header in progress is held: not a skipped one, a streamed one until what is kept of it leaves."""
        if self.head is None or self.state == SKIP:
            return False
        if self.mark_size:
            return True
        return self.state != STREAM or (self.done == 0 and 0 <= self.strip < len(self.head))

    def get_buffer(self, sizehint=-1):
        """Return a writable buffer for the next bytes of the stream; tell with `buffer_updated()` how many came.

        Of a large body it is the room in its final object: it arrives without a copy. So leave the buffer alone once
        its bytes are told.
        """
        cdef Py_ssize_t wish = clamped(sizehint, NULL)
        cdef Py_ssize_t size = min(wish, MAX_READ_SIZE) if wish > 0 else READ_SIZE
        self.check_open()
        if self.state == BODY and self.body is not None and self.body.filled >= READ_SIZE and self.pos == self.size:
            self.make_room()
            self.scratch = self.body
        else:
            self.scratch = PyByteArray_FromStringAndSize(NULL, size)
        return memoryview(self.scratch)

    def buffer_updated(self, nbytes):
        """Decode the first `nbytes` bytes of the last `get_buffer()`: returns and raises what `feed()` does."""
        cdef Body body
        cdef Py_ssize_t size
        nbytes = PyNumber_Index(nbytes)  # once, and first: what it is may be asked of the caller's code
        self.check_open()
        scratch = self.scratch
        if scratch is None:
            raise RuntimeError("buffer_updated() without a get_buffer() before it")
        body = self.body if scratch is self.body else None
        size = len(scratch) if body is None else body.room - body.filled
        if not 0 <= nbytes <= size:
            raise ValueError(f"nbytes is {nbytes}, get_buffer() offered {size}")
        if body is None:
            return self.feed(memoryview(scratch)[:nbytes])
        frame = self.advance(nbytes)
        return [] if frame is None else [frame]

    cdef Py_ssize_t make_room(self) except -1:
        """Return how many bytes of the body in progress may be read to where it ends; nothing is left of the chunk."""
        self.grow(self.body.doubled())
        return self.body.room - self.body.filled

    cdef object advance(self, Py_ssize_t count):
        """Take bytes that were read to their place; return the frame if that completes it."""
        self.scratch = None
        self.body.filled += count
        self.done += count
        self.pushed += count
        return self.end_body()

    def feed_eof(self):
        """Say that the stream has ended. Raises FrameTruncated where a frame is unfinished."""
        self.check_open()
        if self.pos < self.size:
            raise RuntimeError("the decoder has not decoded yet what it was given before")
        if not self.begun():
            return
        came, header = self.came()
        length = None if self.state == HEAD or self.mark_size else self.length
        at = self.frame_at() if self.state == HEAD else self.begin
        if not self.holds_header():
            self.head = None
        self.fail(verdicts.truncated(came, length, self.limit, header, self.field, at))
        raise self._error

    def detach(self):
        """Hand over the bytes that are not part of a delivered frame, and end."""
        self.check_idle()
        held = bytes(self.head) if self.holds_header() else b""
        if self.body is not None and self.body.raw is not NULL:
            held += raw_string(self.body.raw)[self.body.filled - self.done : self.body.filled]
        if self.size > self.pos:
            held += self._bytes[self.pos : self.size]
        self.state = ENDED
        self.head = self.body = self.scratch = None
        self.release()
        return held

    def __repr__(self):
        return verdicts.told(self, self.state == ENDED)

    @property
    def in_frame(self):
        """Whether a frame has begun and isn't complete."""
        return self.begun()

    @property
    def unfinished(self):
        """Whether part of a frame is taken, and not all of it: inside `message_received` none is."""
        return self.is_unfinished()

    @property
    def progress(self):
        """What has come of the unfinished frame, in words: its header, how long it is. Nothing between frames."""
        return verdicts.progress(*self.came(), self.field) if self.is_unfinished() else ""

    cdef tuple came(self):
        """Tell what has come of the unfinished frame, and give its header."""
        if self.mark_size:
            return self.came_of_line()
        header = bytes(self.head) if self.head is not None else b""
        length, at = (None, self.frame_at()) if self.state == HEAD else (self.length, self.begin)
        return verdicts.came(length, self.wanted, header, self.field, at), header

    @property
    def header(self):
        """The header of the frame that was handed out last; inside `message_received` it is that message's."""
        if self.seen_at >= 0:
            return self._bytes[self.seen_at : self.seen_at + self.seen_size]
        return self.seen

    @property
    def wanted(self):
        """Bytes without which the frame in progress can't be complete: of its header, then of its body."""
        if self.mark_size:
            missing = self.line_missing()
        elif self.state == HEAD:
            missing = self.header_missing() or self.fixed
        else:
            missing = self.length - self.done if self.state in (BODY, SKIP, STREAM) else 0
        return max(0, missing - (self.size - self.pos))

    @property
    def discarded(self):
        """Frames skipped under `oversize="discard"`, each counted once, when its header is complete."""
        return self._discarded

    @property
    def max_frame_length(self):
        """The limit in force. Setting it counts from the next header on."""
        return self.limit

    @max_frame_length.setter
    def max_frame_length(self, limit):
        self.limit = verdicts.check_limit(limit)


@cython.final
@cython.freelist(8)
cdef class Frames:
    """One iteration over the chunk at hand. Once it has ended it stays so, as a generator does."""

    def __iter__(self):
        return self

    def __next__(self):
        frame = None
        if self.decoder is not None:
            self.decoder.skips = PY_SSIZE_T_MAX
            frame = self.decoder.next()
        if frame is None:
            self.decoder = None
            raise StopIteration
        return frame
