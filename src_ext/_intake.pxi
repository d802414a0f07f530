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
