"""Play: goes through a course of events, each of which comes when what is waited for has come true."""

from time import monotonic


def lasting(seconds, question):
    """Return the question whether so much time has gone by and this is true."""
    end = monotonic() + seconds
    return lambda: monotonic() >= end and question()


class Play:
    """Goes through a course. It is over, and not complete, when something doesn't come true."""

    def __init__(self, reactor, course, patience):
        self.reactor, self.course, self.patience = reactor, course, patience
        self.is_complete = False
        self.go_on()

    def go_on(self):
        self.question = next(self.course, None)
        self.end = monotonic() + self.patience
        if self.question is None:
            self.is_complete = True
            self.reactor.stop()
        else:
            self.look()

    def look(self):
        if self.question():
            self.go_on()
        elif monotonic() > self.end:
            self.reactor.stop()
        else:
            self.reactor.call_later(0.02, self.look)
