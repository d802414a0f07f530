# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The floors that bench/ measures the codec against: find where frames end and make bytes, and check nothing else.

Not part of the package: bench/floors.py builds it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr


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


def decode_lines(bytes data):
    """Return what ends in a newline."""
    cdef const char *at = PyBytes_AS_STRING(data)
    cdef const char *end = at + len(data)
    cdef const char *found
    cdef list frames = []
    while True:
        found = <const char *>memchr(at, 10, end - at)
        if found is NULL:
            return frames
        frames.append(PyBytes_FromStringAndSize(at, found - at))
        at = found + 1


def decode_fixed(bytes data, Py_ssize_t length):
    """Return frames of one length."""
    cdef const char *at = PyBytes_AS_STRING(data)
    cdef Py_ssize_t pos = 0, size = len(data)
    cdef list frames = []
    while size - pos >= length:
        frames.append(PyBytes_FromStringAndSize(at + pos, length))
        pos += length
    return frames
