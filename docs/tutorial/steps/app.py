import sqlite3

from limited_server import LIMITS
from sensors import Sensors


class Table:
    """What `Sensors` needs of a dict, in a file that all workers have."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = normal")  # a write doesn't wait for the disk
        self.db.execute("create table if not exists readings (name text primary key, value real)")

    def __setitem__(self, name, value):
        self.db.execute("insert or replace into readings values (?, ?)", (name, value))

    def get(self, name, default):
        row = self.db.execute("select value from readings where name = ?", (name,)).fetchone()
        return row[0] if row else default


def setup(reactor, sockets):
    """Called in each worker, with the sockets that `--bind` names."""
    readings = Table("readings.db")
    for sock in sockets:
        reactor.listen_tcp(lambda: Sensors(readings), None, 0, sock=sock, limits=LIMITS)
