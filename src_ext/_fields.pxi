# Length fields: every width, both orders, varints. Part of _codec_c.pyx.


cdef inline uint64_t load(const uint8_t *at, int width, bint little) noexcept:
    """Read an unsigned integer of 1 to 8 bytes. The caller has compared `at + width` with the end."""
    cdef uint64_t value = 0
    cdef int i
    if width == 4 and not little:
        return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | <uint32_t>at[3]
    for i in range(width):
        value = value << 8 | at[width - 1 - i if little else i]
    return value


cdef inline void store(uint8_t *at, uint64_t value, int width, bint little) noexcept:
    """Write an unsigned integer of 1 to 8 bytes. The caller has made room for `width` of them."""
    cdef int i
    if width == 4 and not little:
        at[0], at[1], at[2], at[3] = value >> 24 & 0xFF, value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF
        return
    for i in range(width):
        at[i if little else width - 1 - i] = value & 0xFF
        value >>= 8


cdef inline int varint_size(uint64_t value) noexcept:
    cdef int size = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size


cdef inline void store_varint(uint8_t *at, uint64_t value) noexcept:
    while value > 0x7F:
        at[0] = value & 0x7F | 0x80
        value >>= 7
        at += 1
    at[0] = value
