"""The exchange of a soak as a process: ``python -m benchmarks.soak.exchange PORT INSTRUMENTS START_MS LENGTH_MS``."""

import asyncio
import sys
import time

import uvicorn

from benchmarks.latency_exchange import pairs
from benchmarks.soak.troubles import Rotation
from hub.demo.simulated_exchange import SimulatedExchange

_LOOKED_S = 0.5


async def _serve(port: int, instruments: int, start_ms: int, length_ms: int) -> None:
    exchange = SimulatedExchange(pairs(instruments), lambda: time.time_ns() // 1_000_000)
    rotation = Rotation(exchange, start_ms, length_ms)
    # A cut connection is an error in the server's eyes.
    server = uvicorn.Server(uvicorn.Config(exchange, host="127.0.0.1", port=port, log_level="critical"))

    async def rotate() -> None:
        while True:
            rotation.step()
            await asyncio.sleep(_LOOKED_S)

    rotating = asyncio.create_task(rotate())
    try:
        await server.serve()
    finally:
        rotating.cancel()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:])))
