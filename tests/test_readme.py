"""The README's code runs as it stands."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
SERVER, CLIENT, JOBS, FRAMING = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def free_port_server() -> tuple[str, str]:
    """Return the server's code on a free port that it prints, and what to replace in the client's."""
    return SERVER.replace("9000)", "0)\n    print(server.addresses[0][1], flush=True)"), "9000"


def test_the_server_of_jobs_answers_says_what_was_wrong_and_drains() -> None:
    code = JOBS.replace("    reactor.listen_tcp", "    server = reactor.listen_tcp").replace("9000", "0")
    code = code.replace("    reactor.run()", "    print(server.addresses[0][1], flush=True)\n    reactor.run()")
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout, socket.socket() as peer:
        peer.settimeout(30)
        peer.connect(("127.0.0.1", int(server.stdout.readline())))
        peer.sendall(b"\0\5hello")
        assert peer.recv(7, socket.MSG_WAITALL) == b"\0\5HELLO"
        peer.sendall(b"\xff\xff")
        assert peer.recv(12, socket.MSG_WAITALL) == b"\0\x09bad frame"
        assert "max_frame_length is 1000" in server.stdout.readline()
        server.terminate()
        assert server.stdout.read() == "Drained(closed=0, aborted=0)\n"
    assert server.wait(30) == 0


def test_the_server_and_the_client_talk() -> None:
    code, port_word = free_port_server()
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        port = server.stdout.readline().strip()
        client = CLIENT.replace(port_word, port)
        done = subprocess.run([sys.executable, "-c", client], capture_output=True, text=True, timeout=30)
        server.terminate()
        server.wait(30)
    assert (done.stdout, done.stderr) == ("b'hello'\n", "")


def test_the_client_says_why_nobody_answers() -> None:
    client = CLIENT.replace("9000", "1")
    done = subprocess.run([sys.executable, "-c", client], capture_output=True, text=True, timeout=30)
    assert "can't connect to 127.0.0.1:1: Connection refused" in done.stdout
    assert done.stderr == ""


def test_framing_without_io(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(FRAMING, "README.md", "exec"), {})
    assert "max_frame_length is 1000" in capsys.readouterr().out
