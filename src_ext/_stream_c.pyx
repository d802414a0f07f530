# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The compiled twin of the stream; _stream_py.py is the reference, and says what each name means.

Law: mechanism alone. A socket here never blocks, so its calls are made without letting go of the GIL: letting go costs
two atomic operations where nobody waits, and up to a switch interval (5 ms) where somebody does. A socket in memory has
no descriptor: there, and nowhere else, its methods are called.

No pointer is kept across a call that can run Python code, but into `memory`, which is held, and which is written by
nobody but `receive` and `resume`: a turn is never made from inside a turn.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_CheckExact, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_FromMemory, PyMemoryView_GET_BUFFER
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from ..framing._codec_c cimport BODY, Decoder, Encoder

import errno as _errno
import os
from itertools import islice

from ..framing import Framing
from ..late import ssl
from ..protocol import FramedProtocol, watched_framing
from . import buffers, sockets
from ._stream_py import keep_limit
from .tls import too_much_read

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident()

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
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    struct sockaddr_storage:
        int ss_family
    int MSG_NOSIGNAL, AF_INET, AF_INET6

cdef extern from *:
    """
    #ifndef MSG_NOSIGNAL  /* macOS: nobody dies all the same, since Python ignores SIGPIPE, unless it is told not to */
    #define MSG_NOSIGNAL 0
    #endif
    #if !defined(SOCK_NONBLOCK) || !defined(__linux__)  /* maybe no accept4(), and a connection inherits no options */
    #define accept4(fd, address, size, flags) (errno = ENOSYS, -1)
    #undef SOCK_NONBLOCK
    #undef SOCK_CLOEXEC
    #define SOCK_NONBLOCK 0
    #define SOCK_CLOEXEC 0
    #endif
    """
    int accept4(int fd, sockaddr *address, socklen_t *size, int flags)
    int SOCK_NONBLOCK, SOCK_CLOEXEC

cdef extern from "netinet/in.h":
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        unsigned int sin6_flowinfo, sin6_scope_id
        in6_addr sin6_addr
    enum:
        INET6_ADDRSTRLEN
    unsigned short ntohs(unsigned short number)
    unsigned int ntohl(unsigned int number)

cdef extern from "arpa/inet.h":
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)

cdef extern from "unistd.h":
    int close(int fd)

cdef enum:
    FIRST_ROOM = 512  # what Python's own allocator still takes: glibc's cache is empty when 7 connections wait
    MOST_LARGE = 8  # bodies that are gathered into one send: 64 KiB hold 7 of JOIN_BELOW and their headers
    MOST_PARTS = 64  # of one gathered send

cdef Py_ssize_t DIRECT_FROM = buffers.DIRECT_FROM
cdef Py_ssize_t READ_SIZE = buffers.READ_SIZE
cdef Py_ssize_t JOIN_BELOW = buffers.JOIN_BELOW
cdef Py_ssize_t ANSWER_FROM = buffers.ANSWER_FROM
cdef Py_ssize_t PLAIN_ROOM = buffers.PLAIN_ROOM
cdef Py_ssize_t SEALED_SLICE = buffers.SEALED_SLICE
cdef Py_ssize_t BLOCK = buffers.SEND_AT_ONCE
cdef Py_ssize_t GATHER = buffers.GATHER
cdef int MESSAGES_PER_TURN = buffers.MESSAGES_PER_TURN
assert buffers.GATHER <= MOST_PARTS

cdef tuple LENT = ("send", "send_many")
cdef int WOULD_BLOCK = _errno.EAGAIN, INTERRUPTED = _errno.EINTR


include "_accept.pxi"
include "_queue.pxi"
include "_sender.pxi"
include "_receiver.pxi"


@cython.final
cdef class Stream(Receiver):
    """Moves bytes between one socket and one protocol."""

    def __cinit__(self, sock, memoryview memory, owner, defer, list runs_on):
        self.fd = sock.fileno()
        self.sock = sock if self.fd < 0 else None
        self.memory = memory
        self.owner = owner
        self.defer_call = defer
        self.runs_on = runs_on
        self.rest = self.sealed = b""
        self.ending = False
        self.join_below = JOIN_BELOW
        self.budget = MESSAGES_PER_TURN
        self.room = -1

    def adopt(self, protocol, initial=b""):
        """Deliver to a protocol: `initial` first, then what the last one was not given. Its own code may raise."""
        framing = decoder = None
        if isinstance(protocol, FramedProtocol):
            framing = watched_framing(protocol)
            decoder = decoder_of(framing)
        rest = initial + self.take_rest()
        self.forget_protocol()
        self.protocol = protocol
        self.rest = rest
        self.buffered = framing is None and hasattr(protocol, "buffer_updated")
        if framing is not None:
            self.set_decoder(decoder)
            self.as_list = type(protocol).messages_received is not FramedProtocol.messages_received
            self.lend(framing)

    def reframe(self, framing):
        """Go on with another framing: what is sent from now on, and what comes behind the message being received."""
        decoder = decoder_of(framing)
        keep_limit(self.framing, self.decoder, decoder)
        self.take_back()
        self.lend(framing)
        if self.decoder is not None and self.decoder.unfinished:
            self.following = decoder
        else:
            self.switch_to(decoder)

    cdef int lend(self, framing) except -1:
        """Lend the protocol our own `send`, unless it has one, or a framing that encodes in a way of its own."""
        encoder = framing._encoder
        self.framing = framing
        self.encoder = self.maker = None
        if type(framing).encode is not Framing.encode or type(framing).encode_many is not Framing.encode_many:
            return 0
        if isinstance(encoder, Encoder):
            self.encoder = encoder
        else:
            self.maker = encoder
        for name in LENT:
            if getattr(getattr(self.protocol, name), "__func__", None) is getattr(FramedProtocol, name):
                setattr(self.protocol, name, getattr(self, name))
        return 0

    cdef int take_back(self) except -1:
        """Take what was lent, if the protocol still has it."""
        for name in LENT:
            if getattr(self.protocol, name) == getattr(self, name):
                delattr(self.protocol, name)
        return 0

    cdef int forget_protocol(self) except -1:
        """Leave the protocol as it was."""
        if self.decoder is not None:
            self.take_back()
        self.protocol = self.decoder = self.native = self.encoder = self.maker = self.framing = self.following = None
        self.as_list = self.buffered = False
        self.held = None
        return 0

    def secure(self, session, bytes first):
        """Speak TLS from now on: what waits leaves plain. `first` is what has come of the peer's handshake."""
        self.settle()
        self.session = session
        self.join_below = PLAIN_ROOM
        self.sealed = first
        if not session.tls.server_side:
            session.begin()
            self.shake_hands()

    def forget(self, owner):
        """Let go of everything, so that nothing of it is a cycle; what is written from now on is asked of `owner`."""
        self.forget_protocol()
        self.drop()
        self.owner = owner
        self.session = self.calls = None
        self.rest = self.sealed = b""
        self.ending = self.more = self.reading = self.alert = False
        self.room = -1


cdef object decoder_of(framing):
    """Return a decoder of this framing, if it is one."""
    if not isinstance(framing, Framing):
        raise TypeError(f"framing is {framing!r}, it must be a Framing such as Framing()")
    return framing.decoder()


cdef inline bytes as_bytes(data):
    return <bytes>data if PyBytes_CheckExact(data) else memoryview(data).tobytes()


cdef Py_ssize_t send_parts(int fd, iovec *parts, int count) noexcept:
    """Send parts of memory with one call."""
    cdef msghdr message
    memset(&message, 0, sizeof(message))
    message.msg_iov = parts
    message.msg_iovlen = count
    return sendmsg(fd, &message, MSG_NOSIGNAL)


cdef inline int fill_memory(iovec *part, char *at, Py_ssize_t size) noexcept:
    """Point at memory, if it is any; return how many parts that makes."""
    part.iov_base, part.iov_len = at, size
    return size > 0


cdef int fill_part(iovec *part, chunk) except -1:
    """Point at a chunk of a queue, which the caller holds until it is sent."""
    cdef Py_buffer *view
    if PyBytes_CheckExact(chunk):
        part.iov_base, part.iov_len = PyBytes_AS_STRING(chunk), PyBytes_GET_SIZE(chunk)
    elif PyByteArray_CheckExact(chunk):
        part.iov_base, part.iov_len = PyByteArray_AS_STRING(chunk), PyByteArray_GET_SIZE(chunk)
    else:
        view = PyMemoryView_GET_BUFFER(chunk)
        part.iov_base, part.iov_len = view.buf, view.len
    return 0
