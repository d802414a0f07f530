"""examples/tls_client_certificates.py, talked to by OpenSSL: the standard library's, and the command."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from conftest import TWINS
from example_programs import Program


class Certified:
    """The server, and the authority that all trust."""

    def __init__(self, twin: str, where: Path) -> None:
        self.authority, self.where = trustme.CA(), where
        self.authority.cert_pem.write_to_path(where / "authority.pem")
        self.issue("server", "localhost")
        self.server = Program(
            twin, "tls_client_certificates.py", "127.0.0.1", 0, where / "server.pem", where / "authority.pem"
        )

    def issue(self, file: str, name: str, authority: trustme.CA | None = None) -> Path:
        path = self.where / f"{file}.pem"
        (authority or self.authority).issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def context(self, certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.where / "authority.pem"))
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    @contextmanager
    def client(self, name: str) -> Iterator[ssl.SSLSocket]:
        context = self.context(self.issue(name, f"{name}@example.org"))
        with context.wrap_socket(self.server.connect(), server_hostname="localhost") as sock:
            assert self.server.says() == f"{name}@example.org comes"
            yield sock
            sock.unwrap().close()
        assert self.server.says() == f"{name}@example.org goes"


@pytest.fixture(scope="module", params=TWINS)
def certified(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    certified = Certified(request.param, tmp_path_factory.mktemp("certificates"))
    with certified.server:
        yield certified


def ask(sock: socket.socket, line: bytes) -> bytes:
    sock.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        more = sock.recv(1000)
        if not more:
            raise ConnectionError("it has ended")
        answer += more
    return answer


def enter(context: ssl.SSLContext, plain: socket.socket) -> None:
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        ask(sock, b"let me in")


def test_each_client_is_known_by_its_certificate(certified: Certified) -> None:
    with certified.client("ann") as ann:
        assert ask(ann, b"hello") == b"ann@example.org: hello\n"
        assert ask(ann, b"again") == b"ann@example.org: again\n"
    with certified.client("bob") as bob:
        assert ask(bob, b"hello") == b"bob@example.org: hello\n"


def test_the_command_of_the_head_works(certified: Certified) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl isn't installed")
    address, certificate = "{}:{}".format(*certified.server.address), certified.issue("eve", "eve@example.org")
    words = ["-quiet", "-connect", address, "-CAfile", certified.where / "authority.pem", "-cert", certificate]
    pipe = subprocess.PIPE
    with subprocess.Popen([openssl, "s_client", *words], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"eve@example.org: hello\n"
        client.kill()
    assert [certified.server.says() for _ in range(2)] == ["eve@example.org comes", "eve@example.org goes"]


def test_who_has_no_certificate_of_the_authority_is_refused_with_one_line(certified: Certified) -> None:
    stranger = certified.issue("stranger", "ann@example.org", trustme.CA())
    with certified.client("ann") as ann:
        for context in (certified.context(None), certified.context(stranger)):
            with certified.server.connect() as plain, pytest.raises((ssl.SSLError, ConnectionError)):
                enter(context, plain)
            assert "TLS handshake with " in certified.server.complains()
        with certified.server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert "TLS handshake with " in certified.server.complains()
        assert ask(ann, b"hello") == b"ann@example.org: hello\n"


def test_on_sighup_the_certificate_is_read_anew_for_who_comes_then(certified: Certified) -> None:
    with certified.client("ann") as ann:
        before = ann.getpeercert()
        certified.issue("server", "localhost")
        certified.server.process.send_signal(signal.SIGHUP)
        assert certified.server.says().endswith("server.pem is read anew")
        with certified.client("bob") as bob:
            assert bob.getpeercert() != before
            after = bob.getpeercert()
        (certified.where / "server.pem").write_text("nonsense")
        certified.server.process.send_signal(signal.SIGHUP)
        assert "server.pem is as it was: " in certified.server.complains()
        with certified.client("bob") as bob:
            assert bob.getpeercert() == after
        assert ask(ann, b"hello") == b"ann@example.org: hello\n"
    certified.issue("server", "localhost")


def test_on_sigterm_all_are_closed(certified: Certified) -> None:
    with certified.client("ann") as ann:
        assert ask(ann, b"hello") == b"ann@example.org: hello\n"
        certified.server.drain()
        assert ann.recv(1) == b""
    assert certified.server.stop(None) == ("", "")
