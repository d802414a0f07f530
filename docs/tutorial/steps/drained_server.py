import json
import signal

from reactor import Reactor

from limited_server import LIMITS
from sensors import Sensors

readings = {}


class Saving(Sensors):
    def message_received(self, message):
        if message != b"save":
            return super().message_received(message)
        hold = self.transport.hold()  # a drain waits until it is released
        reactor.run_in_thread(save, dict(readings), on_done=lambda future: self.saved(future, hold))

    def saved(self, future, hold):
        self.send(b"error: not saved" if future.exception() else b"saved")
        hold.release()


def save(values):  # in a thread: a disk may be slow
    with open("readings.json", "w") as file:
        file.write(json.dumps(values) + "\n")


def drain():
    reactor.drain(5, on_done=lambda drained: (print(drained, flush=True), reactor.stop()))


with Reactor() as reactor:
    reactor.listen_tcp(lambda: Saving(readings), "127.0.0.1", 9000, limits=LIMITS)
    reactor.add_signal_handler(signal.SIGTERM, drain)
    reactor.run()
