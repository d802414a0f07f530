import logging

from reactor import FramedProtocol, Reactor

from wire import FRAMING, words_of

log = logging.getLogger("sensors")


class Sensors(FramedProtocol):
    framing = FRAMING

    def __init__(self, readings):
        self.readings = readings

    def message_received(self, message):
        try:
            answer = self.answer(words_of(message))
        except ValueError as exc:  # the request is wrong: say so, and go on
            answer = f"error: {exc}"[:100]  # it may quote the request
        self.send(answer.encode())

    def answer(self, words):
        match words:
            case ["set", name, value]:
                self.readings[name] = float(value)
                return "ok"
            case ["get", name]:
                return str(self.readings.get(name, "unknown"))
        raise ValueError("say: set NAME NUMBER, or: get NAME")

    def framing_failed(self, exc):  # the stream is broken: last words, then the end
        self.send(b"error: at most 1000 bytes")

    def connection_lost(self, exc):
        if exc is not None:
            log.warning("connection lost: %s", exc)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    readings = {}
    with Reactor() as reactor:
        reactor.listen_tcp(lambda: Sensors(readings), "127.0.0.1", 9000)
        reactor.run()
