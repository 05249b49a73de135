"""Access to the peers: a process in an environment of its own, which is made once, asked over a pipe."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Measure

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv" / "peers"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LIBRARIES = ("ta-lib-takt", "ta-numba", "polars-talib", "talipp")


class PeersMissing(Exception):
    """The environment of the peers cannot be created; the message says why."""


class Peers:
    """Libraries in another process. Without a process nothing can be measured, and every measure is ``None``."""

    def __init__(self, process: subprocess.Popen[str] | None, folder: Path, why_not: str = "") -> None:
        self._process = process
        self._folder = folder
        self.why_not = why_not
        """Why there is no process; empty if there is one."""

    @property
    def versions(self) -> str:
        """The libraries with their versions."""
        if self._process is None:
            return ""
        versions: dict[str, str] = self._ask(do="versions", names=LIBRARIES)
        return ", ".join(f"{name} {version}" for name, version in versions.items())

    def load(self, name: str, columns: Mapping[str, Any]) -> None:
        """Send candles to the process under a name."""
        if self._process is not None:
            path = self._folder / f"{name}.npz"
            np.savez(path, **columns)
            self._ask(do="load", name=name, path=str(path))
            path.unlink()

    def measure(
        self, way: str, name: str, parameters: Mapping[str, float], columns: str, *, candles: int = 0, times: int = 1
    ) -> Measure | None:
        """A measure of a catalogue entry in one of the worker's ways; ``None`` if the library has no such indicator."""
        if self._process is None:
            return None
        asked = {"way": way, "name": name, "parameters": dict(parameters), "columns": columns, "candles": candles}
        work = self._ask(do="prepare", **asked)
        if work is None:
            return None

        def measured() -> float:
            seconds: float = self._ask(do="measure", work=work, times=times)
            return seconds

        return measured

    def _ask(self, **request: object) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peers' process ended over {request}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the peers' process failed over {request}: {answer['error']}")
        return answer["answer"]


@contextmanager
def open_peers(wanted: bool) -> Iterator[Peers]:
    """The peers' process; peers without a process, which say why, if the environment cannot be created."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            if not wanted:
                raise PeersMissing("they were not wanted")
            python = environment_of(ENVIRONMENT, _REQUIREMENTS)
        except PeersMissing as missing:
            yield Peers(None, Path(folder), str(missing))
            return
        # One thread: the pools of numba and polars would compete with everything else for the cores.
        environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        with subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        ) as process:
            try:
                yield Peers(process, Path(folder))
            finally:
                process.stdin.close()  # type: ignore[union-attr]


def environment_of(folder: Path, requirements: Path) -> Path:
    """The Python of an environment with pinned packages, made if it is not there; raises :class:`PeersMissing`."""
    python = folder / "bin" / "python"
    ready = folder / "ready.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Installing the libraries to compare with into .venv/{folder.name} ...", file=sys.stderr)
    try:
        venv.create(folder, with_pip=True, clear=True)
        command: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ]
        subprocess.run([*command, "-r", requirements], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or str(error)).strip().splitlines()[-1:]
        raise PeersMissing(f"pip could not install them: {' '.join(last)}") from error
    except OSError as error:
        raise PeersMissing(f"their environment could not be created: {error}") from error
    ready.write_text(wanted, encoding="utf-8")
    return python
