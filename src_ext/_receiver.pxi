# The receiving half of the stream. Part of _stream_c.pyx; _receiver_py.py is the reference.


cdef class Receiver(Sender):
    """Reads once a turn and delivers. `memory`: where reads go, shared by all streams of a loop."""

    cdef public bint reading, drained
    cdef readonly bint heard  # whether a protocol of bytes was given any
    cdef public int64_t bytes_received
    cdef readonly object decoder  # of any kind
    cdef Decoder native  # the decoder, if it is the compiled one
    cdef object following  # the decoder that follows the frame in progress
    cdef object memory  # a memoryview, which keeps its bytearray from moving: the pointer stays good with it
    cdef bint as_list, buffered, more
    cdef bint in_hand  # bytes that TLS was not given are the caller's
    cdef int budget  # how many messages are left, of this turn
    cdef int64_t frames  # that the turns before have handed out
    cdef list held
    cdef object rest, sealed, ending

    def receive(self):
        """Read once, and deliver what is whole."""
        cdef Py_buffer *memory = PyMemoryView_GET_BUFFER(self.memory)
        cdef char *at = <char *>memory.buf
        cdef bint was_waited_for = self.is_waited_for()
        cdef Py_ssize_t count
        cdef bytes data
        self.renew_budget()
        if self.session is not None:
            count = self.read(at + PLAIN_ROOM, memory.len - PLAIN_ROOM)
        elif self.lacks_much():
            return self.receive_in_place()
        else:
            count = self.read(at, memory.len)
        if count <= 0:
            return
        try:
            if self.session is None:
                self.cut(at, count)
            elif self.sealed:  # what came before TLS began, or while nothing was read, is in front
                data = self.sealed + PyBytes_FromStringAndSize(at + PLAIN_ROOM, count)
                self.open_sealed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            else:
                self.open_sealed(at + PLAIN_ROOM, count)
        except BaseException as exc:
            self.raised(exc)
            return
        self.look(was_waited_for)

    def received(self, Py_ssize_t count):
        """Deliver `count` bytes that somebody else has read into `memory`, behind the room for plain bytes."""
        cdef char *at = <char *>PyMemoryView_GET_BUFFER(self.memory).buf + PLAIN_ROOM
        cdef bint was_waited_for = self.is_waited_for()
        self.renew_budget()
        if self.clocked:
            self.owner.touched(False)
        self.bytes_received += count
        try:
            if self.session is not None or self.sealed:
                data = self.sealed + PyBytes_FromStringAndSize(at, count)
                self.open_sealed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            elif self.reading and not self.has_left():
                self.cut(at, count)
            else:  # it was on its way when reading was paused
                self.rest = bytes(self.rest) + PyBytes_FromStringAndSize(at, count)
        except BaseException as exc:
            self.raised(exc)
            return
        self.look(was_waited_for)

    def resume(self):
        """Deliver what was left, as much as one turn allows."""
        cdef bytes data
        self.renew_budget()
        try:
            if not self.reading:  # but TLS goes on, whoever pauses in a handshake
                data = self.sealed
                self.open_sealed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            elif self.held:
                held, self.held = self.held, None
                FramedProtocol.messages_received(self.protocol, held)
            elif self.decoder is not None and self.decoder.undecoded:
                self.deliver()
            elif self.rest:
                data, self.rest = bytes(self.rest), b""
                self.cut(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            elif self.session is not None:
                data = self.sealed
                self.open_sealed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        except BaseException as exc:
            self.raised(exc)
            return
        self.look(True)

    cdef void renew_budget(self) noexcept:
        self.frames += MESSAGES_PER_TURN - self.budget
        self.budget = MESSAGES_PER_TURN

    @property
    def frames_received(self):
        """Messages that were handed out, and pieces of messages."""
        return self.frames + MESSAGES_PER_TURN - self.budget

    cdef Py_ssize_t read(self, char *at, Py_ssize_t size) except -2:
        """Read once; return how many bytes came. What else there is to know the owner was told."""
        cdef Py_ssize_t count
        cdef int code
        if self.clocked:  # first, for an exception out of nowhere in it must not cost what was read
            self.owner.touched(False)
        if self.fd < 0:
            return self.read_memory(at, size)
        count = recv(self.fd, at, size, 0)
        code = errno
        if count < 0:
            return self.read_nothing(sockets.meaning(code))
        return self.note_read(count, size)

    cdef Py_ssize_t read_memory(self, char *at, Py_ssize_t size) except -2:
        """Read from a socket in memory."""
        cdef Py_ssize_t count
        room = PyMemoryView_FromMemory(at, size, PyBUF_WRITE)
        try:
            count = self.sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return self.read_nothing(None)
        except OSError as exc:
            return self.read_nothing(exc)
        finally:
            room.release()  # the memory is another connection's next
        return self.note_read(max(0, min(count, size)), size)  # never more than there was room for, whatever it says

    cdef Py_ssize_t read_nothing(self, error) except -2:
        if error is None:
            self.drained = True
        else:
            self.owner.read_failed(error)
        return -1

    cdef Py_ssize_t note_read(self, Py_ssize_t count, Py_ssize_t size) except -2:
        self.drained = count < size
        if count == 0:
            self.owner.socket_ended()
            return 0
        self.bytes_received += count
        return count

    cdef int look(self, bint always) except -1:
        """Let large answers leave while they are in the caches; let the owner look at what is out of the ordinary."""
        if self.waiting >= ANSWER_FROM and not self.blocked:
            self.send_now()
        if always or self.alert or not self.reading or self.has_left() or self.is_in_frame() or self.has_ended():
            self.owner.delivered()
        return 0

    cdef int raised(self, exc) except -1:
        """Let the owner take what came out of the protocol; a KeyboardInterrupt goes on from here."""
        owner = self.owner
        try:
            owner.callback_raised(exc)
        finally:
            owner.delivered()
        return 0

    # --- a large body goes straight to its place

    cdef bint lacks_much(self):
        """Whether a large body is in progress, and lacks so much that reading it in place is worth it."""
        cdef Decoder decoder = self.native
        if decoder is None or decoder.state != BODY or decoder.body is None or decoder.body.filled < DIRECT_FROM:
            return False
        return decoder.goal - decoder.done >= DIRECT_FROM and decoder.pos == decoder.size

    cdef object receive_in_place(self):
        """Read once, to where the body goes on. As long as it isn't complete nothing else has changed."""
        cdef Decoder decoder = self.native
        cdef Py_ssize_t count
        try:
            count = min(decoder.make_room(), READ_SIZE)  # which may move the body
        except MemoryError as exc:
            self.raised(exc)
            return
        count = self.read(decoder.body.at(), count)
        if count <= 0:
            return
        try:
            frame = decoder.advance(count)
            if frame is None:
                return
            self.budget -= 1
            self.call_back(frame)
            self.follow(decoder)
        except BaseException as exc:
            self.raised(exc)
            return
        self.look(True)

    # --- cutting

    cdef int cut(self, char *at, Py_ssize_t size) except -1:
        """Deliver plain bytes; nothing is left of earlier ones."""
        cdef Decoder decoder = self.native
        if decoder is not None:
            decoder.lend(<const uint8_t *>at, size)
            try:
                self.deliver()
            finally:
                decoder.own()
        elif self.decoder is not None:
            self.decoder.push(PyBytes_FromStringAndSize(at, size))
            self.deliver()
        elif self.buffered:
            self.heard = True
            self.fill(PyBytes_FromStringAndSize(at, size))
        else:
            self.heard = True
            self.protocol.data_received(PyBytes_FromStringAndSize(at, size))
        return 0

    cdef int fill(self, bytes data) except -1:
        """Deliver into the protocol's own buffers, as asyncio's BufferedProtocol wants it."""
        protocol = self.protocol
        self.rest = memoryview(data)
        try:
            while len(self.rest) and self.reading and self.protocol is protocol:
                buffer = memoryview(protocol.get_buffer(len(self.rest))).cast("B")
                if not (len(self.rest) and self.reading and self.protocol is protocol):
                    break
                count = min(len(buffer), len(self.rest))
                if not count:
                    raise RuntimeError("get_buffer() returned an empty buffer")
                buffer[:count] = self.rest[:count]
                self.rest = self.rest[count:]
                protocol.buffer_updated(count)
        finally:
            self.rest = bytes(self.rest)
        return 0

    cdef int deliver(self) except -1:
        """Decode and call back, until the protocol reads no more or this turn's messages are spent."""
        cdef Decoder decoder = self.native
        cdef list batch
        if decoder is None:
            return self.deliver_foreign()
        decoder.skips = self.budget
        if self.as_list and self.following is None:
            batch = []
            try:
                decoder.collect(batch, self.budget)
            finally:  # an interrupt inside of the user's `read_header` costs no message
                self.budget -= PyList_GET_SIZE(batch)
                if batch:
                    self.protocol.messages_received(batch)
            return 0
        while self.budget > 0 and self.reading:
            frame = decoder.next()
            if frame is None:
                break
            self.budget -= 1
            if PyBytes_CheckExact(frame) and not self.as_list:
                self.protocol.message_received(frame)
            else:
                self.call_back(frame)
            if self.native is not decoder or (self.following is not None and self.follow(decoder)):
                break
        return 0

    cdef int deliver_foreign(self) except -1:
        """Do the same with a decoder of the user's own."""
        decoder = self.decoder
        frames = islice(frames_of(decoder, self.budget), self.budget)
        if self.as_list and self.following is None:
            batch = []
            try:
                batch.extend(frames)
            finally:
                self.budget -= len(batch)
                if batch:
                    self.protocol.messages_received(batch)
            return 0
        for frame in frames:
            self.budget -= 1
            self.call_back(frame)
            if self.following is not None and self.decoder is decoder and not decoder.unfinished:
                self.switch_to(self.following)
            if not self.reading or self.decoder is not decoder:
                break
        return 0

    cdef int call_back(self, frame) except -1:
        if self.as_list:
            self.protocol.messages_received([frame])
        elif PyBytes_CheckExact(frame):
            self.protocol.message_received(frame)
        else:
            self.protocol.piece_received(frame)
        return 0

    cdef bint follow(self, Decoder decoder) except -1:
        """Go on with the decoder that was to follow this frame, if the frame is over; tell whether it is so."""
        if self.following is None or self.native is not decoder or decoder.is_unfinished():
            return False
        self.switch_to(self.following)
        return True

    def take_held(self):
        """Hand over the messages that were kept."""
        held, self.held = self.held, None
        return held or []

    def keep(self, list messages):
        """Keep messages of a list that its protocol was given and has not come to."""
        self.held = messages + (self.held or [])

    # --- TLS

    cdef int open_sealed(self, char *at, Py_ssize_t size) except -1:
        """Decrypt and deliver, a slice at a time, until the protocol reads no more or TLS has a word to say.

        `at` is in `memory` behind the room for plain bytes, or in the bytes that the caller holds.
        """
        cdef Py_ssize_t pos = 0, count
        cdef bint listens = self.calls is not None and not self.reading  # TLS alone: what is made of it is for nobody
        if not self.session.begun:
            self.session.begin()
        self.sealed = b""
        try:
            while True:
                count = min(size - pos, SEALED_SLICE)
                pos += count  # before user code is called
                self.in_hand = pos < size
                if count:
                    self.feed(at + pos - count, count)
                if not (self.open_slice() or (listens and not self.ending)) or pos == size:
                    break
        finally:
            self.in_hand = False
            self.sealed = PyBytes_FromStringAndSize(at + pos, size - pos) if pos < size else b""
        return 0

    cdef int feed(self, char *at, Py_ssize_t size) except -1:
        view = PyMemoryView_FromMemory(at, size, PyBUF_READ)
        cdef Calls calls = self.calls
        if calls is None:
            self.session.incoming.write(view)
            self.session.records.feed(view)
        else:
            calls.feed(view)
            calls.records.lend(<const uint8_t *>at, size)
            calls.records.collect([], size)
        return 0

    cdef bint open_slice(self) except -1:
        """Deliver what TLS makes of what it has; tell whether it may be given more in this turn."""
        cdef Py_ssize_t plain
        cdef bint spoke
        if self.calls is None:
            if not self.shake_hands():
                return not self.ending
            try:
                self.owner.secured()
            finally:  # more may have come behind the handshake: it is read below, or goes on later
                self.more = True
            if not self.reading or self.keeps_plain():
                return False
        plain = self.read_plain()
        spoke = self.session.outgoing.pending > 0
        if spoke:
            try:
                self.put_own()
            except BaseException:
                self.rest = PyBytes_FromStringAndSize(<char *>PyMemoryView_GET_BUFFER(self.memory).buf, plain)
                raise
        if self.retry is not None:
            self.defer()  # what TLS couldn't take before
        if plain and self.reading:
            self.cut(<char *>PyMemoryView_GET_BUFFER(self.memory).buf, plain)
        return self.reading and not (spoke or self.more or self.keeps_plain() or self.has_ended())

    cdef bint shake_hands(self) except -1:
        """Go on with the handshake; tell whether it is complete."""
        session = self.session
        try:
            if not session.shake_hands():
                return False
        except ssl.SSLError as exc:
            self.ending = exc
            return False
        finally:
            self.put_own()
        self.calls = Calls(session, self.memory[:PLAIN_ROOM])
        session.secured = True
        return True

    cdef Py_ssize_t read_plain(self) except -1:
        """Read plain bytes into the shared memory; return how many."""
        cdef Py_ssize_t filled = 0, count
        cdef Calls calls = self.calls  # held, whoever lets go of it meanwhile
        self.more = False
        try:
            while filled < PLAIN_ROOM:
                count = calls.read(PLAIN_ROOM - filled, calls.plain_room[filled:] if filled else calls.plain_room)
                if count == 0:
                    self.ending = True
                    return filled
                if not 0 < count <= PLAIN_ROOM - filled:
                    raise too_much_read(count)
                filled += count
                if not calls.incoming.pending and not calls.pending():
                    return filled  # asking would be answered by an exception, which is dearer
            self.more = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ending = True
        except ssl.SSLError as exc:
            self.ending = exc
        return filled

    # --- what is left

    cdef bint has_left(self) except -1:
        if self.held:
            return True
        if self.is_broken():  # behind that nothing counts
            return False
        return True if self.more or self.in_hand or self.sealed else self.keeps_plain()

    cdef bint keeps_plain(self) except -1:
        """Whether plain bytes or messages have come that were not delivered."""
        if self.held or self.rest:
            return True
        if self.native is not None:
            return self.native.pos < self.native.size
        return self.decoder is not None and self.decoder.undecoded > 0

    cdef bint is_broken(self) except -1:
        if self.native is not None:
            return self.native._error is not None
        return self.decoder is not None and self.decoder.error is not None

    cdef bint is_in_frame(self) except -1:
        if self.native is not None:
            if self.native.begun():
                return True
        elif self.decoder is not None and self.decoder.in_frame:
            return True
        if self.calls is not None:
            return self.calls.records.begun()
        return self.session is not None and self.session.in_record

    cdef bint is_waited_for(self) except -1:
        """Whether the owner waits for the end of a frame, or of a handshake."""
        return self.is_in_frame() or (self.session is not None and self.calls is None)

    cdef bint has_ended(self) except -1:
        return True if self.ending else self.is_broken()

    @property
    def unopened(self):
        """Whether bytes have come that TLS was not given."""
        return self.in_hand or bool(self.sealed)

    @property
    def left(self):
        """Whether something has come that was not delivered."""
        return self.has_left()

    @property
    def in_frame(self):
        """Whether a frame has begun and isn't complete, or a record of TLS."""
        return self.is_in_frame()

    @property
    def frame_offset(self):
        """Where in the stream the unfinished frame begins; of one that is streamed or discarded, what is next of it."""
        return 0 if self.decoder is None else self.decoder.stream_offset

    @property
    def progress(self):
        """What has come of the unfinished frame, in words."""
        told = getattr(self.decoder, "progress", "")  # a decoder of the user's own may not tell
        return told or ("" if self.session is None else "part of a TLS record came")

    @property
    def end(self):
        """How the stream ended, behind all that was delivered: an error, or True for close_notify; else None."""
        if self.has_left():
            return None
        if self.decoder is not None and self.decoder.error is not None:
            return self.decoder.error
        return self.ending or None

    def take_rest(self):
        """Hand over what the protocol was not given."""
        rest = bytes(self.rest)
        if self.decoder is not None:
            rest = self.decoder.detach() + rest
        self.rest = b""
        return rest

    cdef int set_decoder(self, decoder) except -1:
        self.decoder = decoder
        self.native = decoder if isinstance(decoder, Decoder) else None
        self.protocol.decoder = decoder
        return 0

    cdef int switch_to(self, decoder) except -1:
        """Go on with another decoder: it gets every byte that the present one has not made a message of."""
        self.rest = self.take_rest()
        self.following = None
        return self.set_decoder(decoder)


cdef object frames_of(decoder, int most):
    """Return an iteration that comes back behind so many skipped frames; a decoder of the user's own may not."""
    frames = getattr(decoder, "frames", None)
    return iter(decoder) if frames is None else frames(most)
