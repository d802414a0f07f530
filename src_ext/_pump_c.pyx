# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled twin of the pump; _pump_py.py is the reference, and says what each name means.

Law: mechanism alone. A socket here never blocks, so its calls are made without letting go of the GIL: letting go costs
two atomic operations where nobody waits, and up to a switch interval (5 ms) where somebody does.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
from libc.errno cimport errno
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from reactor.framing._codec_c cimport BODY, Decoder, Encoder

cdef extern from "sys/socket.h":
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    ssize_t send(int fd, const void *buffer, size_t size, int flags)
    int MSG_NOSIGNAL

cdef Py_ssize_t FIRST_ROOM = 512


@cython.final
cdef class Pump:
    """Moves bytes between one plain socket and a codec, as long as nothing out of the ordinary happens."""

    cdef public bint reading, sending, clocked
    cdef public Py_ssize_t room
    cdef readonly Py_ssize_t bytes_received, bytes_sent
    cdef int fd, budget
    cdef bint in_frame, flush_due
    cdef Py_ssize_t direct_from
    cdef Decoder decoder
    cdef Encoder encoder
    cdef object protocol, inbox, outbox, defer
    cdef bint as_list
    cdef object owner_of_memory  # a memoryview, which keeps its bytearray from moving: the pointer stays good with it
    cdef char *memory
    cdef Py_ssize_t memory_size
    cdef char *out
    cdef Py_ssize_t out_size, out_room

    def __cinit__(
        self, sock, decoder, encoder, memory, protocol, bint as_list, inbox, outbox, defer, int budget,
        Py_ssize_t direct_from,
    ):
        self.fd = sock.fileno()
        self.decoder = decoder
        self.encoder = encoder
        cdef Py_buffer view
        PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
        self.memory = <char *>view.buf
        self.memory_size = view.len
        PyBuffer_Release(&view)
        self.owner_of_memory = memory
        self.protocol = protocol
        self.as_list = as_list
        self.inbox = inbox
        self.outbox = outbox
        self.defer = defer
        self.budget = budget
        self.direct_from = direct_from

    def __dealloc__(self):
        free(self.out)

    def receive(self):
        """Read once, and deliver what is whole."""
        cdef Py_ssize_t count
        cdef bint was_in_frame = self.in_frame
        if self.decoder.state == BODY and self.decoder.body is not None and self.decoder.body.filled >= self.direct_from:
            self.inbox.read_ready()  # a large body goes straight into its place
            self.note()
            return
        count = recv(self.fd, self.memory, self.memory_size, 0)
        if count <= 0:
            self.inbox.read_nothing(count, errno)
            return
        self.bytes_received += count
        if self.clocked:
            self.inbox.touch()
        try:
            self.decoder.lend(<const uint8_t *>self.memory, count)
            try:
                self.deliver()
            finally:
                self.decoder.own()
        except BaseException as exc:
            self.inbox.delivery_raised(exc)
            self.note()
            return
        self.note()
        if self.in_frame or was_in_frame or not self.reading or self.decoder.pos < self.decoder.size or self.decoder._error is not None:
            self.inbox.after_delivery()

    cdef int note(self) except -1:
        self.in_frame = self.decoder.begun()
        return 0

    cdef int deliver(self) except -1:
        """Decode and call back, until the protocol reads no more or this turn's messages are spent."""
        cdef Decoder decoder = self.decoder
        cdef int left = self.budget
        cdef list batch
        if not self.as_list:
            while left and self.reading:
                frame = decoder.next()
                if frame is None:
                    return 0
                left -= 1
                if PyBytes_CheckExact(frame):
                    self.protocol.message_received(frame)
                else:
                    self.protocol.piece_received(frame)
            return 0
        batch = []
        while left:
            frame = decoder.next()
            if frame is None:
                break
            left -= 1
            batch.append(frame)
        if batch:
            self.protocol.messages_received(batch)
        return 0

    def send(self, message, prefix=b""):
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        cdef Py_ssize_t size, header
        if self.sending and PyBytes_CheckExact(message) and self.encoder.offset == 0 and not prefix:
            size = PyBytes_GET_SIZE(message)
            header = self.encoder.header_size(size)
            if self.out_size + header + size <= self.room:
                self.reserve(header + size)
                self.encoder.put(<uint8_t *>self.out + self.out_size, message, header)
                self.out_size += header + size
                return
        self.outbox.write(self.encoder.encode(message, prefix))

    def send_many(self, messages):
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        cdef bytes data = self.encoder.encode_many(messages)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if self.sending and self.out_size + size <= self.room:
            self.reserve(size)
            memcpy(self.out + self.out_size, PyBytes_AS_STRING(data), size)
            self.out_size += size
        else:
            self.outbox.write(data)

    cdef int reserve(self, Py_ssize_t size) except -1:
        """Make room for `size` bytes more, and see to it that they leave with this turn."""
        cdef Py_ssize_t room = max(2 * self.out_room, max(self.out_size + size, FIRST_ROOM))
        cdef char *out
        if self.out_size + size > self.out_room:
            out = <char *>realloc(self.out, room)
            if out is NULL:
                raise MemoryError
            self.out = out
            self.out_room = room
        if not self.flush_due:
            self.flush_due = True
            self.defer(self.flush)
        return 0

    def flush(self):
        """Send what this turn has queued, at once if the socket takes all of it."""
        cdef Py_ssize_t count
        self.flush_due = False
        if self.out_size == 0:
            return
        if not self.sending:
            self.outbox.flush()
            return
        count = send(self.fd, self.out, self.out_size, MSG_NOSIGNAL)
        if count != self.out_size:
            self.outbox.sent_short(count, errno)
            return
        self.bytes_sent += count
        self.forget()
        if self.clocked:
            self.outbox.touch()

    cdef void forget(self) noexcept:
        """An idle connection holds no buffer."""
        free(self.out)
        self.out = NULL
        self.out_size = self.out_room = 0

    def take_out(self):
        """Hand over what waits here, for a queue that can wait longer."""
        cdef bytes data = PyBytes_FromStringAndSize(self.out, self.out_size)
        self.forget()
        return data

    @property
    def waiting(self):
        """Bytes that wait here to be sent."""
        return self.out_size
