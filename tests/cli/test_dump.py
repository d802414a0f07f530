"""dump: the frames of a captured stream, and where and why it breaks."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from reactor import Framing, presets
from reactor.cli import main

Captured = pytest.CaptureFixture[str]


def dump(tmp_path: Path, stream: bytes, *options: str) -> int:
    """Dump a file with these bytes."""
    file = tmp_path / "stream"
    file.write_bytes(stream)
    return main(["dump", *options, str(file)])


def test_each_frame_is_shown_with_its_offset_its_length_its_bytes_and_its_text(
    tmp_path: Path, capsys: Captured
) -> None:
    assert dump(tmp_path, Framing().encode_many([b"hello\n", b"", b"x" * 17])) == 0
    assert capsys.readouterr().out.splitlines() == [
        "@0  6 bytes  header 00 00 00 06",
        "  0000  68 65 6c 6c 6f 0a                                hello.",
        "@10  0 bytes  header 00 00 00 00",
        "@14  17 bytes  header 00 00 00 11",
        "  0000  78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  xxxxxxxxxxxxxxxx",
        "  0010  78                                               x",
        "3 frames, 35 bytes, a clean end",
    ]


def test_where_and_why_the_stream_breaks_is_told(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, b"\0\0\0\1aGET / HTTP/1.1\r\n") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "@0  1 byte  header 00 00 00 01"
    assert captured.err.startswith(
        "dump: 1 frame, 5 bytes, then the stream breaks: body of 1195725856 bytes announced by "
    )
    assert "at stream offset 5" in captured.err
    assert "looks like HTTP" in captured.err


def test_a_stream_that_ends_inside_a_frame_is_told(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, b"\0\0\0\5he") == 1
    assert "2 of 5 bytes of the body came" in capsys.readouterr().err


def test_a_long_frame_is_not_shown_whole(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, Framing().encode(bytes(1000))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 16 + 1 + 1
    assert lines[-2] == "  … 744 more"


def test_the_framing_is_given_by_options(tmp_path: Path, capsys: Captured) -> None:
    framing = Framing(2, "little", length_field_offset=1, length_adjustment=-3, strip=1)
    stream = framing.encode(b"abc", prefix=b"\xff")
    words = ["--length-field-length=2", "--byteorder=little", "--length-field-offset=1", "--length-adjustment=-3"]
    assert dump(tmp_path, stream, *words, "--strip=1") == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "@0  5 bytes  header ff 06 00",
        "  0000  06 00 61 62 63                                   ..abc",
    ]


def test_a_varint_framing_is_one_option(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, Framing.varint().encode(b"abc"), "--varint") == 0
    assert capsys.readouterr().out.splitlines()[0] == "@0  3 bytes  header 03"


def test_without_a_file_it_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(Framing().encode(b"in"))))
    assert main(["dump"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 frame, 6 bytes, a clean end"


def test_a_file_that_is_not_there_is_one_line(capsys: Captured) -> None:
    assert main(["dump", "/no/such/file"]) == 1
    assert capsys.readouterr().err == "dump: /no/such/file: No such file or directory\n"


def test_a_framing_that_cannot_be_is_one_line(capsys: Captured) -> None:
    assert main(["dump", "--strip=-1"]) == 2
    assert capsys.readouterr().err.startswith("dump: strip is -1")


# --- presets


def test_a_framing_is_given_by_the_name_of_its_preset(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, b"Z\0\0\0\5I", "--preset", "postgres") == 0
    assert capsys.readouterr().out.splitlines()[0] == "@0  1 byte  header 5a 00 00 00 05"
    assert dump(tmp_path, b"5:hello,", "--preset=netstrings") == 0
    assert capsys.readouterr().out.splitlines()[0] == "@0  6 bytes  header 35 3a"
    assert dump(tmp_path, b"a\n\n", "--preset=lines") == 0
    assert capsys.readouterr().out.splitlines()[::2] == ["@0  1 byte", "@2  0 bytes"]


@pytest.mark.parametrize("name", presets.__all__)
def test_every_preset_has_its_name_with_hyphens_too(tmp_path: Path, capsys: Captured, name: str) -> None:
    assert dump(tmp_path, b"", "--preset", name.replace("_", "-")) == 0
    assert capsys.readouterr().out == "0 frames, 0 bytes, a clean end\n"


def test_a_preset_takes_a_limit_and_nothing_else(tmp_path: Path, capsys: Captured) -> None:
    assert dump(tmp_path, b"\0\0\0\5hello", "--preset=kafka", "--max-frame-length=4") == 1
    assert "max_frame_length is 4" in capsys.readouterr().err
    for wrong in "--varint", "--strip=1", "--byteorder=big":
        assert dump(tmp_path, b"", "--preset=kafka", wrong) == 2
        assert capsys.readouterr().err.startswith("dump: --preset says all of the framing: ")


def test_a_preset_that_is_none_is_one_line_with_those_there_are(tmp_path: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        dump(tmp_path, b"", "--preset=smb")
    assert ended.value.code == 2
    assert "'smb' is no preset: there are amqp, dns," in capsys.readouterr().err
    assert dump(tmp_path, b"", "--first=smb") == 2
    assert capsys.readouterr().err.startswith("dump: --first: 'smb' is no preset: ")
    assert dump(tmp_path, b"", "--first=0") == 2
    assert capsys.readouterr().err.startswith("dump: --first: size is 0")


@pytest.mark.parametrize("first", ["postgres_startup", "8"])
def test_what_comes_before_has_a_framing_of_its_own(tmp_path: Path, capsys: Captured, first: str) -> None:
    stream = b"\0\0\0\x08\0\3\0\0S\0\0\0\4Q\0\0\0\0"
    assert dump(tmp_path, stream, "--preset=postgres", "--first", first) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "@8  0 bytes  header 53 00 00 00 04"
    assert captured.err.startswith("dump: 2 frames, 13 bytes, then the stream breaks: ")
    assert captured.err.endswith("at stream offset 5: length 0 and length_adjustment -4 (counted from byte 8)\n")


# --- colours


def test_header_and_body_have_colours_on_a_terminal(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert dump(tmp_path, Framing(2).encode(b"hi"), "--length-field-length=2") == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "@0  2 bytes  header \x1b[36m00 02\x1b[m",
        "  0000  \x1b[32m68 69\x1b[m                                            hi",
    ]
