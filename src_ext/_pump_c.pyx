# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""The compiled twin of the pump; _pump_py.py is the reference, and says what each name means.

Law: mechanism alone. A socket here never blocks, so its calls are made without letting go of the GIL: letting go costs
two atomic operations where nobody waits, and up to a switch interval (5 ms) where somebody does.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from libc.errno cimport errno
from libc.stdint cimport uint8_t
from libc.string cimport memset

from reactor.framing._codec_c cimport BODY, Decoder, Encoder

from . import buffers

cdef extern from "sys/socket.h":
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    ssize_t send(int fd, const void *buffer, size_t size, int flags)
    ssize_t sendmsg(int fd, const msghdr *message, int flags)
    int MSG_NOSIGNAL

cdef enum:
    FIRST_ROOM = 512  # what Python's own allocator still takes: glibc's cache is empty when 7 connections wait
    MOST_LARGE = 8  # bodies that are gathered into one send: 64 KiB hold 7 of JOIN_BELOW and their headers

cdef Py_ssize_t DIRECT_FROM = buffers.DIRECT_FROM
cdef Py_ssize_t READ_SIZE = buffers.READ_SIZE
cdef Py_ssize_t JOIN_BELOW = buffers.JOIN_BELOW
cdef int MESSAGES_PER_TURN = buffers.MESSAGES_PER_TURN


@cython.final
cdef class Pump:
    """Moves bytes between one plain socket and a codec, as long as nothing out of the ordinary happens."""

    cdef public bint reading, sending, clocked
    cdef public Py_ssize_t room
    cdef readonly Py_ssize_t bytes_received, bytes_sent
    cdef int fd
    cdef bint flush_due
    cdef Decoder decoder
    cdef Encoder encoder
    cdef object protocol, inbox, outbox, defer
    cdef bint as_list
    cdef object memory  # a memoryview, which keeps its bytearray from moving: the pointer stays good with it
    cdef char *out  # what waits to be sent, but for the large bodies
    cdef Py_ssize_t out_size, out_room
    cdef list large  # (bytes of `out` in front of it, large body), None if there is none
    cdef readonly Py_ssize_t waiting

    def __cinit__(
        self, sock, decoder, encoder, memoryview memory, protocol, bint as_list, inbox, outbox, defer,
    ):
        self.fd = sock.fileno()
        self.decoder = decoder
        self.encoder = encoder
        self.memory = memory
        self.protocol = protocol
        self.as_list = as_list
        self.inbox = inbox
        self.outbox = outbox
        self.defer = defer

    def __dealloc__(self):
        PyMem_Free(self.out)

    def receive(self):
        """Read once, and deliver what is whole."""
        cdef Py_buffer *memory = PyMemoryView_GET_BUFFER(self.memory)
        cdef bint was_in_frame = self.decoder.begun()
        cdef Py_ssize_t count
        if self.lacks_much():
            self.receive_in_place()
            return
        count = self.read(<char *>memory.buf, memory.len)
        if count <= 0:
            return
        try:
            self.decoder.lend(<const uint8_t *>memory.buf, count)
            try:
                self.deliver()
            finally:
                self.decoder.own()
        except BaseException as exc:
            self.inbox.delivery_raised(exc)
            return
        if was_in_frame or self.decoder.begun() or not self.reading or self.decoder.pos < self.decoder.size or self.decoder._error is not None:
            self.inbox.after_delivery()

    cdef Py_ssize_t read(self, char *at, Py_ssize_t size) except -2:
        """Read once; return how many bytes came. What else there is to know is told to the inbox."""
        cdef Py_ssize_t count = recv(self.fd, at, size, 0)
        cdef int code = errno
        if count <= 0:
            self.inbox.read_nothing(count, code)
            return count
        self.bytes_received += count
        if self.clocked:
            self.inbox.touch()
        return count

    cdef bint lacks_much(self):
        """Whether a large body is in progress, and lacks so much that reading it in place is worth it."""
        cdef Decoder decoder = self.decoder
        if decoder.state != BODY or decoder.body is None or decoder.body.filled < DIRECT_FROM:
            return False
        return decoder.goal - decoder.done >= DIRECT_FROM

    cdef int receive_in_place(self) except -1:
        """Read once, straight to where the body goes on. As long as it isn't complete nothing else has changed."""
        cdef Py_ssize_t room, count
        try:
            room = self.decoder.make_room()  # which may move the body
        except MemoryError as exc:
            self.inbox.delivery_raised(exc)
            return 0
        count = self.read(self.decoder.body.at(), min(room, READ_SIZE))
        if count <= 0:
            return 0
        try:
            frame = self.decoder.advance(count)
            if frame is None:
                return 0
            if self.as_list:
                self.protocol.messages_received([frame])
            else:
                self.protocol.message_received(frame)
        except BaseException as exc:
            self.inbox.delivery_raised(exc)
            return 0
        self.inbox.after_delivery()
        return 0

    cdef int deliver(self) except -1:
        """Decode and call back, until the protocol reads no more or this turn's messages are spent."""
        cdef Decoder decoder = self.decoder
        cdef int left = MESSAGES_PER_TURN
        cdef list batch
        if self.as_list:
            batch = decoder.collect(left)
            if batch:
                self.protocol.messages_received(batch)
            return 0
        while left and self.reading:
            frame = decoder.next()
            if frame is None:
                break
            left -= 1
            if PyBytes_CheckExact(frame):
                self.protocol.message_received(frame)
            else:
                self.protocol.piece_received(frame)
        return 0

    def send(self, message, prefix=b""):
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        cdef bytes body = as_bytes(message), front = as_bytes(prefix)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body), header = self.encoder.header_size(size, front)
        if not self.make_way(header + size):
            self.outbox.write([self.encoder.header(size, front), body], header + size)
        elif size < JOIN_BELOW:
            self.out_size += self.encoder.put(self.reserve(header + size), front, body)
            self.queued(header + size)
        else:
            self.encoder.put_header(self.reserve(header), front, size)
            self.refer_to(body, self.out_size + header)
            self.out_size += header
            self.queued(header + size)

    def send_many(self, messages):
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        cdef list texts = self.encoder.texts(messages)
        cdef Py_ssize_t size = self.encoder.size_of(texts)
        if self.waiting + size > self.room:
            texts = list(texts)  # it may be the caller's, who could change it while others are called
            size = self.encoder.size_of(texts)
        if self.make_way(size):
            self.encoder.put_all(self.reserve(size), texts)
            self.out_size += size
            self.queued(size)
        elif size < JOIN_BELOW * PyList_GET_SIZE(texts):
            self.outbox.write([self.encoder.encode_many(texts)], size)
        else:
            self.outbox.write(self.encoder.parts(texts), size)

    cdef bint make_way(self, Py_ssize_t size) except -1:
        """Whether so much more may wait here, at the latest when what waits has left, at once."""
        if self.sending and self.waiting and self.waiting + size > self.room >= size:
            self.leave()
        return self.has_room(size)

    cdef bint has_room(self, Py_ssize_t size) noexcept:
        """Whether so much more may wait here."""
        if not self.sending or self.waiting + size > self.room:
            return False
        return self.large is None or PyList_GET_SIZE(self.large) < MOST_LARGE

    cdef uint8_t *reserve(self, Py_ssize_t size) except? NULL:
        """Return where `size` bytes more can be written; nowhere, if they are none and nothing waits."""
        cdef Py_ssize_t room = max(4 * self.out_room, max(self.out_size + size, FIRST_ROOM))
        cdef char *out
        if self.out_size + size > self.out_room:
            out = <char *>PyMem_Realloc(self.out, room)
            if out is NULL:
                raise MemoryError
            self.out = out
            self.out_room = room
        return <uint8_t *>self.out + self.out_size

    cdef int refer_to(self, bytes body, Py_ssize_t end) except -1:
        """Let a large body follow `end` bytes of `out`. There are fewer than MOST_LARGE: has_room() has seen to that."""
        if self.large is None:
            self.large = []
        self.large.append((end, body))
        return 0

    cdef int queued(self, Py_ssize_t size) except -1:
        """Count what was queued, and see to it that it leaves with this turn."""
        self.waiting += size
        if not self.flush_due:
            self.flush_due = True
            self.defer(self)
        return 0

    def __call__(self):
        """Send what this turn has queued, at once if the socket takes it all. What is deferred is the pump itself."""
        self.flush_due = False
        if self.waiting == 0:
            return
        if self.sending:
            self.leave()
        else:
            self.outbox.flush()

    cdef int leave(self) except -1:
        """Send what waits, once; whatever the socket doesn't take is the outbox's."""
        cdef Py_ssize_t count = send(self.fd, self.out, self.out_size, MSG_NOSIGNAL) if self.large is None else self.send_gathered()
        cdef int code = errno
        if count != self.waiting:
            self.outbox.sent_short(count, code)
            return 0
        self.bytes_sent += count
        self.forget()
        if self.clocked:
            self.outbox.touch()
        return 0

    cdef Py_ssize_t send_gathered(self) noexcept:
        """Send `out` and the large bodies in their order, with one call."""
        cdef iovec parts[2 * MOST_LARGE + 1]
        cdef msghdr message
        cdef Py_ssize_t begin = 0, end
        cdef int count = 0
        cdef bytes body
        memset(&message, 0, sizeof(message))
        for end, body in self.large:
            parts[count].iov_base = self.out + begin
            parts[count].iov_len = end - begin
            parts[count + 1].iov_base = PyBytes_AS_STRING(body)
            parts[count + 1].iov_len = PyBytes_GET_SIZE(body)
            begin = end
            count += 2
        parts[count].iov_base = self.out + begin
        parts[count].iov_len = self.out_size - begin
        message.msg_iov = parts
        message.msg_iovlen = count + 1
        return sendmsg(self.fd, &message, MSG_NOSIGNAL)

    cdef void forget(self) noexcept:
        """An idle connection holds no buffer."""
        PyMem_Free(self.out)
        self.out = NULL
        self.large = None
        self.waiting = self.out_size = self.out_room = 0

    def take_out(self):
        """Hand over what waits here, for a queue that can wait longer."""
        cdef list chunks = []
        cdef Py_ssize_t begin = 0, end
        for end, body in self.large or ():
            chunks.append(PyBytes_FromStringAndSize(self.out + begin, end - begin))
            chunks.append(body)
            begin = end
        chunks.append(PyBytes_FromStringAndSize(self.out + begin, self.out_size - begin))
        self.forget()
        return chunks


cdef inline bytes as_bytes(data):
    return <bytes>data if PyBytes_CheckExact(data) else memoryview(data).tobytes()
