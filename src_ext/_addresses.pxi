# Addresses as Python writes them, and as the kernel does. Part of _datagram_c.pyx; udp.destination() judges them.


cdef inline socklen_t size_of(int family) noexcept:
    return sizeof(sockaddr_in) if family == AF_INET else sizeof(sockaddr_in6)


cdef inline Known *place_of(sockaddr_in6 *address) noexcept:
    """Return where an address is kept, if it is."""
    cdef uint32_t mixed
    cdef uint32_t *words = <uint32_t *>&address.sin6_addr
    if address.sin6_family == AF_INET:
        mixed = (<sockaddr_in *>address).sin_addr.s_addr * 0x9E3779B1u
    else:
        mixed = (words[0] ^ words[1] ^ words[2] ^ words[3] ^ address.sin6_scope_id) * 0x9E3779B1u
    return &by_address[((mixed >> 16) ^ address.sin6_port ^ (address.sin6_port >> 8)) & (KNOWN - 1)]


cdef inline Known *place_by_object(addr) noexcept:
    return &by_object[(<uintptr_t><PyObject *>addr >> 4) & (KNOWN - 1)]


cdef inline bint same(sockaddr_in6 *one, sockaddr_in6 *other) noexcept:
    if one.sin6_family != other.sin6_family or one.sin6_port != other.sin6_port:
        return False
    if one.sin6_family == AF_INET:
        return (<sockaddr_in *>one).sin_addr.s_addr == (<sockaddr_in *>other).sin_addr.s_addr
    return memcmp(one, other, sizeof(sockaddr_in6)) == 0


cdef object addr_of(sockaddr_in6 *address):
    """Return an address as Python writes it: the same tuple as last time, as a rule."""
    cdef Known *known = place_of(address)
    if known.addr != NULL and same(&known.address, address):
        return <object>known.addr
    addr = make_addr(address)
    keep(known, addr, address)
    keep(place_by_object(addr), addr, address)  # who answers needs no other look at it
    return addr


cdef object make_addr(sockaddr_in6 *address):
    cdef char text[INET6_ADDRSTRLEN]
    cdef sockaddr_in *four = <sockaddr_in *>address
    if address.sin6_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs(four.sin_port)
    inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof(text))
    return text.decode("ascii"), ntohs(address.sin6_port), ntohl(address.sin6_flowinfo), address.sin6_scope_id


cdef int keep(Known *known, addr, sockaddr_in6 *address) except -1:
    """Keep an address in a place; whoever was there is let go."""
    cdef PyObject *former = known.addr
    Py_INCREF(addr)
    known.addr = <PyObject *>addr
    known.address = address[0]
    if former != NULL:
        Py_DECREF(<object>former)
    return 0


cdef int read_addr(int family, addr, sockaddr_in6 *address) except -1:
    """Write down where a datagram goes. Raises what udp.destination() raises."""
    cdef Known *known = place_by_object(addr)
    if known.addr == <PyObject *>addr and known.address.sin6_family == family:
        address[0] = known.address
        return 0
    cdef tuple judged = udp.destination(family, addr)
    cdef bytes host = judged[0].encode("ascii")
    cdef sockaddr_in *four = <sockaddr_in *>address
    memset(address, 0, sizeof(sockaddr_in6))
    address.sin6_family = family
    address.sin6_port = htons(<unsigned short>judged[1])
    if family == AF_INET:
        inet_pton(AF_INET, PyBytes_AS_STRING(host), &four.sin_addr)
    else:
        inet_pton(AF_INET6, PyBytes_AS_STRING(host), &address.sin6_addr)
        if len(judged) > 2:
            address.sin6_flowinfo = htonl(judged[2])
        if len(judged) > 3:
            address.sin6_scope_id = judged[3]
    if PyTuple_CheckExact(addr):  # nobody can change it
        keep(known, addr, address)
    return 0
