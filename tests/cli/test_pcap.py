"""dump --pcap: one TCP stream of a capture, in order, both directions told apart. Captures are made by scapy itself."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from peers.conftest import missing

from reactor.cli import main
from reactor.cli.failure import Failure
from reactor.cli.pcap import Conversation, Order, Segment, nth_stream, read_segments

Captured = pytest.CaptureFixture[str]

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 5432)
STARTUP = b"\0\0\0\x14\0\3\0\0user\0alice\0\0"
READY = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"
QUERY = b"Q\0\0\0\x0dselect 1\0"


# --- segments, without scapy


def said(source: tuple[str, int], sequence: int, data: bytes = b"", *, syn: bool = False, ack: bool = True) -> Segment:
    return Segment(source, SERVER if source == CLIENT else CLIENT, sequence, syn, ack, False, data)


def test_what_comes_in_order_is_handed_on_at_once() -> None:
    order = Order()
    assert order.take(said(CLIENT, 1000, syn=True)) == b""
    assert [order.take(said(CLIENT, at, data)) for at, data in ((1001, b"ab"), (1003, b"c"))] == [b"ab", b"c"]
    assert (order.done, order.missing) == (3, 0)


@pytest.mark.parametrize(
    "start", [0, 1000, (1 << 32) - 3, (1 << 32) - 1], ids=["zero", "some", "wraps", "wraps-at-once"]
)
def test_any_order_with_any_repetition_is_the_same_stream(start: int) -> None:
    stream = b"abcdefgh"
    parts = [(0, 3), (2, 5), (3, 4), (5, 8), (0, 8), (5, 6)]
    for several in itertools.permutations(parts, 4):
        if {at for begin, end in several for at in range(begin, end)} != set(range(8)):
            continue
        order = Order()
        order.take(said(CLIENT, (start - 1) % (1 << 32), syn=True))
        came = [order.take(said(CLIENT, (start + at) % (1 << 32), stream[at:end])) for at, end in several]
        assert b"".join(came) == stream


def test_a_gap_holds_what_is_behind_it() -> None:
    order = Order()
    assert order.take(said(CLIENT, 0, b"ab")) == b"ab"
    assert order.take(said(CLIENT, 5, b"f")) == b""
    assert (order.done, order.missing) == (2, 3)
    assert order.take(said(CLIENT, 7_000_000)) == b""  # a reset, with any number
    assert order.take(said(CLIENT, 2, b"cde")) == b"cdef"
    assert order.missing == 0


def test_who_opened_is_told_by_the_syn_or_by_its_answer_or_spoke_first() -> None:
    opening, answer = said(CLIENT, 0, syn=True, ack=False), said(SERVER, 0, syn=True)
    for first in opening, answer, said(CLIENT, 9, b"x"):
        conversation = Conversation(iter([first]))
        assert (conversation.opener, conversation.answerer) == (CLIENT, SERVER)


def test_streams_are_counted_as_they_begin() -> None:
    other = ("10.0.0.3", 50000)
    segments = [
        said(CLIENT, 0, syn=True, ack=False),
        Segment(other, SERVER, 0, True, False, False, b""),
        said(CLIENT, 0, syn=True, ack=False),  # sent again
        said(CLIENT, 1, b"first"),
        said(CLIENT, 5000, syn=True, ack=False),  # the same ends, later
        said(SERVER, 7, b"third"),
    ]
    streams = [[each.data for each in nth_stream(iter(segments), number)] for number in range(3)]
    assert streams == [[b"", b"", b"first"], [b""], [b"", b"third"]]
    with pytest.raises(Failure, match="there is no TCP stream 3: the capture has 3, counted from 0"):
        list(nth_stream(iter(segments), 3))


# --- captures


@pytest.fixture
def scapy() -> Any:
    if importlib.util.find_spec("scapy") is None:
        missing('scapy isn\'t installed: pip install "scapy>=2.6" has it')
    import scapy.layers.inet
    import scapy.layers.inet6
    import scapy.layers.l2
    import scapy.utils

    return scapy


class Capture:
    """A file of packets that are said one by one; both ends count their bytes."""

    def __init__(self, scapy: Any, version: int = 4) -> None:
        self._scapy, self._version = scapy, version
        self.packets: list[Any] = []
        self._next = {CLIENT: 1000, SERVER: (1 << 32) - 5}

    def say(self, source: tuple[str, int], data: bytes = b"", flags: str = "PA") -> None:
        inet, target = self._scapy.layers.inet, SERVER if source == CLIENT else CLIENT
        tcp = inet.TCP(sport=source[1], dport=target[1], seq=self._next[source], flags=flags)
        ends = self._ip(source[0], target[0])
        self.packets.append(self._scapy.layers.l2.Ether(src="0:0:0:0:0:1", dst="0:0:0:0:0:2") / ends / tcp / data)
        if len(data) < 6:  # Ethernet fills up what is short
            self.packets[-1] = self.packets[-1] / self._scapy.packet.Padding(b"PAD")
        self._next[source] = (self._next[source] + len(data) + ("S" in flags) + ("F" in flags)) % (1 << 32)

    def _ip(self, source: str, target: str) -> Any:
        if self._version == 6:
            return self._scapy.layers.inet6.IPv6(src=f"::ffff:{source}", dst=f"::ffff:{target}")
        return self._scapy.layers.inet.IP(src=source, dst=target)

    def opened(self) -> Capture:
        self.say(CLIENT, flags="S")
        self.say(SERVER, flags="SA")
        self.say(CLIENT, flags="A")
        return self

    def write(self, path: Path, packets: Sequence[Any] | None = None) -> str:
        self._scapy.utils.wrpcap(str(path), self.packets if packets is None else packets)
        return str(path)


@pytest.fixture
def capture(scapy: Any) -> Capture:
    capture = Capture(scapy).opened()
    capture.say(CLIENT, STARTUP)
    capture.say(SERVER, READY)
    capture.say(CLIENT, QUERY[:7])
    capture.say(CLIENT, QUERY[7:])
    capture.say(CLIENT, flags="FA")
    return capture


def dump(path: str, *options: str) -> int:
    return main(["dump", "--preset=postgres", "--first=postgres-startup", "--pcap", path, *options])


SHOWN = [
    "> 10.0.0.1:40000 to 10.0.0.2:5432",
    "< 10.0.0.2:5432 to 10.0.0.1:40000",
    "> @0  16 bytes  header 00 00 00 14",
    "< @0  4 bytes  header 52 00 00 00 08",
    "< @9  1 byte  header 5a 00 00 00 05",
    "> @20  9 bytes  header 51 00 00 00 0d",
    "> 2 frames, 34 bytes, a clean end",
    "< 2 frames, 15 bytes, a clean end",
]


def shown(capsys: Captured) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]


def test_both_directions_are_shown_as_they_were_captured(capture: Capture, tmp_path: Path, capsys: Captured) -> None:
    assert dump(capture.write(tmp_path / "pcap")) == 0
    assert shown(capsys) == SHOWN


def test_segments_in_disorder_and_twice_are_the_same(capture: Capture, tmp_path: Path, capsys: Captured) -> None:
    *before, head, tail, end = capture.packets
    assert dump(capture.write(tmp_path / "pcap", [*before, tail, before[3], head, tail, end])) == 0
    assert shown(capsys) == SHOWN


def test_pcapng_and_ipv6_are_read_too(scapy: Any, tmp_path: Path, capsys: Captured) -> None:
    capture = Capture(scapy, version=6).opened()
    capture.say(CLIENT, STARTUP)
    scapy.utils.wrpcapng(str(tmp_path / "pcapng"), capture.packets)
    assert dump(str(tmp_path / "pcapng")) == 0
    assert "> @0  16 bytes  header 00 00 00 14" in shown(capsys)


def test_what_was_not_captured_is_told(capture: Capture, tmp_path: Path, capsys: Captured) -> None:
    del capture.packets[-3]
    assert dump(capture.write(tmp_path / "pcap")) == 1
    captured = capsys.readouterr()
    assert captured.err == "dump: > 1 frame, 20 bytes, then 7 bytes are missing from the capture\n"
    assert captured.out.splitlines()[-1] == "< 2 frames, 15 bytes, a clean end"


def test_a_capture_that_ends_early_is_told_from_a_stream_that_does(
    capture: Capture, tmp_path: Path, capsys: Captured
) -> None:
    end = capture.packets.pop()
    del capture.packets[-1]
    assert dump(capture.write(tmp_path / "pcap")) == 1
    told = "dump: > 1 frame, 20 bytes, then the capture ends: 2 of 9 bytes of the body came after header 51 "
    assert capsys.readouterr().err.startswith(told)
    assert dump(capture.write(tmp_path / "pcap", [*capture.packets, end])) == 1
    assert capsys.readouterr().err.startswith("dump: > 1 frame, 20 bytes, then the stream breaks: stream ended inside")


def test_a_direction_that_breaks_is_told_and_the_other_goes_on(scapy: Any, tmp_path: Path, capsys: Captured) -> None:
    capture = Capture(scapy).opened()
    capture.say(SERVER, b"HTTP/1.1 400 Bad Request\r\n")
    capture.say(CLIENT, STARTUP)
    assert dump(capture.write(tmp_path / "pcap")) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("dump: < 0 frames, 0 bytes, then the stream breaks: ")
    assert "> 1 frame, 20 bytes, a clean end" in captured.out


def test_another_stream_is_chosen_by_its_number(scapy: Any, tmp_path: Path, capsys: Captured) -> None:
    capture = Capture(scapy).opened()
    capture.opened()
    capture.say(CLIENT, STARTUP)
    path = capture.write(tmp_path / "pcap")
    assert dump(path, "--stream=1") == 0
    assert "> @0  16 bytes  header 00 00 00 14" in shown(capsys)
    assert dump(path, "--stream=2") == 1
    assert capsys.readouterr().err == "dump: there is no TCP stream 2: the capture has 2, counted from 0\n"


def test_bytes_of_a_port_that_scapy_knows_are_left_as_they_are(scapy: Any, tmp_path: Path) -> None:
    import scapy.layers.dns

    query = b"\0\x1d\xab\xcd\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"
    packet = scapy.layers.inet.IP(src="1.1.1.1", dst="2.2.2.2") / scapy.layers.inet.TCP(dport=53, flags="PA") / query
    scapy.utils.wrpcap(str(tmp_path / "pcap"), [scapy.layers.l2.Ether(src="0:0:0:0:0:1") / packet])
    assert [each.data for each in read_segments(str(tmp_path / "pcap"))] == [query]


def test_a_file_that_is_no_capture_is_one_line(scapy: Any, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "pcap").write_bytes(b"no capture at all, only some words")
    assert dump(str(tmp_path / "pcap")) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"dump: {tmp_path}/pcap is no capture: ")
    assert captured.err.count("\n") == 1
    assert dump("/no/such/file") == 1
    assert capsys.readouterr().err == "dump: /no/such/file: No such file or directory\n"


def test_without_scapy_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "scapy"] + ["scapy"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert dump("capture.pcap") == 1
    assert capsys.readouterr().err == (
        "dump: --pcap reads captures with scapy, which isn't installed: pip install scapy\n"
    )


def test_the_options_of_captures_belong_together(capsys: Captured) -> None:
    assert main(["dump", "--stream=1"]) == 2
    assert capsys.readouterr().err.startswith("dump: --stream is a stream of a capture")
    assert main(["dump", "--pcap=a", "b"]) == 2
    assert capsys.readouterr().err.startswith("dump: --pcap names the file to read")
