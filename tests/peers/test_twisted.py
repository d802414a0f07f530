"""Twisted understands us and we understand Twisted: Int8, Int16 and Int32StringReceiver at the other end."""

import pytest
from helpers import run_until
from peers.conversation import bodies, difference
from peers.our_side import BatchEcho, Echo, Talker

pytestmark = pytest.mark.usefixtures("twin")
widths = pytest.mark.parametrize("width", [1, 2, 4], ids=["Int8", "Int16", "Int32"])


@widths
@pytest.mark.parametrize("kind", [Echo, BatchEcho])
def test_a_twisted_client_gets_back_from_our_server_what_it_sent(net, twisted, width, kind):
    echo = kind(width)
    server = net.listen_tcp(lambda: echo, "127.0.0.1", 0)
    client = twisted("talk", width, server.addresses[0][1])
    assert client.verdict() == "ok"
    run_until(net, lambda: echo.ended)
    assert echo.lost is None


@widths
def test_our_client_gets_back_from_a_twisted_server_what_it_sent(net, twisted, width):
    said = bodies(width)
    talker = Talker(width, said)
    server = twisted("serve", width)
    net.connect_tcp(lambda: talker, "127.0.0.1", server.port())
    run_until(net, lambda: talker.ended)
    assert talker.lost is None
    assert difference(said, talker.came) == ""
    server.verdict()
