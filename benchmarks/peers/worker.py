"""The process of the peers: does one piece of work after another and reports the CPU time of each.

Requests and answers are lines of JSON on standard input and output; ``benchmarks.peers.process`` sends the requests.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.peers import others, talib_calls

Request = dict[str, Any]


class Worker:
    """Candles by name, and pieces of work by number."""

    def __init__(self) -> None:
        self._columns: dict[str, talib_calls.Columns] = {}
        self._works: list[talib_calls.Work] = []

    def answer(self, request: Request) -> object:
        """The answer to a request; raises whatever a library raises."""
        match request.pop("do"):
            case "versions":
                return {name: version(name) for name in request["names"]}
            case "load":
                with np.load(request["path"]) as arrays:
                    self._columns[request["name"]] = {name: arrays[name] for name in arrays.files}
                return None
            case "prepare":
                work = self._make(**request)
                if work is None:
                    return None
                self._works.append(work)
                return len(self._works) - 1
            case "measure":
                return self._measure(**request)
            case unknown:
                raise ValueError(f"unknown request {unknown!r}")

    def _make(
        self, way: str, name: str, parameters: dict[str, float], columns: str, candles: int
    ) -> talib_calls.Work | None:
        loaded = self._columns[columns]
        call = talib_calls.CALLS.get(name)
        ways: dict[str, Callable[[], talib_calls.Work | None]] = {
            "takt series": lambda: None if call is None else talib_calls.batch(call, parameters, loaded),
            "takt each": lambda: None if call is None else talib_calls.each(call, parameters, loaded),
            "takt stream": lambda: None if call is None else talib_calls.stream(call, parameters, loaded, candles),
            "ta-numba series": lambda: others.ta_numba_series(name, parameters, loaded),
            "polars-talib series": lambda: others.polars_talib_series(name, parameters, loaded),
            "talipp series": lambda: others.talipp_series(name, parameters, loaded),
            "ta-numba stream": lambda: others.ta_numba_stream(name, parameters, loaded, candles),
            "talipp stream": lambda: others.talipp_stream(name, parameters, loaded, candles),
        }
        return ways[way]()

    def _measure(self, work: int, times: int) -> float:
        call = self._works[work]
        started = time.process_time()
        for _ in range(times):
            call()
        return (time.process_time() - started) / times


def main() -> None:
    """Answer until the input ends."""
    worker = Worker()
    answers = sys.stdout
    # Whatever libraries print must not get into the answers.
    sys.stdout = sys.stderr
    for line in sys.stdin:
        try:
            answer = {"answer": worker.answer(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
