"""Presets: what the names stand for, on the wire."""

import pytest

from reactor import presets


def test_a_length_that_includes_its_header() -> None:
    framing = presets.length_includes_header(2)
    assert framing.encode(b"abc") == b"\0\5abc"
    decoder = framing.decoder()
    assert decoder.feed(b"\0\5abc\0\2") == [b"abc", b""]
    assert decoder.feed(b"\0\1") == []
    assert "body of -1 bytes" in str(decoder.error)


def test_a_length_that_includes_what_is_in_front_of_it() -> None:
    framing = presets.length_includes_header(2, "little", length_field_offset=2)
    assert framing.encode(b"abc", prefix=b"MG") == b"MG\7\0abc"
    assert framing.decoder().feed(b"MG\7\0abc") == [b"abc"]


def test_protobuf_is_a_varint() -> None:
    assert presets.protobuf().encode(bytes(300))[:2] == b"\xac\x02"


@pytest.mark.parametrize(("packet", "header"), [(1, b"\3"), (2, b"\0\3"), (4, b"\0\0\0\3")])
def test_erlang_packets(packet: int, header: bytes) -> None:
    assert presets.erlang(packet).encode(b"abc") == header + b"abc"  # type: ignore[arg-type]


def test_erlang_has_no_other_packets() -> None:
    with pytest.raises(ValueError, match="packet is 3"):
        presets.erlang(3)  # type: ignore[arg-type]


def test_grpc_keeps_the_flag() -> None:
    framing = presets.grpc()
    assert framing.encode(b"abc", prefix=b"\1") == b"\1\0\0\0\3abc"
    assert framing.decoder().feed(b"\1\0\0\0\3abc") == [b"\1\0\0\0\3abc"]
    assert framing.max_frame_length == 4 << 20


def test_kafka_refuses_a_negative_size() -> None:
    decoder = presets.kafka().decoder()
    assert decoder.feed(b"\xff\xff\xff\xff") == []
    assert "max_frame_length is 104857600" in str(decoder.error)
