"""The PROXY protocol as its document says it: what is a header, how long it is, and what it tells."""

from __future__ import annotations

import random
from typing import Any

import pytest
from headers import AUTHORITY, CRC, NOOP, SIGNATURE, TCP6, UDP4, UNIX, UNSPEC, binary, four, line, six, tlv, unix
from hypothesis import given
from hypothesis import strategies as st

from reactor import ProxyHeader, ProxyInfo
from reactor.transport.proxy import crc32c, parse_header

ANY = ProxyHeader(trusted=["127.0.0.1"])


def read(data: bytes, proxy: ProxyHeader = ANY) -> tuple[ProxyInfo, bytes]:
    """Return what a header tells, and the bytes behind it."""
    size = proxy.size(data)
    assert size is not None
    return parse_header(data[:size]), data[size:]


def read_in_cuts(data: bytes, cuts: list[int], proxy: ProxyHeader = ANY) -> Any:
    """Return what comes of it when it is looked at again and again, each time a bit longer; None for not enough."""
    for cut in sorted([*(min(cut, len(data)) for cut in cuts), len(data)]):
        try:
            size = proxy.size(data[:cut])
            if size is not None and size <= cut:
                return parse_header(data[:size]), size
        except ValueError as exc:
            return type(exc)
    return None


# --- version 1


@pytest.mark.parametrize(
    ("text", "source", "destination"),
    [
        ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443", ("192.0.2.1", 4711), ("192.0.2.2", 443)),
        ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0", ("255.255.255.255", 65535), ("0.0.0.0", 0)),
        ("PROXY TCP6 2001:DB8::1 ::1 0 65535", ("2001:db8::1", 0, 0, 0), ("::1", 65535, 0, 0)),
        ("PROXY TCP6 ::ffff:192.0.2.1 :: 1 2", ("::ffff:192.0.2.1", 1, 0, 0), ("::", 2, 0, 0)),
    ],
)
def test_a_line_tells_both_addresses(text: str, source: Any, destination: Any) -> None:
    info, rest = read(line(text) + b"rest")
    assert info == ProxyInfo(1, text.split()[1], source, destination)
    assert rest == b"rest"


@pytest.mark.parametrize("behind", ["", " ", " ffff:f...f:ffff 65535", " anything at all", " x\ny", " \r"])
def test_of_an_unknown_connection_the_rest_of_the_line_is_passed_over(behind: str) -> None:
    assert read(line("PROXY UNKNOWN" + behind) + b"rest") == (ProxyInfo(1, "UNKNOWN"), b"rest")


@pytest.mark.parametrize(
    "text",
    [
        "PROXY ",
        "PROXY TCP4",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
        "PROXY UNKNOWNS",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP6 fe80::1%lo fe80::1 1 2",
        "PROXY TCP6 1::2::3 ::1 1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 1_0",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \u0662",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
    ],
)
def test_any_other_line_is_no_header(text: str) -> None:
    with pytest.raises(ValueError, match="PROXY"):
        read(line(text))


def test_a_line_of_107_bytes_is_one_and_a_longer_one_is_not() -> None:
    longest = line("PROXY UNKNOWN " + "x" * 91)
    assert len(longest) == 107
    assert read(longest + b"rest") == (ProxyInfo(1, "UNKNOWN"), b"rest")
    assert ANY.size(longest[:-1]) is None
    with pytest.raises(ValueError, match="within 107 bytes"):
        ANY.size(line("PROXY UNKNOWN " + "x" * 92))


# --- version 2


@pytest.mark.parametrize("crc", [False, True])
def test_a_binary_header_tells_addresses_and_what_is_behind_them(crc: bool) -> None:
    known = tlv(AUTHORITY, b"example.org") + tlv(NOOP, bytes(9)) + tlv(0xEE, b"") + tlv(0xEE, b"again")
    info, rest = read(binary(four(), tlvs=known, crc=crc) + b"rest")
    assert info[:4] == (2, "TCP4", ("192.0.2.1", 4711), ("192.0.2.2", 443))
    assert info.tlvs[:3] == ((AUTHORITY, b"example.org"), (0xEE, b""), (0xEE, b"again"))
    assert [info.tlv(kind) for kind in (AUTHORITY, 0xEE, 0x20)] == [b"example.org", b"", None]
    assert rest == b"rest"


def test_every_family_is_read() -> None:
    assert read(binary(four(), UDP4))[0][1:3] == ("UDP4", ("192.0.2.1", 4711))
    assert read(binary(six(), TCP6))[0][1:3] == ("TCP6", ("2001:db8::1", 4711, 0, 0))
    assert read(binary(six(), 0x22))[0].family == "UDP6"
    assert read(binary(unix(), UNIX))[0][1:4] == ("UNIX", "/run/client", "/run/server")
    assert read(binary(unix(b"\0abstract", b""), 0x32))[0][1:4] == ("UNIX_DGRAM", b"\0abstract", "")
    assert read(binary(unix(b"/" + b"x" * 107), UNIX))[0].source == "/" + "x" * 107
    assert read(binary(b"", UNSPEC, tlv(AUTHORITY, b"here"), crc=True))[0].tlv(AUTHORITY) == b"here"


@pytest.mark.parametrize("family", [UNSPEC, 0x11, 0x42, 0xFF])
def test_of_a_local_connection_all_is_passed_over(family: int) -> None:
    assert read(binary(b"whatever", family, command=0x20) + b"rest") == (ProxyInfo(2, "LOCAL"), b"rest")


@pytest.mark.parametrize(
    ("command", "family", "body"),
    [(0x11, 0x11, four()), (0x31, 0x11, four()), (0x22, 0x11, four()), (0x2F, 0x11, four())]
    + [(0x21, family, bytes(216)) for family in (0x01, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xFF)]
    + [(0x21, 0x11, four()[:-1]), (0x21, 0x21, six()[:-1]), (0x21, 0x31, unix()[:-1]), (0x21, 0x11, b"")],
)
def test_a_command_a_family_or_a_length_that_cannot_be_is_known_by_the_first_16_bytes(
    command: int, family: int, body: bytes
) -> None:
    header = binary(body, family, command=command)
    assert ANY.size(header[:15]) is None
    with pytest.raises(ValueError, match="PROXY header"):
        ANY.size(header[:16])


@pytest.mark.parametrize(
    "tlvs",
    [
        b"\xee",
        b"\xee\0",
        b"\xee\0\x01",
        tlv(AUTHORITY, b"a") + b"\xee\xff\xff",
        *(tlv(CRC, bytes(n)) for n in (0, 4, 5)),
    ],
)
def test_what_is_cut_or_has_a_wrong_checksum_is_no_header(tlvs: bytes) -> None:
    with pytest.raises(ValueError, match="PROXY header"):
        read(binary(four(), tlvs=tlvs))


def test_a_bit_that_is_wrong_is_met_by_the_checksum() -> None:
    good = binary(four(), tlvs=tlv(AUTHORITY, b"example.org"), crc=True)
    for at in range(16, len(good)):
        for bit in range(8):
            wrong = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
            if at in (28, 29, 30, 42, 43, 44):  # a type or a length: then it may be no checksum any more
                continue
            with pytest.raises(ValueError, match="PROXY header"):
                read(wrong)


def test_two_checksums_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="checksum"):
        read(binary(four(), tlvs=tlv(CRC, bytes(4)), crc=True))


def test_the_checksum_is_that_of_the_rfc() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(b"") == 0


def test_the_largest_header_is_read() -> None:
    largest = binary(four(), tlvs=tlv(0xEE, bytes(65535 - 12 - 3)))
    assert read(largest + b"rest")[1] == b"rest"


# --- both


GOOD = [
    line("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443"),
    line("PROXY UNKNOWN"),
    binary(four()),
    binary(six(), TCP6, tlv(AUTHORITY, b"example.org"), crc=True),
    binary(unix(), UNIX),
    binary(b"what", command=0x20),
]


@given(st.sampled_from(GOOD), st.binary(max_size=40), st.lists(st.integers(0, 300)))
def test_what_a_header_tells_does_not_depend_on_how_it_is_cut(header: bytes, behind: bytes, cuts: list[int]) -> None:
    found = read_in_cuts(header + behind, cuts)
    assert found == (parse_header(header), len(header))


@given(st.integers(0, 1 << 32), st.lists(st.integers(0, 300)))
def test_whether_it_is_one_does_not_depend_on_how_it_is_cut(seed: int, cuts: list[int]) -> None:
    chance = random.Random(seed)
    header = bytearray(chance.choice(GOOD) + bytes(chance.randrange(20)))
    for _ in range(chance.randrange(1, 4)):
        header[chance.randrange(len(header))] = chance.randrange(256)
    assert read_in_cuts(bytes(header), cuts) == read_in_cuts(bytes(header), list(range(len(header))))


@given(st.binary(max_size=300))
def test_nothing_but_a_value_error_comes_of_any_bytes(data: bytes) -> None:
    read_in_cuts(data, [])
    read_in_cuts(b"PROXY TCP4 " + data, [])
    read_in_cuts(SIGNATURE + data, [])


@pytest.mark.parametrize(("version", "other"), [(1, GOOD[2]), (2, GOOD[0])])
def test_a_version_that_is_not_wanted_is_known_by_its_first_byte(version: int, other: bytes) -> None:
    proxy = ProxyHeader(trusted=["::1"], versions=(version,))
    assert proxy.size(b"") is None
    with pytest.raises(ValueError, match=f"of version {version} begins with"):
        proxy.size(other[:1])


# --- whom it trusts


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        (("127.0.0.1", 5), True),
        (("127.255.0.1", 5), True),
        (("128.0.0.1", 5), False),
        (("192.0.2.7", 5), True),
        (("192.0.2.8", 5), False),
        (("2001:db8::ff", 5, 0, 0), True),
        (("2001:db9::ff", 5, 0, 0), False),
        (("::ffff:127.0.0.1", 5, 0, 0), True),
        (("::ffff:10.0.0.1", 5, 0, 0), False),
        (("fe80::1%lo", 5, 0, 1), True),
        ("", True),
        (b"\0name", True),
    ],
)
def test_who_is_in_a_network_is_trusted_and_who_may_open_a_unix_socket(peer: Any, trusted: bool) -> None:
    networks = ["127.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fe80::/10"]
    assert ProxyHeader(trusted=networks).trusts(peer) is trusted


def test_it_is_a_value() -> None:
    one, other = ProxyHeader(trusted=["10.0.0.0/8"]), ProxyHeader(trusted=("10.0.0.0/8",), versions=[1, 2])
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == "ProxyHeader(trusted=('10.0.0.0/8',), versions=(1, 2), timeout=3.0)"


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"trusted": "10.0.0.0/8"}, "trusted"),
        ({"trusted": 5}, "trusted"),
        ({"trusted": ["10.0.0.1/8"]}, "trusted"),
        ({"trusted": ["proxy.example"]}, "trusted"),
        ({"versions": ()}, "versions"),
        ({"versions": (3,)}, "versions"),
        ({"versions": 1}, "versions"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        ProxyHeader(**{"trusted": ["127.0.0.1"], **wrong})
