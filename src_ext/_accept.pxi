# Accepting. Part of _stream_c.pyx; `take_next` in transport/sockets.py is the reference.


@cython.final
@cython.no_gc  # it refers to a socket alone, which refers to nothing
cdef class Accepted:
    """The descriptor of a connection. Python's socket for it, 2.3 us and 130 bytes, is made when somebody asks for it."""

    cdef int fd, family  # fd: -1 when it is closed, or the socket's
    cdef object made

    def fileno(self):
        return self.fd if self.made is None else self.made.fileno()

    def close(self):
        """Close. Idempotent."""
        if self.made is not None:
            self.made.close()
        elif self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def __getattr__(self, name):
        return getattr(socket_of(self), name)

    def __repr__(self):
        return repr(socket_of(self))

    def __dealloc__(self):
        if self.fd >= 0:
            close(self.fd)


cdef object socket_of(Accepted accepted):  # a method would cost each a pointer
    if accepted.made is None:
        accepted.made = sockets.SocketOf(accepted.family, fileno=accepted.fd)
        accepted.fd = -1
    return accepted.made


def take_next(listener):
    """Return a new connection, which never blocks, and its peer; None when nobody waits. Raises OSError."""
    cdef sockaddr_storage address
    cdef socklen_t size = sizeof(address)
    cdef int fd = accept4(listener.fileno(), <sockaddr *>&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
    cdef int code = errno
    cdef Accepted accepted
    if fd < 0:
        if code == WOULD_BLOCK or code == INTERRUPTED:
            return None
        raise OSError(code, os.strerror(code))
    accepted = Accepted.__new__(Accepted)
    accepted.fd, accepted.family = fd, address.ss_family
    return accepted, peer_of(&address, size, accepted)


if not SOCK_NONBLOCK:
    take_next = sockets.take_next


cdef object peer_of(sockaddr_storage *address, socklen_t size, Accepted accepted):
    """Return what getpeername() would, as Python writes it."""
    cdef char text[INET6_ADDRSTRLEN]
    cdef sockaddr_in *four = <sockaddr_in *>address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>address
    if address.ss_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs(four.sin_port)
    if address.ss_family == AF_INET6:
        inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs(six.sin6_port), ntohl(six.sin6_flowinfo), six.sin6_scope_id
    return accepted.getpeername()
