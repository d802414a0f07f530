# The sending half of the stream. Part of _stream_c.pyx; _sender_py.py is the reference.


@cython.final
cdef class Calls:
    """What a secured session is asked all the time, each found once."""

    cdef object feed, read, write, pending, incoming, plain_room
    cdef Decoder records

    def __cinit__(self, session, plain_room):
        hot = session.hot
        self.feed, self.read, self.write, self.pending = session.incoming.write, hot.read, hot.write, hot.pending
        self.incoming, self.plain_room, self.records = session.incoming, plain_room, session.records


cdef inline int check_thread(Sender sender, str name) except -1:
    """Refuse who calls on another thread than the loop runs on."""
    if <unsigned long>sender.runs_on[0] != PyThread_get_thread_ident():
        sender.owner.check_thread(name)
    return 0


cdef class Sender:
    """Queues what is written, and sends it at the end of the turn.

    What is written lies in `out`, large bodies by reference between its parts. At the end of the turn it leaves with
    one call; what the socket doesn't take goes on in `queue`. Under TLS `out` is plain, and what `queue` has is not.
    """

    cdef public bint alert, clocked, blocked
    cdef bint flush_due
    cdef int fd
    cdef public int64_t room
    cdef public int64_t bytes_sent, frames_sent, writes_dropped
    cdef readonly object session
    cdef readonly int64_t waiting
    cdef public object protocol
    cdef object framing  # the one in force
    cdef object sock, owner, defer_call
    cdef list runs_on  # [the thread that may write without asking]
    cdef Calls calls  # of a session, from when it is secured: asked for in its place, so that none is ever missing
    cdef Encoder encoder
    cdef PairEncoder pairs  # instead of it, where frames have no length field
    cdef char *out  # what was written and is not in the queue yet, but for the large bodies
    cdef Py_ssize_t out_size, out_room, large_size
    cdef list large  # (bytes of `out` in front of it, large body), None if there is none
    cdef list retry  # plain parts that TLS wants to be given again before others
    cdef Queue queue  # of what is ready for the socket and didn't leave, None until it is needed
    cdef Py_ssize_t queued, join_below

    def __dealloc__(self):
        PyMem_Free(self.out)

    @property
    def unsent(self):
        """Bytes that wait and are ready for the socket."""
        return self.waiting if self.session is None else self.queued

    def write(self, data):
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        check_thread(self, "write")
        cdef bytes chunk = as_bytes(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        if self.may_wait(size):
            self.put(chunk)
            self.queue_up(size)

    def writelines(self, chunks):
        """Queue chunks as one write: all of them or none."""
        check_thread(self, "writelines")
        cdef list snapshots = [as_bytes(each) for each in chunks]
        cdef int64_t size = 0  # one chunk may be among them a million times
        cdef bytes chunk
        for chunk in snapshots:
            size += PyBytes_GET_SIZE(chunk)
        if self.may_wait(size):
            for chunk in snapshots:
                self.put(chunk)
            self.queue_up(size)

    def send(self, message, prefix=b""):
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        check_thread(self, "send")
        cdef bytes body = as_bytes(message), front = as_bytes(prefix)
        cdef Encoder encoder = self.encoder
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body), header
        if encoder is None:
            if self.pairs is None:
                return self.send_unlent(FramedProtocol.send, (body, front))
            return self.send_pair(self.pairs, body, front)
        header = encoder.header_size(size, front)
        if not self.may_wait(header + size):
            return
        if size < self.join_below:
            self.out_size += encoder.put(self.reserve(header + size), front, body)
        else:
            encoder.put_header(self.reserve(header), front, size)
            self.out_size += header
            self.refer_to(body)
        self.queue_up(header + size)
        self.frames_sent += 1

    def send_many(self, messages):
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        cdef Encoder encoder = self.encoder
        cdef list texts
        cdef Py_ssize_t size, count, frames
        cdef bytes text
        check_thread(self, "send_many")
        if encoder is None:
            if self.pairs is None:
                return self.send_unlent(FramedProtocol.send_many, (messages,))
            return self.send_pairs(self.pairs.parts(messages))
        texts = encoder.texts(messages)
        size = encoder.size_of(texts)
        if self.waiting + size > self.room:
            texts = list(texts)  # it may be the caller's, who could change it while others are called
            size = encoder.size_of(texts)
        if not self.may_wait(size):
            return
        frames = PyList_GET_SIZE(texts)
        if size <= self.room or size < JOIN_BELOW * PyList_GET_SIZE(texts):
            encoder.put_all(self.reserve(size), texts)
            self.out_size += size
        else:
            for text in texts:
                count = encoder.header_size(PyBytes_GET_SIZE(text), b"")
                encoder.put_header(self.reserve(count), b"", PyBytes_GET_SIZE(text))
                self.out_size += count
                self.put(text)
        self.queue_up(size)
        self.frames_sent += frames

    cdef int send_pair(self, PairEncoder pairs, bytes body, bytes prefix) except -1:
        """Send a frame of two parts. The user's function is called before anything is queued."""
        cdef bytes other = pairs.beside(body, prefix)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body) + PyBytes_GET_SIZE(other)
        if self.may_wait(size):
            self.put(body if pairs.behind else other)
            self.put(other if pairs.behind else body)
            self.queue_up(size)
            self.frames_sent += 1
        return 0

    cdef int send_pairs(self, list parts) except -1:
        """Send frames of two parts each."""
        cdef int64_t size = 0
        cdef bytes part
        for part in parts:
            size += PyBytes_GET_SIZE(part)
        if self.may_wait(size):
            for part in parts:
                self.put(part)
            self.queue_up(size)
            self.frames_sent += PyList_GET_SIZE(parts) // 2
        return 0

    cdef object send_unlent(self, send, tuple args):
        """Send for somebody who has kept what his protocol was lent, and has it no more."""
        if self.protocol is None:  # the end, behind which data is dropped and counted
            self.writes_dropped += 1
        elif self.framing is None:
            raise RuntimeError("send() of a protocol that another one has followed, which sends no messages")
        else:
            send(self.protocol, *args)

    cdef bint may_wait(self, int64_t size) except -1:
        """The one door to the queue. Whether so much more may wait, at the latest when what waits has left, at once."""
        if self.waiting + size <= self.room:
            return True
        if size <= self.room and not self.blocked:
            self.make_room()
            if self.waiting + size <= self.room:
                return True
        if self.owner.admit(size):
            return True
        self.writes_dropped += 1
        return False

    cdef int make_room(self) except -1:
        """Send what waits. The owner's clock hears of it when this turn's writes leave: not in the middle of a write."""
        cdef bint clocked = self.clocked
        self.clocked = False
        try:
            self.send_now()
        finally:
            self.clocked = clocked
        return 0

    cdef int put(self, bytes chunk) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        if size >= self.join_below:
            return self.refer_to(chunk)
        if size:
            memcpy(self.reserve(size), PyBytes_AS_STRING(chunk), size)
            self.out_size += size
        return 0

    cdef int queue_up(self, int64_t size) except -1:
        """Count what was put, see to it that it leaves with this turn, and ask if it is much."""
        self.waiting += size
        if size and not self.flush_due:
            self.defer()
        if self.waiting > self.room:
            if self.session is None and self.out_size + self.large_size > BLOCK:
                self.settle()
            self.owner.much_waits()
        return 0

    cdef uint8_t *reserve(self, Py_ssize_t size) except? NULL:
        """Return where `size` bytes more can be written; nowhere, if they are none and nothing waits."""
        cdef Py_ssize_t room = max(self.out_size + size, FIRST_ROOM)
        cdef char *out
        if self.out_size + size > self.out_room:
            room = max(room, 4 * self.out_room if 4 * self.out_room <= BLOCK else self.out_room + self.out_room // 2)
            out = <char *>PyMem_Realloc(self.out, room)
            if out is NULL:
                raise MemoryError
            self.out = out
            self.out_room = room
        return <uint8_t *>self.out + self.out_size

    cdef int refer_to(self, bytes body) except -1:
        """Let a large body follow what is in `out`."""
        if self.large is None:
            self.large = []
        self.large.append((self.out_size, body))
        self.large_size += PyBytes_GET_SIZE(body)
        return 0

    def leave(self):
        """Send what waits, once, unless the socket is waited for."""
        self.send_now()

    def defer(self):
        """See to it that what waits leaves at the end of the turn. What is deferred is the stream itself."""
        if not self.flush_due:
            self.flush_due = True
            self.defer_call(self)

    def defer_anew(self):
        """Do the same, whatever became of an earlier time: an exception out of nowhere may have come between."""
        self.flush_due = False
        self.defer()

    def __call__(self):
        """Send what this turn has queued."""
        self.flush_due = False
        self.leave_with_turn()

    cdef int leave_with_turn(self) except -1:
        if self.waiting:
            self.send_now()
        if self.alert:
            self.owner.turn_ended()
        return 0

    cdef int send_now(self) except -1:
        cdef Py_ssize_t count
        cdef int code
        if self.session is not None:
            return self.leave_sealed()
        if self.blocked or not self.waiting:
            return 0
        if self.queued or (self.large is not None and (self.fd < 0 or PyList_GET_SIZE(self.large) > MOST_LARGE)):
            self.settle()
            return self.send_queued()
        if self.fd < 0:
            return self.send_out_to_memory()
        count = send(self.fd, self.out, self.out_size, MSG_NOSIGNAL) if self.large is None else self.send_gathered()
        code = errno
        if count == self.waiting:
            self.waiting = 0
            self.forget_out()
        else:
            self.settle()
            count = self.judge_send(count, code)
            if count < 0:
                return 0
            self.consume(count)
        return self.note_sent(count)

    cdef int send_out_to_memory(self) except -1:
        """Send what was written into a socket in memory, with no queue: nearly always it takes all of it."""
        cdef Py_ssize_t count = self.send_chunk(PyBytes_FromStringAndSize(self.out, self.out_size))
        if count < 0:
            return 0
        if count == self.waiting:
            self.waiting = 0
            self.forget_out()
        elif self.waiting:  # or whoever was called in there has dropped it
            self.settle()
            self.consume(count)
        return self.note_sent(count)

    cdef int note_sent(self, Py_ssize_t count) except -1:
        self.bytes_sent += count
        if self.clocked and count:
            self.owner.touched(True)
        if self.queued or self.alert:
            self.owner.sent(count)
        return 0

    cdef Py_ssize_t judge_send(self, Py_ssize_t count, int code) except -2:
        """Return how many bytes the socket took; -1 if it failed, and the owner was told."""
        if count >= 0 or code == WOULD_BLOCK or code == INTERRUPTED:
            return max(0, count)
        self.owner.send_failed(sockets.meaning(code))
        return -1

    cdef Py_ssize_t send_gathered(self) noexcept:
        """Send `out` and the large bodies in their order, with one call; a body alone needs no gathering."""
        cdef iovec parts[2 * MOST_LARGE + 1]
        cdef Py_ssize_t begin = 0, end
        cdef int count = 0
        cdef bytes body
        for end, body in self.large:
            count += fill_memory(&parts[count], self.out + begin, end - begin)
            count += fill_memory(&parts[count], PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
            begin = end
        count += fill_memory(&parts[count], self.out + begin, self.out_size - begin)
        if count == 1:
            return send(self.fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
        return send_parts(self.fd, parts, count)

    cdef list take_parts(self):
        """Hand over what `out` has, and the large bodies between."""
        cdef list parts = []
        cdef Py_ssize_t begin = 0, end
        for end, body in self.large or ():
            parts.append(PyBytes_FromStringAndSize(self.out + begin, end - begin))
            parts.append(body)
            begin = end
        parts.append(PyBytes_FromStringAndSize(self.out + begin, self.out_size - begin))
        self.forget_out()
        return parts

    cdef int settle(self) except -1:
        """Let what was written go on in the queue."""
        if self.out_size or self.large is not None:
            if self.queue is None:
                self.queue = Queue()
            for part in self.take_parts():
                self.queue.put(part)
            self.queued = self.queue.size
        return 0

    cdef int send_queued(self) except -1:
        """Send from the queue, once."""
        cdef iovec parts[MOST_PARTS]
        cdef list chunks = self.queue.next_chunks()
        cdef Py_ssize_t count
        cdef int number = 0, code
        if self.fd < 0:
            count = self.send_memory(chunks)
        else:
            for chunk in chunks:
                fill_part(&parts[number], chunk)
                number += 1
            count = send_parts(self.fd, parts, number)
            code = errno
            count = self.judge_send(count, code)
        chunk = chunks = None  # or a block that is lent can't grow
        if count < 0:
            return 0
        self.consume(count)
        return self.note_sent(count)

    cdef Py_ssize_t send_memory(self, list chunks) except -2:
        """Send into a socket in memory."""
        if len(chunks) == 1:
            return self.send_chunk(chunks[0])
        try:
            return self.sock.sendmsg(chunks, (), MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            self.owner.send_failed(exc)
            return -1

    cdef Py_ssize_t send_chunk(self, chunk) except -2:
        """Do the same with one chunk."""
        try:
            return self.sock.send(chunk, MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            self.owner.send_failed(exc)
            return -1

    cdef int consume(self, Py_ssize_t count) except -1:
        """Forget what has left the queue."""
        self.waiting -= count
        self.queue.consume(count)
        self.queued = self.queue.size
        if not self.queued:
            self.queue = None
        return 0

    cdef void forget_out(self) noexcept:
        """An idle connection holds no buffer."""
        PyMem_Free(self.out)
        self.out = NULL
        self.large = None
        self.out_size = self.out_room = self.large_size = 0

    def drop(self):
        """Forget what waits."""
        self.forget_out()
        self.queue = self.retry = None
        self.waiting = self.queued = 0

    # --- TLS

    cdef int leave_sealed(self) except -1:
        """Encrypt what was written, and send; straight from what TLS has made of it where nothing waits before."""
        cdef bytes data = None
        cdef Py_ssize_t count
        cdef int code
        if self.out_size or self.large is not None or self.retry is not None:
            data = self.seal()
        if data is not None:
            if self.blocked or self.queued or self.fd < 0:
                self.put_wire(data)
            else:
                count = send(self.fd, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), MSG_NOSIGNAL)
                code = errno
                if count == PyBytes_GET_SIZE(data):
                    return self.note_sent(count)
                self.put_wire(data)
                count = self.judge_send(count, code)
                if count < 0:
                    return 0
                self.consume(count)
                return self.note_sent(count)
        if self.blocked or not self.queued:
            return 0
        return self.send_queued()

    cdef int put_wire(self, bytes data) except -1:
        """Queue bytes that are ready for the socket."""
        if self.queue is None:
            self.queue = Queue()
        self.queue.put(data)
        self.queued = self.queue.size
        self.waiting += PyBytes_GET_SIZE(data)
        return 0

    cdef bytes seal(self):
        """Return what was written, encrypted; None if TLS can't yet."""
        cdef list parts
        cdef char *out = self.out
        cdef Py_ssize_t size = self.out_size
        cdef Calls calls = self.calls
        if calls is None:
            return None
        if self.large is not None or self.retry is not None:
            parts = (self.retry or []) + self.take_parts()
            return self.seal_parts(calls, parts)
        self.out = NULL  # ours while others are called
        self.forget_out()
        try:
            calls.write(PyMemoryView_FromMemory(out, size, PyBUF_READ))
            self.waiting -= size
        except ssl.SSLWantReadError:  # the peer renegotiates: what waits goes on when it has answered
            self.retry = [PyBytes_FromStringAndSize(out, size)]
        except ssl.SSLError as exc:
            self.waiting -= size
            self.owner.send_failed(exc)
            return None
        finally:
            PyMem_Free(out)
        return self.session.outgoing.read() or None

    cdef bytes seal_parts(self, Calls calls, list parts):
        """Encrypt large bodies and what lies between them, by no more than a read's size at a time."""
        cdef Py_ssize_t done = 0
        cdef int at = 0
        self.retry = None
        try:
            while at < len(parts):
                view = memoryview(parts[at])[done : done + READ_SIZE]
                if len(view):
                    calls.write(view)
                    self.waiting -= len(view)
                    done += len(view)
                    self.put_wire(self.session.outgoing.read())
                if done == len(parts[at]):
                    at, done = at + 1, 0
        except ssl.SSLWantReadError:
            self.retry = [parts[at][done:], *parts[at + 1 :]]
        except ssl.SSLError as exc:
            self.owner.send_failed(exc)
        return None

    def goodbye(self):
        """Say behind what waits that no more will come, if TLS has words for that."""
        cdef bytes data
        session = self.session
        if self.calls is None:
            return
        if self.out_size or self.large is not None or self.retry is not None:
            data = self.seal()
            if data is not None:
                self.put_wire(data)
                self.defer()
        if self.retry is None and self.session is not None:
            session.goodbye()
            self.put_own()

    def put_own(self):
        """Queue what TLS itself has to say."""
        cdef bytes data
        session = self.session
        if session is not None and session.begun and session.outgoing.pending:
            admitted = self.owner.admit_own(session.outgoing.pending)  # first: a KeyboardInterrupt in it loses nothing
            data = session.outgoing.read()
            if admitted:
                self.put_wire(data)
                self.defer()
