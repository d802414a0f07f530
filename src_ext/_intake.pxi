# What another loop reads into. Part of _stream_c.pyx; Intake of _stream_py.py is the reference.


@cython.final
cdef class Intake:
    """The hot half of a protocol of asyncio's: where it reads to, and what becomes of what it has read."""

    cdef Stream stream
    cdef list runs_on
    cdef object room, thread, leave, raised
    cdef tuple queues

    def begin(self, Stream stream, list runs_on, memoryview room, tuple queues, leave, raised):
        """Take what comes for a stream. Before that there is no room."""
        self.stream = stream
        self.runs_on = runs_on
        self.room = room
        self.thread = PyThread_get_thread_ident()
        self.queues = queues
        self.leave = leave
        self.raised = raised

    def get_buffer(self, sizehint):
        """Return where asyncio reads to, for all streams of a loop."""
        return self.room

    def buffer_updated(self, Py_ssize_t nbytes):
        """Deliver what asyncio has read, and let what it is answered with leave at once, in one write."""
        cdef Stream stream = self.stream
        cdef bint was_due = stream.flush_due
        before = self.runs_on[0]
        self.runs_on[0] = self.thread
        stream.flush_due = True  # the answers leave below, and need no queue
        try:
            try:
                stream.take(nbytes)
            finally:
                stream.flush_due = was_due
                stream.leave_with_turn()
        except BaseException as exc:
            self.raised(exc)
        finally:
            self.runs_on[0] = before
            if self.has_more():
                self.leave()

    cdef bint has_more(self) except -1:
        """Whether anything else is to be done behind a read."""
        for queue in self.queues:
            if len(queue):
                return True
        return False


@cython.final
cdef class Outlet:
    """What is sent, to a transport of asyncio's."""

    cdef object write, is_closing, buffered
    cdef public bint full, gone, ended
    cdef readonly Py_ssize_t given

    def __init__(self, transport):
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.buffered = transport.get_write_buffer_size

    def send(self, data, flags=0):
        """Give asyncio bytes, and return how many more have left its buffer; until then they are offered again."""
        cdef Py_ssize_t size, left, sent
        if self.gone or (not self.ended and self.is_closing()):  # asyncio takes it all, and forgets it
            raise OSError(_errno.EPIPE, os.strerror(_errno.EPIPE))
        if not self.given:
            size = min(len(data), MOST_GIVEN)
            self.given = size
            self.write(data if PyBytes_CheckExact(data) and size == len(data) else bytes(memoryview(data)[:size]))
            if not self.full:  # as nearly always: the system has taken it
                self.given = 0
                return size
        left = self.left()
        sent, self.given = self.given - left, left
        if not sent:
            raise BlockingIOError(_errno.EAGAIN, os.strerror(_errno.EAGAIN))
        return sent

    cpdef Py_ssize_t left(self) except -1:
        """Return how many of the bytes that asyncio was given it still has. Its TLS has made them more."""
        return min(self.given, self.size()) if self.full else 0

    cpdef Py_ssize_t size(self) except -1:
        """Return how many bytes asyncio has; 3.10's TLS may have nothing below it any more, and can't say."""
        try:
            return self.buffered()
        except AttributeError:
            return 0
