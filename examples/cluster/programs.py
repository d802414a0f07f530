"""Programs: the cluster of README.md, at ports that are free. Each is a process group: killed, nothing is left."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
PORTS = ("9000", "9001", "9002", "9003", "6379", "4222")  # as README.md and the files have them
NODES = ("one", "two", "three")
GRACE = 10  # seconds


class Programs:
    def __init__(self, folder, broker, workers):
        self.folder = Path(folder)
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.address = self.at("127.0.0.1:9000")
        redis, nats = self.at("redis://127.0.0.1:6379"), self.at("nats://127.0.0.1:4222")
        self.environ = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "HISTORY": redis}
        self.environ["BUS"] = nats if broker == "nats" else redis
        self.brokers = ["redis", "nats"] if broker == "nats" else ["redis"]
        self.commands = {
            "redis": [find("redis-server"), self.moved("redis.conf")],
            "nats": [find("nats-server"), "--addr", "127.0.0.1", "--port", self.at("4222")],
            "haproxy": [find("haproxy"), "-db", "-f", self.moved("haproxy.cfg")],
        }
        for number, name in enumerate(NODES, 1):
            serve = [sys.executable, "-m", "reactor", "serve", "node:setup", "--grace", str(GRACE)]
            self.commands[name] = [*serve, "--bind", self.at(f"127.0.0.1:900{number}"), "--workers", str(workers)]
        self.running = {}
        self.errors = self.folder / "errors"

    def at(self, text):
        """Put our ports in the place of README.md's."""
        return re.sub("|".join(PORTS), lambda found: str(self.ports[found[0]]), text)

    def moved(self, name):
        """Return where a file of this folder is, with our ports in it."""
        (self.folder / name).write_text(self.at((HERE / name).read_text()))
        return str(self.folder / name)

    def start(self, *names):
        for name in names:
            where = HERE if name in NODES else self.folder
            with open(self.errors, "ab") as errors:
                self.running[name] = subprocess.Popen(
                    self.commands[name], cwd=where, env=self.environ, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                )  # fmt: skip

    def kill(self, name):
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running.pop(name).wait()

    def freeze(self, name):
        os.killpg(self.running[name].pid, signal.SIGSTOP)

    def thaw(self, name):
        os.killpg(self.running[name].pid, signal.SIGCONT)

    def roll(self, name):
        """Have a node replace its workers. Return the question whether it has."""
        master = self.running[name].pid
        before = workers_of(master)
        os.kill(master, signal.SIGHUP)
        return lambda: not before & workers_of(master)

    def __enter__(self):
        self.start(*self.brokers, *NODES, "haproxy")
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.terminate()
        for name, process in list(self.running.items()):
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill(name)

    def said(self):
        """Return what all of them had to complain of."""
        return self.errors.read_text(errors="replace")


def workers_of(master):
    return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())


def free_ports(count):
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in socks]


def find(name):
    """Return a program's path; Debian has HAProxy where only root looks."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if path is None and name != "nats-server":
        sys.exit(f"trial: {name} isn't installed; Debian has it")
    return path
