# What every decoder of a framing reads and none writes: one object for all streams of it. Part of _codec_c.pyx.


@cython.final
cdef class Form:
    """A framing as C reads it. A decoder that had all of this itself took 160 bytes more, for each connection."""

    def __cinit__(self, framing):
        self.read_framing(framing)
        self.announces = not self.mark_size and self.read_header is None
        self.field = self.offset if self.announces else -1
        verdicts.check_layout(self.offset, self.width, self.max_varint, self.mark_size, self.most_header)
        self.header_size = self.offset + self.width
        self.strip = -1 if self.stripped is None else min(self.stripped, PY_SSIZE_T_MAX)
        self.in_bulk = self.mark_size or (self.fixed and not self.header_size and self.strip <= 0)

    cdef int read_framing(self, framing) except -1:
        self.delimiter = framing.delimiter
        self.mark = <const uint8_t *>PyBytes_AS_STRING(self.delimiter)  # which is held, and never changes
        self.mark_size = PyBytes_GET_SIZE(self.delimiter)
        self.keep = framing.keep
        self.oversize = framing.oversize
        self.width = framing.length_field_length
        self.little = framing.byteorder == "little"
        self.offset = framing.length_field_offset
        self.adjustment = framing.length_adjustment
        self.stripped = framing.strip
        self.max_varint = framing.max_varint_bytes
        self.read_header = framing.read_header
        self.most_header = framing.max_header_length
        self.fixed = framing.fixed_length
        return 0


cdef Form form_of(framing):
    """Return the form of a framing, which is kept with it: a framing is frozen."""
    cdef dict kept = framing.__dict__
    form = kept.get("_form")
    if type(form) is not Form:
        form = kept["_form"] = Form(framing)
    return form
