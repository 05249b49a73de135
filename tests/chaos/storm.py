"""Faults at random moments, and the work that is done despite them."""

import time
from collections.abc import Callable, Sequence

import redis

from tests.chaos.hub import Hub
from tests.chaos.processes import Process

Fault = Callable[["Storm"], None]


class Storm:
    """A hub whose evaluator is disturbed again and again while it works through the ticks."""

    def __init__(self, hub: Hub, ticks: int) -> None:
        self.hub = hub
        self.dice = hub.dice
        self._ticks = ticks
        self.evaluator: Process = hub.evaluate(ticks)

    def run(self, faults: Sequence[Fault], count: int) -> None:
        """Inject ``count`` faults while it works, let it finish, and come to rest."""
        for _ in range(count):
            time.sleep(self.dice.uniform(0.02, 0.3))
            self.dice.choice(faults)(self)
        assert self.hub.faults, "nothing was disturbed"
        self.evaluator.finish()
        self.hub.evaluate(self._ticks).finish()

    def restart(self) -> None:
        """Start another evaluator if none is running: it makes up for what the stream has lost."""
        if not self.evaluator.runs():
            self.evaluator = self.hub.evaluate(self._ticks)


def kill_evaluator(storm: Storm) -> None:
    """The process that judges and publishes dies, and is restarted."""
    if storm.evaluator.kill():
        storm.hub.faults["evaluator killed"] += 1
    storm.restart()


def pause_evaluator(storm: Storm) -> None:
    """It is stopped for a moment, wherever it is."""
    if storm.evaluator.runs():
        storm.evaluator.pause()
        time.sleep(storm.dice.uniform(0.02, 0.3))
        storm.evaluator.resume()
        storm.hub.faults["evaluator paused"] += 1


def kill_server(storm: Storm) -> None:
    """The server dies, and comes back with what is in its file."""
    _down(storm, "server killed")


def cut_server(storm: Storm) -> None:
    """The server dies and loses the end of its file, as in a power cut."""
    storm.hub.server.kill()
    time.sleep(storm.dice.uniform(0, 0.2))
    storm.hub.server.cut(storm.dice.randrange(6_000))
    storm.hub.server.start()
    storm.hub.faults["server killed and its file cut"] += 1
    storm.restart()


def wipe_server(storm: Storm) -> None:
    """The server dies and loses everything."""
    storm.hub.server.kill()
    storm.hub.server.wipe()
    storm.hub.server.start()
    storm.hub.faults["server killed and its files wiped"] += 1
    storm.restart()


def flush_server(storm: Storm) -> None:
    """Somebody empties the server."""
    client = storm.hub.server.client()
    client.flushall()
    client.close()
    storm.hub.faults["server flushed"] += 1
    storm.restart()


def pause_server(storm: Storm) -> None:
    """The server hangs."""
    storm.hub.server.pause()
    time.sleep(storm.dice.uniform(0.05, 0.5))
    storm.hub.server.resume()
    storm.hub.faults["server paused"] += 1


def squeeze_server(storm: Storm) -> None:
    """The server has no memory left for a while."""
    client: redis.Redis = storm.hub.server.client()
    client.config_set("maxmemory", "1")
    time.sleep(storm.dice.uniform(0.05, 0.3))
    client.config_set("maxmemory", "0")
    client.close()
    storm.hub.faults["server out of memory"] += 1
    storm.restart()


def _down(storm: Storm, name: str) -> None:
    storm.hub.server.kill()
    time.sleep(storm.dice.uniform(0, 0.3))
    storm.hub.server.start()
    storm.hub.faults[name] += 1
    storm.restart()
