from reactor import EventLoop, FramedProtocol
from reactor.testing import ManualClock, MemorySelector, SimNetwork, memory_pair, settle

from limited_server import serve
from sensors import Sensors
from wire import FRAMING


class Collects(FramedProtocol):
    framing = FRAMING

    def __init__(self):
        self.answers = []
        self.lost_at = None

    def message_received(self, message):
        self.answers.append(message.decode())


def ask(*requests):
    client = Collects()
    with EventLoop(MemorySelector(), ManualClock()) as loop:
        transport, _ = memory_pair(loop, client, Sensors({}))
        settle(loop)
        for each in requests:
            client.send(each)
        settle(loop)
        transport.close()
        settle(loop)
    return client.answers


def test_a_reading_is_kept():
    assert ask(b"set kitchen 21.5", b"get kitchen", b"get attic") == ["ok", "21.5", "unknown"]


def test_a_wrong_request_is_answered_and_the_next_one_too():
    assert ask(b"set kitchen warm", b"\xff", b"set kitchen 20")[2] == "ok"


def test_an_error_that_quotes_a_long_request_fits_into_a_message():
    assert len(ask(b"set kitchen " + b"x" * 980)[0]) == 100


def test_who_says_nothing_is_ended_after_two_seconds():
    with SimNetwork(seed=1) as network:
        network.host("server", setup=lambda reactor: serve(reactor, {}))
        server = network.hosts["server"].reactor
        server.connect_tcp(Collects, "127.0.0.1", 9000)
        network.run(1.9)
        assert server.stats()["timeouts_first_message"] == 0
        network.run(0.2)
        assert server.stats()["timeouts_first_message"] == 1
