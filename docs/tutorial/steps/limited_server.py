import logging

from reactor import Limits, Reactor

from sensors import Sensors

LIMITS = Limits(
    max_connections=1000,  # of this server; who comes then waits in the kernel's queue
    max_per_peer=10,  # of them from one address
    first_message_timeout=2,  # who connects has to say something
    read_timeout=60,  # a sensor sends a reading every 20 seconds
    frame_timeout=5,  # from the first byte of a message to its last
    max_write_buffer=64 * 1024,  # answers that a client doesn't read
)


def serve(reactor, readings, port=9000, **options):
    return reactor.listen_tcp(lambda: Sensors(readings), "127.0.0.1", port, limits=LIMITS, **options)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    with Reactor() as reactor:
        serve(reactor, {})
        reactor.run()
