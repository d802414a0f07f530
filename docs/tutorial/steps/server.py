from reactor import FramedProtocol, Reactor

from wire import FRAMING, words_of


class Sensors(FramedProtocol):
    framing = FRAMING

    def __init__(self, readings):
        self.readings = readings  # one dict for all connections

    def message_received(self, message):
        match words_of(message):
            case ["set", name, value]:
                self.readings[name] = value
                self.send(b"ok")
            case ["get", name]:
                self.send(self.readings[name].encode())


if __name__ == "__main__":
    readings = {}
    with Reactor() as reactor:
        server = reactor.listen_tcp(lambda: Sensors(readings), "127.0.0.1", 9000)
        print("listening at", server, flush=True)
        reactor.run()  # until Ctrl-C
