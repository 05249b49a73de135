"""Processes that find no compiled kernels: one of them compiles, and the others load what it has written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from indicators._kernels import program
from indicators.kernels.compiling import compiling

WARM = """
import json, sys
from indicators.kernels.warming import warm_history
from indicators._kernels import mom
print("ready", flush=True)
sys.stdin.readline()
warm_history("mom")
print(json.dumps([sum(mom.history.stats.cache_hits.values()), sum(mom.history.stats.cache_misses.values())]))
"""


def test_of_two_processes_one_compiles_and_the_other_waits_for_it(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WARM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(answers) == [[0, 1], [1, 0]], "hits and misses of the cache"


def test_where_the_cache_cannot_be_written_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    stats = SimpleNamespace(cache_path=str(tmp_path / "file" / "below"))
    monkeypatch.setattr(program, "advance", SimpleNamespace(stats=stats))
    with compiling("a"), compiling("a"):
        assert list(tmp_path.iterdir()) == [tmp_path / "file"]
