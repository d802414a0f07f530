"""Length fields of the pure twin: every width, both orders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor import Framing
from reactor.framing._fields_py import length_reader, length_writer


@given(st.integers(1, 8), st.sampled_from(["big", "little"]), st.data())
def test_what_was_written_is_read(width: int, order: str, data: st.DataObject) -> None:
    framing = Framing(width, order)  # type: ignore[arg-type]
    value = data.draw(st.integers(0, framing.length_field_max))
    read = length_reader(framing)
    assert read is not None
    field = length_writer(framing)(value)
    assert len(field) == width
    assert read(b"??" + field + b"?", 2)[0] == value


@pytest.mark.parametrize(
    ("value", "field"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ff" * 9 + "01")]
)
def test_a_varint_is_leb128(value: int, field: str) -> None:
    assert length_writer(Framing.varint())(value).hex() == field


def test_a_varint_has_no_fixed_place_to_be_read_from() -> None:
    assert length_reader(Framing.varint()) is None
