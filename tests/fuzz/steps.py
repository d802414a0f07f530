"""The steps of a script for the road: what peers do, what protocols do, each with one byte that says how."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import trustme
from fuzz.links import KINDS, Link, framed
from fuzz.target import one_of
from road.cast import Batches

from reactor import FramedProtocol, Framing

if TYPE_CHECKING:
    from fuzz.road import World

_SIZES = [0, 1, 5, 60, 300, 3000, 9000, 20_000, 70_000, 150_000]


@lru_cache(1)
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's, of RSA: its signatures are all of one length, and so are handshakes."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost", key_type=trustme.KeyType.RSA).configure_cert(server)
    authority.configure_trust(client)
    return server, client


def framing_of(how: int) -> Framing:
    """Return a Framing that has made no codec yet, of another twin."""
    few = Framing(), Framing(2), Framing.varint(), Framing(1), Framing(4, max_frame_length=50)
    over = (Framing(4, max_frame_length=100, oversize=each) for each in ("stream", "discard"))
    return one_of([*few, *over], how)  # type: ignore[no-any-return]


def new_protocol(link: Link, how: int) -> Any:
    kind = one_of([*KINDS, *KINDS[:2]], how & 15)
    if how < 144 or not issubclass(kind, FramedProtocol):
        return link.protocol(kind)
    framing = framing_of(how >> 4)
    skips(link, framing)
    return link.protocol(kind, framing=framing)


def skips(link: Link, framing: Framing) -> None:
    """Only a framing without oversized frames delivers all that is there to the byte."""
    link.exact = link.exact and framing.oversize != "discard"


# What peers do, and the time.


def turns(world: World, link: Link, how: int) -> None:
    for _ in range(how % 4 + 1):
        world.turn()


def give_few(world: World, link: Link, how: int) -> None:
    link.give(framed([link.body(one_of(_SIZES[:5], how >> 2)) for _ in range(one_of([1, 2, 3, 20], how))]))


def give_large(world: World, link: Link, how: int) -> None:
    link.give(framed([link.body(one_of([5000, 70_000, 150_000, 300_000], how))]))


def give_many(world: World, link: Link, how: int) -> None:
    link.give(framed([link.body(20)] * one_of([100, 600, 1024, 1500], how)))


def give_part(world: World, link: Link, how: int) -> None:
    link.give(framed([link.body(120)])[: how % 120 + 1])


def give_nonsense(world: World, link: Link, how: int) -> None:
    link.give((b"\xff" * (how % 9 + 1) + link.body(how)) if how & 1 else link.body(how + 1))


def take(world: World, link: Link, how: int) -> None:
    link.take(one_of([1, 100, 5000, 1 << 18], how))


def finish(world: World, link: Link, how: int) -> None:
    if how < 100:
        link.peer.finish()
    elif how < 130:
        link.peer.cut()


def reset(world: World, link: Link, how: int) -> None:
    if how < 30:
        link.peer.reset()


def narrow(world: World, link: Link, how: int) -> None:
    link.ours.send_sizes = [one_of([0, 1, 100, 5000], how >> shift) for shift in (0, 2, 4, 6)]


def cut_reads(world: World, link: Link, how: int) -> None:
    link.ours.read_size = one_of([None, 1, 7, 1000], how)


def fail(world: World, link: Link, how: int) -> None:
    if how < 20:
        link.ours.fail_send = OSError(110, "timed out")
    elif how < 30:
        link.ours.fail_read = OSError(104, "reset")


def time_passes(world: World, link: Link, how: int) -> None:
    world.clock.advance(how % 12)


# What protocols do.


def write(world: World, link: Link, protocol: Any, how: int) -> None:
    data = link.body(one_of(_SIZES, how))
    link.write(data, lambda: link.connection.write(data))


def writelines(world: World, link: Link, protocol: Any, how: int) -> None:
    lines = [b"", link.body(one_of(_SIZES, how)), bytearray(link.body(3))]
    link.write(b"".join(lines), lambda: link.connection.writelines(lines))


def send(world: World, link: Link, protocol: Any, how: int) -> None:
    if isinstance(protocol, FramedProtocol):
        body = link.body(one_of(_SIZES, how))
        link.write(protocol.framing.encode(body), lambda: protocol.send(body))


def send_many(world: World, link: Link, protocol: Any, how: int) -> None:
    if isinstance(protocol, FramedProtocol):
        bodies = [link.body(one_of(_SIZES[:7], how)) for _ in range(one_of([0, 1, 3, 80], how >> 4))]
        link.write(protocol.framing.encode_many(bodies), lambda: protocol.send_many(bodies))


def keep_send(world: World, link: Link, protocol: Any, how: int) -> None:
    if isinstance(protocol, FramedProtocol):
        kept = protocol.send

        def later(body: bytes) -> None:
            now = link.connection.get_protocol()
            link.write(now.framing.encode(body) if isinstance(now, FramedProtocol) else b"", lambda: kept(body))

        world.kept.append(later)


def send_by_kept(world: World, link: Link, protocol: Any, how: int) -> None:
    if world.kept:
        one_of(world.kept, how)(b"kept" * (how % 9))


def pause(world: World, link: Link, protocol: Any, how: int) -> None:
    link.connection.pause_reading()


def resume(world: World, link: Link, protocol: Any, how: int) -> None:
    link.connection.resume_reading()


def switch(world: World, link: Link, protocol: Any, how: int) -> None:
    initial = b"" if how < 200 else framed([b"init"]) if how < 240 else b"\0\0"
    link.exact = link.exact and not (initial or isinstance(protocol, Batches))  # a list is its protocol's own
    link.connection.set_protocol(new_protocol(link, how), initial)


def reframe(world: World, link: Link, protocol: Any, how: int) -> None:
    if isinstance(protocol, FramedProtocol):
        framing = framing_of(how)
        skips(link, framing)
        protocol.framing = framing


def set_limit(world: World, link: Link, protocol: Any, how: int) -> None:
    if getattr(protocol, "decoder", None) is not None:
        protocol.decoder.max_frame_length = how * 4


def set_marks(world: World, link: Link, protocol: Any, how: int) -> None:
    link.connection.set_write_buffer_limits(how * 400)


def hold(world: World, link: Link, protocol: Any, how: int) -> None:
    world.holds.append(link.connection.hold())


def release(world: World, link: Link, protocol: Any, how: int) -> None:
    if world.holds:
        world.holds.pop().release()


def end(world: World, link: Link, protocol: Any, how: int) -> Any:
    """End it in one of the ways there are, or only say from eof_received() that it goes on."""
    connection = link.connection
    ways = [connection.write_eof, connection.close, connection.abort, connection.close_when_quiet]
    if how < 100:
        one_of(ways, how)()
    return how & 1


def blow(world: World, link: Link, protocol: Any, how: int) -> None:
    if how < 60:
        raise ZeroDivisionError("the protocol's own")
    if how < 120:
        raise KeyboardInterrupt


def begin_tls(world: World, link: Link, protocol: Any, how: int) -> None:
    server, client = contexts()
    server_side, initial = bool(how & 1), one_of([None, b""], how >> 1)
    done = lambda: link.told("done", link.connection.get_protocol())  # noqa: E731
    context, name = (server, None) if server_side else (client, "localhost")
    if link.connection._tls is None and not link.connection.is_closing():
        link.begin_tls(client if server_side else server, not server_side)
    link.connection.start_tls(context, server_side=server_side, server_hostname=name, initial=initial, on_done=done)


def look(world: World, link: Link, protocol: Any, how: int) -> None:
    connection = link.connection
    world.note(connection.get_write_buffer_size(), connection.is_reading(), connection.is_closing())


PEER_STEPS = [turns] * 6 + [give_few] * 5 + [take] * 3
PEER_STEPS += [give_large, give_many, give_part, give_nonsense, finish, reset, narrow, cut_reads, fail, time_passes]
ACTS = [write, write, writelines, send, send, send_many, keep_send, send_by_kept, pause, pause, resume, resume, switch]
ACTS += [switch, reframe, set_limit, set_marks, hold, release, end, blow, begin_tls, look]
