"""Addresses as people write them."""

import socket

import pytest

from reactor.transport.address import (
    TCPAddress,
    UnixAddress,
    format_address,
    numeric_family,
    parse_address,
    server_name,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", TCPAddress("127.0.0.1", 9000)),
        ("localhost:0", TCPAddress("localhost", 0)),
        ("[::1]:65535", TCPAddress("::1", 65535)),
        (":80", TCPAddress("", 80)),
        ("unix:/run/x.sock", UnixAddress("/run/x.sock")),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, address: object) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("localhost", "no port"),
        ("::1:80", r"write an IPv6 address as \[::1\]:80"),
        ("localhost:http", "'http' for a port"),
        ("localhost:65536", "'65536' for a port"),
        ("localhost:-1", "'-1' for a port"),
        ("localhost:", "'' for a port"),
        ("unix:", "no path"),
    ],
)
def test_a_bad_address_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_address(text)


def test_socket_addresses_are_written_as_people_would() -> None:
    assert format_address(("10.0.0.1", 80)) == "10.0.0.1:80"
    assert format_address(("fe80::1%eth0", 80, 0, 2)) == "[fe80::1%eth0]:80"
    assert format_address("/run/x.sock") == "unix:/run/x.sock"
    assert format_address("") == "unix:(unnamed)"
    assert format_address(b"\0name") == format_address("\0name") == "unix:@name"


def test_only_numbers_have_a_family() -> None:
    assert numeric_family("127.0.0.1") == socket.AF_INET
    assert numeric_family("fe80::1%eth0") == socket.AF_INET6
    assert numeric_family("localhost") is None
    assert numeric_family("") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "example.org"),
        ("example.org.", "example.org"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("100%.example.org", "100%.example.org"),
        (".", None),
        ("", None),
        (None, None),
    ],
)
def test_a_certificate_is_looked_at_for_the_name_alone(host: str | None, name: str | None) -> None:
    assert server_name(host) == name
