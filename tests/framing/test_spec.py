"""Framing as a value: what it refuses, what it is equal to, and what it encodes."""

from __future__ import annotations

import array
import copy
import dataclasses
import pickle
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from reactor import FrameTooLarge, FrameTruncated, Framing
from reactor.framing.verdicts import MAX_BODY
from reactor.testing import cuts

MIB = 1 << 20

SOME = [
    Framing(),
    Framing(1),
    Framing(2, "little"),
    Framing(8, byteorder="little", length_field_offset=3, length_adjustment=-4, strip=0),
    Framing(max_frame_length=0, oversize="discard"),
    Framing(3, strip=2, oversize="stream"),
    Framing.varint(),
    Framing.varint(max_varint_bytes=5),
    Framing.varint(length_field_offset=1, length_adjustment=7, strip=1, max_frame_length=99, oversize="stream"),
]
each = pytest.mark.parametrize("framing", SOME, ids=repr)


# What is refused


WRONG: dict[str, list[Any]] = {
    "byteorder": ["native", "BIG", "", b"big", None, 1, True, ["big"]],
    "length_field_offset": [-1, MIB + 1, 1.0, "1", None, True, [0]],
    "length_adjustment": [2**62 + 1, -(2**62) - 1, 0.0, "0", None, True, False],
    "strip": [-1, 1.5, "4", True, False, [4]],
    "max_frame_length": [-1, 1.0, "1", None, True, False, [9]],
    "oversize": ["drop", "ERROR", "", b"error", None, 1, True, ["error"]],
}
WRONG_FIELDS = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize("value", [0, 9, -1, 4.0, "4", b"4", None, True, False, [4]])
def test_a_wrong_length_field_length_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^length_field_length is .*, it must be an int, 1 to 8$"):
        Framing(value)


@pytest.mark.parametrize("value", [0, 11, -1, 5.0, "5", None, True, False])
def test_wrong_max_varint_bytes_are_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_varint_bytes is .*, it must be an int, 1 to 10$"):
        Framing.varint(max_varint_bytes=value)


@pytest.mark.parametrize(("name", "value"), WRONG_FIELDS)
def test_a_wrong_field_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} is ") as caught:
        Framing(**{name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [pair for pair in WRONG_FIELDS if pair[0] != "byteorder"])
def test_a_wrong_field_beside_a_varint_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} is ") as caught:
        Framing.varint(**{name: value})
    assert repr(value) in str(caught.value)


def test_all_but_the_width_and_the_byte_order_is_by_keyword() -> None:
    assert Framing(2, "little") == Framing(length_field_length=2, byteorder="little")
    with pytest.raises(TypeError):
        Framing(2, "little", 0)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Framing.varint(5)  # type: ignore[misc]


@pytest.mark.parametrize("call", [lambda: Framing(max_varint_bytes=3), lambda: Framing.varint(byteorder="big")])
def test_what_has_no_meaning_together_can_not_be_said(call: Callable[[], Framing]) -> None:
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda adjustment: Framing(1, length_adjustment=adjustment), -255),
        (lambda adjustment: Framing(2, length_adjustment=adjustment), -65535),
        (lambda adjustment: Framing(7, length_adjustment=adjustment), 1 - 2**56),
        (lambda adjustment: Framing.varint(max_varint_bytes=1, length_adjustment=adjustment), -127),
        (lambda adjustment: Framing.varint(max_varint_bytes=2, length_adjustment=adjustment), 1 - 2**14),
    ],
)
def test_an_adjustment_that_makes_every_body_negative_is_refused(make: Callable[[int], Framing], least: int) -> None:
    assert make(least).length_adjustment == least
    with pytest.raises(ValueError, match=r"^length_adjustment is .* every body would be negative$"):
        make(least - 1)


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda strip: Framing(1, strip=strip), 1 + 255),
        (lambda strip: Framing(1, strip=strip, max_frame_length=10), 1 + 10),
        (lambda strip: Framing(1, strip=strip, max_frame_length=10, oversize="discard"), 1 + 10),
        (lambda strip: Framing(1, strip=strip, max_frame_length=10, oversize="stream"), 1 + 255),
        (lambda strip: Framing(1, strip=strip, length_field_offset=4, length_adjustment=-250), 4 + 1 + 5),
        (lambda strip: Framing(1, strip=strip, length_adjustment=45), 1 + 255 + 45),
        (lambda strip: Framing(1, strip=strip, length_adjustment=-255), 1),
        (lambda strip: Framing(4, strip=strip), 4 + MIB),
        (lambda strip: Framing.varint(strip=strip, max_varint_bytes=1), 1 + 127),
        (lambda strip: Framing.varint(strip=strip, max_varint_bytes=3, max_frame_length=5), 3 + 5),
    ],
)
def test_a_strip_beyond_every_frame_is_refused(make: Callable[[int], Framing], most: int) -> None:
    assert make(most).strip == most
    assert make(0).strip == 0
    with pytest.raises(ValueError, match=f"^strip is {most + 1}, it must be an int, 0 to {most}$"):
        make(most + 1)


@pytest.mark.parametrize("limit", [256, 2**32, 2**64, 2**100])
def test_a_limit_above_what_the_field_holds_is_fine(limit: int) -> None:
    framing = Framing(1, max_frame_length=limit)
    assert framing.max_frame_length == limit
    assert framing.encode(bytes(255)) == b"\xff" + bytes(255)


def test_the_largest_length_is_that_of_the_field() -> None:
    assert [Framing(width).length_field_max for width in range(1, 9)] == [256**width - 1 for width in range(1, 9)]
    varints = [Framing.varint(max_varint_bytes=count).length_field_max for count in range(1, 11)]
    assert varints == [*(2 ** (7 * count) - 1 for count in range(1, 10)), 2**64 - 1]


# A value


@each
def test_it_is_frozen(framing: Framing) -> None:
    for name in framing.__dataclass_fields__:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(framing, name, 1)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(framing, name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        framing.more = 1  # type: ignore[attr-defined]


def test_it_equals_what_was_built_of_the_same_fields_and_nothing_else() -> None:
    assert [framing for framing in SOME if framing == SOME[3]] == [SOME[3]]
    assert Framing(4) == Framing() == Framing(byteorder="big", strip=None, oversize="error")
    assert Framing(4, strip=4) != Framing(4)
    assert Framing(8) != Framing.varint()
    assert Framing() != "Framing()"


def test_it_is_a_key() -> None:
    names = {framing: str(framing) for framing in SOME}
    assert len(names) == len(SOME)
    assert names[Framing(2, byteorder="little")] == str(SOME[2])
    assert hash(Framing.varint(max_varint_bytes=5)) == hash(SOME[7])


@each
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_pickling_before_use_and_after(framing: Framing, protocol: int, used: bool) -> None:
    if used:
        use(framing)
    twin = pickle.loads(pickle.dumps(framing, protocol))
    assert (twin, hash(twin), repr(twin), type(twin)) == (framing, hash(framing), repr(framing), Framing)
    use(twin)


@each
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_survives_copying(framing: Framing, copied: Callable[[Framing], Framing]) -> None:
    use(framing)
    twin = copied(framing)
    assert (twin, hash(twin), repr(twin)) == (framing, hash(framing), repr(framing))
    use(twin)


def use(framing: Framing) -> None:
    framing.decoder().feed(b"")
    frame = framing.encode(bytes(framing.length_adjustment > 0 and 7), bytes(framing.length_field_offset))
    assert framing.decoder().feed(frame) != []


@each
def test_its_repr_is_how_to_build_it(framing: Framing) -> None:
    assert eval(repr(framing)) == framing


def test_its_repr_tells_what_is_not_the_default() -> None:
    assert repr(Framing()) == "Framing()"
    assert repr(Framing(2, strip=0)) == "Framing(length_field_length=2, strip=0)"
    assert repr(Framing.varint(oversize="stream")) == "Framing.varint(max_varint_bytes=10, oversize='stream')" or (
        repr(Framing.varint(oversize="stream")) == "Framing.varint(oversize='stream', max_varint_bytes=10)"
    )


def test_its_defaults_are_those_of_the_design() -> None:
    assert dataclasses.asdict(Framing()) == {
        "length_field_length": 4,
        "byteorder": "big",
        "length_field_offset": 0,
        "length_adjustment": 0,
        "strip": None,
        "max_frame_length": MIB,
        "oversize": "error",
        "max_varint_bytes": 0,
        "fixed_length": 0,
        "delimiter": b"",
        "keep": False,
        "read_header": None,
        "write_header": None,
        "max_header_length": 0,
    }
    assert Framing.varint().max_varint_bytes == 10


def test_it_can_be_varied_with_replace() -> None:
    assert dataclasses.replace(Framing(2), strip=0) == Framing(2, strip=0)


def test_every_decoder_is_a_new_one(twin: ModuleType) -> None:
    framing = Framing(1)
    one, other = framing.decoder(), framing.decoder()
    assert type(one) is twin.Decoder
    assert one.feed(b"\2a") == []
    assert other.feed(b"\1b") == [b"b"]
    assert one.feed(b"a") == [b"aa"]


# Encoding: every test over both twins


def test_a_frame_is_the_prefix_the_length_and_the_body(twin: ModuleType) -> None:
    assert Framing().encode(b"hello") == b"\0\0\0\5hello"
    assert Framing(1).encode(b"") == b"\0"
    assert Framing(2, "little").encode(b"hi") == b"\2\0hi"
    assert Framing(3, length_field_offset=2).encode(b"hi", b"PQ") == b"PQ\0\0\2hi"
    assert Framing(2, length_adjustment=-2).encode(b"hi") == b"\0\4hi"
    assert Framing(2, length_adjustment=1).encode(b"hi") == b"\0\1hi"
    assert Framing(8, "little").encode(b"hi") == b"\2\0\0\0\0\0\0\0hi"


@pytest.mark.parametrize(
    ("size", "field"),
    [
        (0, b"\0"),
        (1, b"\1"),
        (127, b"\x7f"),
        (128, b"\x80\1"),
        (300, b"\xac\2"),
        (16383, b"\xff\x7f"),
        (16384, b"\x80\x80\1"),
        (MIB, b"\x80\x80\x40"),
    ],
)
def test_a_varint_is_as_short_as_it_can_be(twin: ModuleType, size: int, field: bytes) -> None:
    assert Framing.varint().encode(bytes(size)) == field + bytes(size)
    assert Framing.varint().encode_many([bytes(size), b"x"]) == field + bytes(size) + b"\1x"


def test_a_varint_counts_the_adjustment(twin: ModuleType) -> None:
    assert Framing.varint(length_adjustment=-100).encode(bytes(30)) == b"\x82\1" + bytes(30)
    assert Framing.varint(length_adjustment=100).encode(bytes(130)) == b"\x1e" + bytes(130)


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("byteorder", ["big", "little"])
def test_every_width_writes_what_int_to_bytes_writes(twin: ModuleType, width: int, byteorder: Any) -> None:
    for size in (0, 1, 255, 256, 65535, 65536):
        if size < 256**width:
            assert Framing(width, byteorder).encode(bytes(size)) == size.to_bytes(width, byteorder) + bytes(size)


def test_strip_and_oversize_mean_nothing_to_an_encoder(twin: ModuleType) -> None:
    assert Framing(1, strip=0, oversize="discard").encode(b"hi") == b"\2hi"
    with pytest.raises(FrameTooLarge):
        Framing(1, max_frame_length=1, oversize="stream").encode(b"hi")


def test_a_body_at_the_limit_is_encoded_and_one_over_it_is_not(twin: ModuleType) -> None:
    framing = Framing(max_frame_length=5)
    assert framing.encode(b"hello") == b"\0\0\0\5hello"
    with pytest.raises(FrameTooLarge, match="body of 6 bytes to send, max_frame_length is 5") as caught:
        framing.encode(b"hello!")
    assert (caught.value.length, caught.value.limit, caught.value.header) == (6, 5, b"")


@pytest.mark.parametrize(
    ("framing", "most"),
    [
        (Framing(1), 255),
        (Framing(1, max_frame_length=2**64), 255),
        (Framing(1, length_adjustment=-2), 253),
        (Framing(1, length_adjustment=45), 300),
        (Framing(2), 65535),
        (Framing.varint(max_varint_bytes=1), 127),
        (Framing.varint(max_varint_bytes=2, length_adjustment=-1), 16382),
    ],
    ids=repr,
)
def test_a_body_that_fills_the_field_is_encoded_and_one_more_byte_is_not(
    twin: ModuleType, framing: Framing, most: int
) -> None:
    framing = dataclasses.replace(framing) if not framing.max_varint_bytes else copy.copy(framing)
    assert framing.decoder().feed(framing.encode(bytes(most))) == [bytes(most)]
    with pytest.raises(FrameTooLarge, match=f"body of {most + 1} bytes .* the length field holds 0 to ") as caught:
        framing.encode(bytes(most + 1))
    assert (caught.value.length, caught.value.limit) == (most + 1, min(framing.max_frame_length, MAX_BODY))


def test_a_body_shorter_than_the_adjustment_has_no_length(twin: ModuleType) -> None:
    framing = Framing(1, length_adjustment=3)
    assert framing.encode(b"abc") == b"\0abc"
    with pytest.raises(FrameTooLarge, match="needs a length of -1 with length_adjustment 3") as caught:
        framing.encode(b"ab")
    assert caught.value.length == 2


def test_a_limit_over_the_field_gives_way_to_the_field_and_the_other_way_round(twin: ModuleType) -> None:
    with pytest.raises(FrameTooLarge, match="the length field holds 0 to 255"):
        Framing(1, max_frame_length=300).encode(bytes(256))
    with pytest.raises(FrameTooLarge, match="max_frame_length is 200"):
        Framing(1, max_frame_length=200).encode(bytes(300))


@pytest.mark.parametrize("prefix", [b"", b"P", b"PQR", bytes(100)])
def test_a_prefix_of_another_length_than_the_offset_is_refused(twin: ModuleType, prefix: bytes) -> None:
    framing = Framing(1, length_field_offset=2)
    with pytest.raises(ValueError, match=f"^prefix has {len(prefix)} bytes, length_field_offset is 2$"):
        framing.encode(b"hi", prefix)
    assert framing.encode(b"hi", b"PQ") == framing.encode(b"hi", prefix=bytearray(b"PQ")) == b"PQ\2hi"


def test_a_prefix_where_there_is_no_offset_is_refused(twin: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^prefix has 1 bytes, length_field_offset is 0$"):
        Framing().encode(b"hi", b"P")


BODIES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "view": memoryview,
    "writable view": lambda data: memoryview(bytearray(data)),
    "every other": lambda data: memoryview(bytes(byte for pair in zip(data, data, strict=True) for byte in pair))[::2],
    "backwards": lambda data: memoryview(data[::-1])[::-1],
    "two rows": lambda data: memoryview(data).cast("B", [2, len(data) // 2]),
    "cast": lambda data: memoryview(data).cast("H"),
    "array": lambda data: array.array("H", data),
    "subclass": lambda data: type("Bytes", (bytes,), {})(data),
}


@pytest.mark.parametrize("make", BODIES.values(), ids=list(BODIES))
def test_whatever_exports_bytes_is_a_body_and_a_prefix(twin: ModuleType, make: Callable[[bytes], Any]) -> None:
    assert Framing(1).encode(make(b"even")) == b"\4even"
    assert Framing(1).encode_many([make(b"even"), b"x", make(b"ly")]) == b"\4even\1x\2ly"
    framed = Framing(1, length_field_offset=2).encode(b"x", make(b"PQ"))
    assert (type(framed), framed) == (bytes, b"PQ\1x")


@pytest.mark.parametrize("body", ["text", "", None, 5, 5.0, [1, 2], object()])
def test_what_has_no_bytes_is_no_body_and_no_prefix(twin: ModuleType, body: Any) -> None:
    with pytest.raises(TypeError):
        Framing().encode(body)
    with pytest.raises(TypeError):
        Framing().encode(b"x", body)
    with pytest.raises(TypeError):
        Framing().encode_many([b"x", body])


def test_bodies_are_not_changed_and_not_kept(twin: ModuleType) -> None:
    body = bytearray(b"hello")
    frame = Framing(1).encode(body)
    frames = Framing(1).encode_many([body, body])
    body[:] = b"jello"
    body.clear()
    assert (frame, frames) == (b"\5hello", b"\5hello\5hello")


@pytest.mark.parametrize("framing", [Framing(), Framing(2, "little"), Framing(1, length_adjustment=-1)], ids=repr)
@pytest.mark.parametrize("kind", [list, tuple, iter, lambda bodies: (body for body in bodies), dict.fromkeys])
def test_many_bodies_are_their_frames_joined(twin: ModuleType, framing: Framing, kind: Callable[..., Any]) -> None:
    framing, bodies = copy.copy(framing), [b"one", b"", b"three" * 20]
    assert framing.encode_many(kind(bodies)) == b"".join(map(framing.encode, bodies))


def test_no_bodies_are_no_bytes(twin: ModuleType) -> None:
    assert Framing().encode_many([]) == b""
    assert Framing.varint().encode_many(iter(())) == b""


def test_many_bodies_are_encoded_all_or_nothing(twin: ModuleType) -> None:
    framing = Framing(1, max_frame_length=3)
    for bad in (b"four", bytes(256)):
        with pytest.raises(FrameTooLarge, match="max_frame_length is 3"):
            framing.encode_many([b"ok", bad, b"ok"])
    assert framing.encode_many([b"ok"]) == b"\2ok"


def test_many_bodies_that_fail_to_come_raise_what_they_raise(twin: ModuleType) -> None:
    def bodies() -> Iterator[bytes]:
        yield b"ok"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        Framing().encode_many(bodies())


@pytest.mark.parametrize("bodies", [5, None, b"bytes are ints", "text"])
def test_what_is_no_iterable_of_bodies_is_refused(twin: ModuleType, bodies: Any) -> None:
    with pytest.raises(TypeError):
        Framing().encode_many(bodies)


@pytest.mark.parametrize("bodies", [[], [b"x"]])
def test_many_bodies_are_refused_where_each_needs_a_prefix(twin: ModuleType, bodies: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"^prefix has 0 bytes, length_field_offset is 2$"):
        Framing(1, length_field_offset=2).encode_many(bodies)


def test_a_list_that_changes_while_it_is_encoded_does_no_harm(twin: ModuleType) -> None:
    """A body may run code of its owner when it is asked for its bytes; the list is what it was before."""
    bodies: list[Any] = [bytearray(b"one"), b"two"]

    class Growing(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            for body in super().__iter__():
                bodies.append(b"more")
                yield body

    assert Framing(1).encode_many(Growing(bodies)) == b"\3one\3two"


@each
def test_what_a_framing_encodes_it_decodes(twin: ModuleType, framing: Framing) -> None:
    framing = copy.copy(framing)
    body, prefix = b"a body", b"P" * framing.length_field_offset
    if framing.max_frame_length < len(body) or framing.length_adjustment > len(body):
        body = bytes(max(0, framing.length_adjustment))
    frame = framing.encode(body, prefix)
    assert framing.decoder().feed(frame) == [body if framing.strip is None else frame[framing.strip :]]


@pytest.mark.parametrize(
    "framing",
    [
        Framing(),
        Framing(3, "little", length_field_offset=2),
        Framing(2, length_adjustment=-2, strip=0),
        Framing(1, strip=2, length_adjustment=1),
        Framing.varint(),
        Framing.varint(length_field_offset=1, length_adjustment=-1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", [1, 100, 127, 128, 129, 200])
def test_a_message_is_as_long_on_the_wire_as_its_frame(framing: Framing, size: int) -> None:
    frame = framing.encode(bytes(size), prefix=bytes(framing.length_field_offset))
    (message,) = framing.decoder().feed(frame)
    assert framing.wire_length(message) == len(frame)


def test_a_varint_framing_can_be_replaced_as_any_other() -> None:
    replaced = dataclasses.replace(Framing.varint(max_varint_bytes=3, strip=0), max_frame_length=7)
    assert replaced == Framing.varint(max_varint_bytes=3, strip=0, max_frame_length=7)


@pytest.mark.parametrize("number", [11, -1, "3", True])
def test_the_length_of_a_varint_is_judged_wherever_it_is_given(number: Any) -> None:
    with pytest.raises(ValueError, match="max_varint_bytes"):
        dataclasses.replace(Framing.varint(), max_varint_bytes=number)


def test_a_length_is_a_varint_or_has_a_size() -> None:
    with pytest.raises(TypeError, match=r"max_varint_bytes is for Framing.varint\(\)"):
        Framing(4, max_varint_bytes=3)


# Frames of one size


def test_frames_of_one_size_have_no_header(codec: ModuleType) -> None:
    for chunks in cuts(b"abcdefgh"):
        decoder = codec.Decoder(Framing.fixed(4))
        assert [frame for chunk in chunks for frame in decoder.feed(chunk)] == [b"abcd", b"efgh"]
        assert (decoder.header, decoder.buffered, decoder.in_frame, decoder.wanted) == (b"", 0, False, 4)
        decoder.feed_eof()


def test_the_end_inside_a_frame_of_one_size_is_told(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing.fixed(4))
    decoder.feed(b"abcdef")
    assert (decoder.wanted, decoder.in_frame) == (2, True)
    with pytest.raises(FrameTruncated, match="2 of 4 bytes of the body came after no header at stream offset 4"):
        decoder.feed_eof()


def test_a_body_of_another_size_is_refused(twin: ModuleType) -> None:
    framing = Framing.fixed(4)
    assert framing.encode(b"abcd") == b"abcd"
    assert framing.encode_many([b"abcd", bytearray(b"efgh")]) == b"abcdefgh"
    assert framing.header(4) == b""
    for body in (b"abc", b"", b"abcde"):
        with pytest.raises(ValueError, match=r"a frame of Framing.fixed\(4\) has exactly 4") as caught:
            framing.encode(body)
        assert isinstance(caught.value, FrameTooLarge) == (len(body) > 4)


@pytest.mark.parametrize("size", [0, -1, None, True, 1.0, 1 << 63])
def test_a_size_is_a_positive_number(size: Any) -> None:
    with pytest.raises(ValueError, match=r"size is .*, it must be an int, 1 to"):
        Framing.fixed(size)


# All of them


@pytest.mark.parametrize(
    ("framing", "shown"),
    [
        (Framing.fixed(4), "Framing.fixed(size=4)"),
        (Framing.delimited(), r"Framing.delimited(delimiter=b'\n')"),
        (Framing.delimited(b"\0", keep=True), r"Framing.delimited(delimiter=b'\x00', keep=True)"),
    ],
)
def test_those_without_a_length_field_are_values_too(framing: Framing, shown: str) -> None:
    assert repr(framing) == shown
    assert pickle.loads(pickle.dumps(framing)) == framing == dataclasses.replace(framing)
    assert len({framing, dataclasses.replace(framing), Framing()}) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"delimiter": b"\n"},
        {"fixed_length": 4},
        {"length_field_length": 0, "delimiter": b"\n", "fixed_length": 4},
        {"length_field_length": 0, "fixed_length": 4},
    ],
)
def test_what_belongs_to_another_constructor_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Framing\.(varint|fixed)\(\)"):
        Framing(**fields)


def test_the_header_of_the_frame_that_was_handed_out_last(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2, length_field_offset=1))
    assert decoder.header == b""
    for chunks in cuts(b"a\0\1xb\0\0c\0\3xyz"):
        decoder, headers = codec.Decoder(Framing(2, length_field_offset=1)), []
        for chunk in chunks:
            decoder.push(chunk)
            headers += [decoder.header for _ in decoder]
        assert headers == [b"a\0\1", b"b\0\0", b"c\0\3"]
    assert decoder.header == b"c\0\3", "it stays behind the chunk"


def test_the_header_of_a_body_that_is_written_in_parts(twin: ModuleType) -> None:
    assert Framing().header(5) == b"\0\0\0\5"
    assert Framing(2, length_field_offset=1).header(5, b"x") == b"x\0\5"
    assert Framing.varint().header(300) == b"\xac\2"
    with pytest.raises(FrameTooLarge, match="body of 2 bytes to send, max_frame_length is 1"):
        Framing(max_frame_length=1).header(2)
