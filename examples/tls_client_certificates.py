"""TLS with client certificates: the server knows each client by the name in its certificate, and takes no other.

    python examples/tls_client_certificates.py 127.0.0.1 9000 server.pem authority.pem
    openssl s_client -quiet -connect 127.0.0.1:9000 -CAfile authority.pem -cert client.pem

server.pem has the key and the certificates of the server, authority.pem who may certify clients. Each line is answered
with the client's name in front. SIGHUP reads server.pem anew: for who comes from then on, and nobody is disturbed.
"""

import logging
import signal
import ssl
import sys

from reactor import FramedProtocol, Framing, Limits, Reactor, Transport

GRACE = 5  # seconds
LIMITS = Limits(max_connections=1000, handshake_timeout=5, read_timeout=300, write_timeout=10)


class Named(FramedProtocol):
    framing = Framing.delimited(b"\n", max_frame_length=4000)

    def connection_made(self, transport: Transport) -> None:  # the handshake is complete: we know who it is
        certificate = transport.get_extra_info("peercert")
        self.name = " ".join(value for kind, value in certificate.get("subjectAltName", ()))
        print(f"{self.name} comes", flush=True)

    def message_received(self, message: bytes) -> None:
        self.send(f"{self.name}: ".encode() + message)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        print(f"{self.name} goes" + (f": {exc}" if exc else ""), flush=True)


def context_of(certificate: str, authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate)
    return context


def reload(context: ssl.SSLContext, certificate: str, authority: str) -> None:
    try:
        context_of(certificate, authority)  # tried on another one first: half a certificate serves nobody
        context.load_cert_chain(certificate)
    except OSError as exc:
        print(f"{certificate} is as it was: {exc}", file=sys.stderr, flush=True)
    else:
        print(f"{certificate} is read anew", flush=True)


def main(host: str, port: str, *files: str) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("reactor.reactor").setLevel(logging.DEBUG)  # a line for each handshake that fails
    context = context_of(*files)
    with Reactor() as reactor:
        server = reactor.listen_tcp(Named, host, int(port), tls=context, limits=LIMITS)
        print(f"listening on {server}", flush=True)
        reactor.add_signal_handler(signal.SIGHUP, reload, context, *files)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, GRACE, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
