# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The compiled twin of the datagrams' mechanism; _datagram_py.py is the reference, and says what each name means.

Law: mechanism alone, for UDP on Linux, several datagrams a call both ways. A socket here never blocks, so its calls are
made without letting go of the GIL, as in the stream.

What is received lies in memory that all endpoints share, each datagram in a slot that the largest fits into: 2 MiB, of
which the system gives those pages that were ever written to. It is made objects of before anything else can run, so no
pointer into it is kept across a call that can run Python code.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_RawCalloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.string cimport memcmp, memcpy, memmove, memset

import errno as _errno
import os

from . import _datagram_py, buffers, udp

cdef extern from "Python.h":
    PyObject *make_bytes "PyBytes_FromStringAndSize"(const char *at, Py_ssize_t size) noexcept
    void PyErr_Clear() noexcept

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "sys/socket.h":
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t sendto(int fd, const void *data, size_t size, int flags, const sockaddr *to, socklen_t length)
    int MSG_NOSIGNAL, AF_INET, AF_INET6

cdef extern from *:
    """
    #ifndef MSG_NOSIGNAL  /* macOS, where the pure twin runs: this one has to compile there all the same */
    #define MSG_NOSIGNAL 0
    #endif
    #ifndef __linux__  /* _datagram.py takes the pure twin there */
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    #define recvmmsg(fd, messages, count, flags, timeout) (errno = ENOSYS, -1)
    #define sendmmsg(fd, messages, count, flags) (errno = ENOSYS, -1)
    #endif
    """
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)

cdef extern from "netinet/in.h":
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_family, sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family, sin6_port
        uint32_t sin6_flowinfo, sin6_scope_id
        in6_addr sin6_addr
    enum:
        INET6_ADDRSTRLEN
    unsigned short ntohs(unsigned short number)
    unsigned short htons(unsigned short number)
    uint32_t ntohl(uint32_t number)
    uint32_t htonl(uint32_t number)

cdef extern from "arpa/inet.h":
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)
    int inet_pton(int family, const char *text, void *address)

cdef enum:
    AT_ONCE = 32  # datagrams in one call: the budget of a turn, but for large ones
    FEWEST = 4
    SLOT = 65536 + 192  # bytes: no datagram of UDP is larger; off the page, or all slots would share one line of a cache
    KNOWN = 1024  # addresses that are kept, a power of 2
    FIRST_ROOM = 32
    LASTING_ROOM = 1024  # datagrams that room is kept for when all have left

cdef int64_t LEAST = _datagram_py.LEAST, READ_SIZE = buffers.READ_SIZE
cdef int WOULD_BLOCK = _errno.EAGAIN, INTERRUPTED = _errno.EINTR

cdef struct Waiting:
    PyObject *data
    sockaddr_in6 to  # or a sockaddr_in, which is smaller

cdef struct Known:
    PyObject *addr
    sockaddr_in6 address

cdef char *slots = NULL
cdef mmsghdr incoming[AT_ONCE]
cdef mmsghdr outgoing[AT_ONCE]
cdef iovec incoming_parts[AT_ONCE]
cdef iovec outgoing_parts[AT_ONCE]
cdef sockaddr_in6 senders[AT_ONCE]
cdef Known by_address[KNOWN]  # who has sent: making a tuple costs six times as much as finding it here
cdef Known by_object[KNOWN]  # where was sent to, by the very tuple


include "_addresses.pxi"


@cython.final
cdef class Datagrams:
    """Moves datagrams between one socket and one protocol."""

    cdef public bint reading, alert
    cdef bint blocked, connected, flush_due
    cdef int fd, family, budget  # how many to take at once
    cdef public int64_t room
    cdef readonly int64_t waiting
    cdef public int64_t bytes_received, bytes_sent, datagrams_received, datagrams_sent, datagrams_dropped
    cdef public object protocol
    cdef object sock, peer, owner, defer_call
    cdef list runs_on  # [the thread that may send without asking]
    cdef list held  # (data, addr) of what a callback that left the loop has kept from being delivered
    cdef Waiting *queue
    cdef Py_ssize_t head, count, capacity

    def __cinit__(self, memory, owner, defer, list runs_on):
        self.owner = owner
        self.defer_call = defer
        self.runs_on = runs_on
        self.fd = -1
        self.connected = self.blocked = True
        self.room = -1
        self.budget = AT_ONCE

    def __dealloc__(self):
        forget_queue(self)
        PyMem_Free(self.queue)

    @property
    def full(self):
        """Return where there is no room now."""
        return {None} if self.blocked else set()

    def attach(self, sock, bint connected, peer):
        """Go on with a socket. What has been sent by now waits, and has no receiver of its own."""
        take_memory()
        self.sock, self.fd, self.family = sock, sock.fileno(), sock.family
        self.connected, self.peer = connected, peer
        self.blocked = False

    # --- in

    def receive(self):
        """Deliver what has come, as far as one call takes it."""
        cdef int count
        if self.held is not None:
            self.deliver_held()
        if not self.reading:
            return
        count = recvmmsg(self.fd, incoming, self.budget, 0, NULL)
        if count > 0:
            self.deliver(count)
        elif errno != WOULD_BLOCK and errno != INTERRUPTED:
            self.owner.receive_failed(error_of(errno))
        elif self.held is None:  # it seemed readable: it has errors
            self.owner.nothing_came()

    cdef int deliver(self, int count) except -1:
        """Make objects of all that was received, then deliver them."""
        cdef PyObject *batch[AT_ONCE]
        cdef sockaddr_in6 origins[AT_ONCE]
        cdef int each, done = 0, came = count
        cdef int64_t size = 1
        for each in range(came):
            size += incoming[each].msg_len
            incoming[each].msg_hdr.msg_namelen = sizeof(sockaddr_in6)
            if each < count:
                batch[each] = make_bytes(<char *>incoming_parts[each].iov_base, incoming[each].msg_len)
                if batch[each] == NULL:  # no memory: it and those behind it are lost, as datagrams may be
                    PyErr_Clear()
                    count = each
        self.budget = <int>min(<int64_t>AT_ONCE, max(<int64_t>FEWEST, READ_SIZE * came // size))
        if not self.connected:
            memcpy(origins, senders, count * sizeof(sockaddr_in6))
        try:
            while done < count:
                datagram = <object>batch[done]
                Py_DECREF(datagram)
                done += 1
                if self.reading:
                    self.hand_out(datagram, self.peer if self.connected else addr_of(&origins[done - 1]))
        except BaseException:
            self.hold(batch, origins, done, count)
            raise
        return 0

    cdef int hand_out(self, datagram, addr) except -1:
        self.datagrams_received += 1
        self.bytes_received += PyBytes_GET_SIZE(datagram)
        try:
            self.protocol.datagram_received(datagram, addr)
        except BaseException as exc:
            self.owner.callback_raised(exc)
        return 0

    cdef int hold(self, PyObject **batch, sockaddr_in6 *origins, int done, int count) except -1:
        """Keep what was not delivered yet, for the next time."""
        cdef int each
        for each in range(done, count):
            datagram = <object>batch[each]
            Py_DECREF(datagram)
            if self.held is None:
                self.held = []
            self.held.append((datagram, self.peer if self.connected else addr_of(&origins[each])))
        return 0

    cdef int deliver_held(self) except -1:
        while self.held and self.reading:
            datagram, addr = self.held.pop(0)
            self.hand_out(datagram, addr)
        self.held = None
        return 0

    # --- out

    def sendto(self, data, addr=None):
        """Send one datagram, whole or not at all; it leaves with the others of this turn. Never blocks.

        `addr`: the receiver, numeric; None where the socket is connected. What can't be sent is told to
        `error_received`; what finds `max_write_buffer` full, or comes after `close()`, is dropped and counted.
        """
        cdef sockaddr_in6 to
        if <unsigned long>self.runs_on[0] != PyThread_get_thread_ident():
            self.owner.check_thread("sendto")
        cdef bytes chunk = <bytes>data if PyBytes_CheckExact(data) else memoryview(data).tobytes()
        cdef int64_t size = max(PyBytes_GET_SIZE(chunk), LEAST)
        if not self.connected:
            read_addr(self.family, addr, &to)
        elif addr is not None:
            self.owner.check_peer(addr)
        if self.waiting + size > self.room:
            if not self.may_wait(size):
                self.datagrams_dropped += 1
                return
            if self.waiting + size > self.room:
                append(self, chunk, &to, size)
                self.defer()
                self.owner.much_waits()
                return
        append(self, chunk, &to, size)
        if not self.flush_due:
            self.defer()

    cdef bint may_wait(self, int64_t size) except -1:
        """Whether so much more may wait, at the latest when what can has left, at once."""
        if self.room >= 0 and not self.blocked:
            self.leave()
        if self.waiting + size <= self.room:
            return True
        return self.room >= 0 and (not self.count or self.owner.admit(size))

    cpdef defer(self):
        """See to it that what waits leaves at the end of the turn. What is deferred is this itself."""
        if not self.flush_due:
            self.flush_due = True
            self.defer_call(self)

    def defer_anew(self):
        """Do the same, whatever became of an earlier time."""
        self.flush_due = False
        self.defer()

    def __call__(self):
        """Send what this turn has queued."""
        self.flush_due = False
        self.leave()
        if self.alert:
            self.owner.turn_ended()

    cpdef leave(self):
        """Send what waits and finds room."""
        while self.count and not self.blocked:
            self.send_some()
        if self.waiting or self.alert:
            self.owner.sent()

    def retry(self):
        """Send what found no room before; tell whether some has left."""
        cdef int64_t before = self.waiting
        self.blocked = False
        self.leave()
        return self.waiting < before

    cdef int send_some(self) except -1:
        """Send with one call; see what the first of them has met if none could be sent."""
        cdef int sent = send_first(self, min(self.count, <Py_ssize_t>AT_ONCE))
        cdef int code = errno
        if sent > 0:
            return take_sent(self, sent)
        if is_full(code):
            self.blocked = True
            return 0
        error = error_of(code)
        if not udp.is_its_own(error):  # it may be about what was sent before
            sent, earlier = send_first(self, 1), error
            code = errno
            if sent > 0:
                take_sent(self, 1)
                self.owner.send_failed(earlier, -1, self.peer)
                return 0
            if is_full(code):
                self.blocked = True
                return 0
            error = error_of(code)
        addr = self.peer if self.connected else addr_of(&self.queue[self.head].to)
        self.owner.send_failed(error, take_first(self), addr)
        return 0

    def drop(self):
        """Forget what waits, and count it."""
        self.datagrams_dropped += self.count
        forget_queue(self)

    def forget(self, owner):
        """Let go of everything, so that nothing of it is a cycle."""
        self.drop()
        self.owner = owner
        self.protocol = self.sock = self.held = None
        self.fd = -1
        self.reading = self.alert = False
        self.room = -1


cdef object error_of(int code):
    return OSError(code, os.strerror(code))


cdef bint is_full(int code):
    return code == WOULD_BLOCK or code == INTERRUPTED or code == _errno.ENOBUFS or code == _errno.ENOMEM


cdef int take_memory() except -1:
    """Point at the slots, once."""
    global slots
    if slots != NULL:
        return 0
    slots = <char *>PyMem_RawCalloc(AT_ONCE, SLOT)
    if slots == NULL:
        raise MemoryError
    cdef int each
    for each in range(AT_ONCE):
        incoming_parts[each].iov_base, incoming_parts[each].iov_len = slots + each * SLOT, SLOT
        incoming[each].msg_hdr.msg_iov, incoming[each].msg_hdr.msg_iovlen = &incoming_parts[each], 1
        incoming[each].msg_hdr.msg_name, incoming[each].msg_hdr.msg_namelen = &senders[each], sizeof(sockaddr_in6)
        outgoing[each].msg_hdr.msg_iov, outgoing[each].msg_hdr.msg_iovlen = &outgoing_parts[each], 1
    return 0


# --- the queue: functions, since a method that nobody outside calls would cost each object's table a pointer


cdef inline int append(Datagrams self, bytes chunk, sockaddr_in6 *to, int64_t size) except -1:
    """Queue a datagram."""
    if self.head + self.count == self.capacity:
        make_room(self)
    cdef Waiting *place = &self.queue[self.head + self.count]
    Py_INCREF(chunk)
    place.data = <PyObject *>chunk
    if not self.connected:
        place.to = to[0]
    self.count += 1
    self.waiting += size
    return 0


cdef int make_room(Datagrams self) except -1:
    cdef Py_ssize_t capacity
    cdef Waiting *larger
    if self.head > self.capacity // 2:
        memmove(self.queue, self.queue + self.head, self.count * sizeof(Waiting))
        self.head = 0
        return 0
    capacity = max(2 * self.capacity, <Py_ssize_t>FIRST_ROOM)
    larger = <Waiting *>PyMem_Realloc(self.queue, capacity * sizeof(Waiting))
    if larger == NULL:
        raise MemoryError
    self.queue, self.capacity = larger, capacity
    return 0


cdef Py_ssize_t take_first(Datagrams self) noexcept:
    """Take the first one off; return its size."""
    cdef Waiting *first = &self.queue[self.head]
    data = <object>first.data
    Py_DECREF(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    self.waiting -= max(<int64_t>size, LEAST)
    self.head += 1
    self.count -= 1
    if not self.count:
        self.head = 0
        if self.capacity > LASTING_ROOM:
            PyMem_Free(self.queue)
            self.queue, self.capacity = NULL, 0
    return size


cdef int take_sent(Datagrams self, int sent) noexcept:
    """Take off what was sent, and count it."""
    self.datagrams_sent += sent
    for _ in range(sent):
        self.bytes_sent += take_first(self)
    return 0


cdef int forget_queue(Datagrams self) noexcept:
    while self.count:
        take_first(self)
    return 0


cdef int send_first(Datagrams self, Py_ssize_t count) noexcept:
    """Send the first ones of the queue; return how many the socket took, -1 with errno if none."""
    cdef Waiting *first = &self.queue[self.head]
    cdef socklen_t length = 0 if self.connected else size_of(self.family)
    cdef Py_ssize_t each
    if count == 1:
        return 1 if sendto(
            self.fd, PyBytes_AS_STRING(<object>first.data), PyBytes_GET_SIZE(<object>first.data), MSG_NOSIGNAL,
            NULL if self.connected else <sockaddr *>&first.to, length,
        ) >= 0 else -1
    for each in range(count):
        outgoing_parts[each].iov_base = PyBytes_AS_STRING(<object>first[each].data)
        outgoing_parts[each].iov_len = PyBytes_GET_SIZE(<object>first[each].data)
        outgoing[each].msg_hdr.msg_name = NULL if self.connected else <void *>&first[each].to
        outgoing[each].msg_hdr.msg_namelen = length
    return sendmmsg(self.fd, outgoing, <unsigned int>count, MSG_NOSIGNAL)
