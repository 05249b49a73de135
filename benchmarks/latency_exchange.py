"""Serves the simulated exchange on the system's clock: ``python -m benchmarks.latency_exchange PORT INSTRUMENTS``."""

import sys
import time

import uvicorn

from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair


def pairs(count: int) -> list[Pair]:
    """The markets of the exchange."""
    return [Pair(f"C{number:04d}") for number in range(count)]


def main() -> None:
    """Serve until SIGTERM."""
    port, instruments = map(int, sys.argv[1:])
    exchange = SimulatedExchange(pairs(instruments), lambda: time.time_ns() // 1_000_000)
    uvicorn.run(exchange, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
