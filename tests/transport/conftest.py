"""Certificates for the tests of TLS, made anew for every run: nothing in the repository can expire."""

import ssl
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
import trustme
from transport.tls_peer import Secure

from reactor import EventLoop

_LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


class Certs:
    """One authority, and contexts that trust it or show a certificate of it: each call makes a new one."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._certs = {
            "good": self._authority.issue_cert("localhost"),
            "expired": self._authority.issue_cert("localhost", not_after=_LONG_AGO),
            "other name": self._authority.issue_cert("other.example"),
            "unknown authority": trustme.CA().issue_cert("localhost"),
        }
        self._client = self._authority.issue_cert("client@example.org", common_name="the client")

    def server(self, which: str = "good", asks_for_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certs[which].configure_cert(context)
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            self._authority.configure_trust(context)
        return context

    def client(self, shows_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        if shows_certificate:
            self._client.configure_cert(context)
        return context


@pytest.fixture(scope="session")
def certs() -> Certs:
    return Certs()


@pytest.fixture
def secure(loop: EventLoop, certs: Certs) -> Iterator[Secure]:
    """Connections under TLS, in memory."""
    made = Secure(loop, certs)
    yield made
    made.end()
