# What waits for a socket that took less than it was given. Part of _stream_c.pyx; buffers.WriteBuffer is the reference.
#
# No line of it is Python's, so nothing that a signal handler raises comes between the bytes and their count.


@cython.final
cdef class Queue:
    """Chunks in order and their size in bytes. Small ones are joined as they come; large ones are kept by reference."""

    cdef list chunks
    cdef Py_ssize_t start, size  # start: bytes of the first chunk that are sent already

    def __cinit__(self):
        self.chunks = []

    cdef int put(self, bytes chunk) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk), waiting = PyList_GET_SIZE(self.chunks)
        if not size:
            return 0
        if size >= JOIN_BELOW or not waiting or not self.join(self.chunks[waiting - 1], chunk):
            self.chunks.append(chunk)
        self.size += size
        return 0

    cdef bint join(self, last, bytes chunk) except -1:
        """Let a small chunk be part of the last one, if that is small or made of such."""
        if isinstance(last, bytearray):
            if len(last) >= BLOCK:
                return False
            last += chunk
            return True
        if len(last) >= JOIN_BELOW:
            return False
        self.chunks[PyList_GET_SIZE(self.chunks) - 1] = bytearray(last) + chunk
        return True

    cdef list next_chunks(self):
        """Return what should be sent now, in one send."""
        cdef list batch = self.chunks[:GATHER]
        if self.start:
            batch[0] = memoryview(batch[0])[self.start :]
        return batch

    cdef int consume(self, Py_ssize_t count) except -1:
        """Forget `count` bytes that were sent."""
        cdef Py_ssize_t gone = 0
        self.size -= count
        count += self.start
        while gone < PyList_GET_SIZE(self.chunks) and count >= len(self.chunks[gone]):
            count -= len(self.chunks[gone])
            gone += 1
        del self.chunks[:gone]
        self.start = count
        return 0
