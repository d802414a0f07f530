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

from crowd import Crowd
from play import Play, lasting
from programs import Programs

from reactor import Reactor

PATIENCE = 60  # seconds until what hasn't come true never will


def course(crowd, programs, seconds):
    """Do one thing after the other, each when what was yielded before has come true."""
    parts = 4 + len(programs.brokers)

    def heard():
        return lasting(seconds / parts, crowd.all_are_heard())

    yield crowd.all_are_here
    crowd.talk()
    yield heard()
    programs.freeze("redis")  # so that much is under way when the node dies
    yield crowd.all_wait
    programs.kill("one")
    programs.thaw("redis")
    yield heard()
    programs.start("one")
    rolled = programs.roll("two")
    crowd.leave(part=10)
    yield heard()
    yield rolled
    crowd.come_back()
    yield heard()
    for broker in programs.brokers:
        programs.kill(broker)
        programs.start(broker)
        yield heard()
    crowd.talking = False
    yield crowd.all_is_told
    yield crowd.all_know_who_is_here


def run(options):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        with Programs(folder, options.broker, options.workers) as programs, Reactor() as reactor:
            reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
            crowd = Crowd(reactor, programs.address, options.clients, options.rooms, options.every)
            play = Play(reactor, course(crowd, programs, options.seconds), options.seconds + PATIENCE)
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
