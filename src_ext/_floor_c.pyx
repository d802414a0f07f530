# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The floor that bench/ measures the codec against: it reads headers and makes bytes, and checks nothing else.

Not part of the package: bench/floors.py builds it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t


def decode(bytes data):
    """Return the bodies of 4-byte big-endian frames."""
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t pos = 0, size = len(data)
    cdef uint32_t length
    cdef list frames = []
    while size - pos >= 4:
        length = <uint32_t>at[pos] << 24 | <uint32_t>at[pos + 1] << 16 | <uint32_t>at[pos + 2] << 8 | at[pos + 3]
        if size - pos - 4 < length:
            break
        frames.append(PyBytes_FromStringAndSize(<const char *>at + pos + 4, length))
        pos += 4 + length
    return frames
