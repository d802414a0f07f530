"""Kills and restarts all parts of a cluster, under clients that count what they say and what they are told.

    python examples/cluster/trial.py --broker nats --clients 300 --rooms 30 --seconds 60

Prints figures as JSON. `lost` is what was acknowledged and a member wasn't told, `twice` what one was told again,
`disordered` are members that weren't told what another one of their room was, in its order. All three have to be none.
"""

import argparse
import json
import resource
import signal
import sys
import tempfile
from time import monotonic

from crowd import Crowd
from programs import Programs

from reactor import Reactor

PATIENCE = 60  # seconds until what hasn't come true never will


def course(crowd, programs):
    """Do one thing after the other, each when what was yielded before has come true."""
    yield crowd.all_are_here
    crowd.talk()
    yield crowd.all_are_heard()
    programs.freeze("redis")  # so that much is under way when the node dies
    yield crowd.all_wait
    programs.kill("one")
    programs.thaw("redis")
    yield crowd.all_are_heard()
    programs.start("one")
    rolled = programs.roll("two")
    crowd.leave(part=10)
    yield crowd.all_are_heard()
    yield rolled
    crowd.come_back()
    yield crowd.all_are_heard()
    for broker in programs.brokers:
        programs.kill(broker)
        programs.start(broker)
        yield crowd.all_are_heard()
    crowd.talking = False
    yield crowd.all_is_told
    yield crowd.all_know_who_is_here


class Play:
    """Goes through a course: at each stop it waits until that is true, and for so many seconds at least."""

    def __init__(self, reactor, course, seconds):
        self.reactor, self.course, self.seconds = reactor, course, seconds
        self.is_complete = False
        self.go_on()

    def go_on(self):
        self.question = next(self.course, None)
        self.began = monotonic()
        if self.question is None:
            self.is_complete = True
            self.reactor.stop()
        else:
            self.look()

    def look(self):
        lasted = monotonic() - self.began
        if lasted >= self.seconds and self.question():
            self.go_on()
        elif lasted > self.seconds + PATIENCE:
            self.reactor.stop()
        else:
            self.reactor.call_later(0.02, self.look)


def run(options):
    stops = 10 + (options.broker == "nats")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        with Programs(folder, options.broker, options.workers) as programs, Reactor() as reactor:
            reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
            crowd = Crowd(reactor, programs.address, options.clients, options.rooms, options.every)
            play = Play(reactor, course(crowd, programs), options.seconds / stops)
            reactor.run()
        sys.stderr.write(programs.said())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = {"cpu_seconds": round(children.ru_utime + children.ru_stime, 1)}
    print(json.dumps({"complete": play.is_complete, **crowd.figures(), **cpu}))
    return 0 if play.is_complete else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", choices=["redis", "nats"], default="redis")
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--rooms", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2, help="of each node")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two messages of a client")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it takes at least")
    sys.exit(run(parser.parse_args()))
