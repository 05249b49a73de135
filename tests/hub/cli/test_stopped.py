"""Commands that are stopped, or whose reader goes: real processes that end in order, without a word of Python's."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.supervised import SupervisedServer
from registry.store import open_store
from tests.waiting import wait_for

HUB = Path(sys.executable).with_name("hub")

# A shell that starts pytest in the background lets it, and its children, ignore Ctrl-C.
LISTENING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"

INTERRUPTED_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}" and self in sys.meta_path:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""
"""A ``sitecustomize``: Ctrl-C comes when a module is about to be loaded."""

HOURS = 240


@pytest.fixture(autouse=True)
def in_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and settings that name a data folder in it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HUB_", "PREFECT_", "REDIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))


def start(*arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", LISTENING, str(HUB), *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """The exit code, and what was written to pipes."""
    out, err = process.communicate(timeout=120)
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def write_candles(symbol: str, hours: int = HOURS) -> None:
    rows = [f"{1_704_067_200_000 + hour * 3_600_000},1,2,0.5,1,5" for hour in range(hours)]
    Path("candles").mkdir(exist_ok=True)
    Path("candles", f"{symbol}-1h.csv").write_text("\n".join(("open_time,open,high,low,close,volume", *rows)) + "\n")


@pytest.fixture
def unread() -> Iterator[int]:
    """The writing end of a pipe whose reader has gone, as that of ``head -1`` has after a line."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize(
    "arguments",
    [
        ("candles", "list"),
        ("candles", "list", "--json"),
        ("candles", "import", "candles", "--json"),
        ("conditions", "parse", "BTCUSDT 1h: rsi < 30"),
        ("conditions", "parse", "BTCUSDT 1h: rsi < 30", "--json"),
        ("status",),
        ("doctor",),
        ("--help",),
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_is_no_error_of_python(arguments: tuple[str, ...], unread: int) -> None:
    write_candles("BTCUSDT")
    code, _, err = ended(start("candles", "import", "candles"))
    assert code == 0, err
    code, out, messages = ended(start(*arguments))
    assert code == 0, messages
    assert out, "there is something to read"
    code, _, err = ended(start(*arguments, stdout=unread))
    assert (code, err) == (1, messages)


def test_messages_that_nobody_reads_change_nothing(unread: int) -> None:
    assert ended(start("candles", "import", "nothing.csv", stdout=unread, stderr=unread))[0] == 1
    assert ended(start("instruments", "add", "BTCUSDT", stderr=unread))[0] == 0
    code, out, _ = ended(start("conditions", "parse", "BTCUSDT 1h: rsi < 30", stderr=unread))
    assert code == 0
    assert "rsi(14, close) < 30" in out


def test_ctrl_c_in_a_long_import(tmp_path: Path) -> None:
    symbols = [f"COIN{number}USDT" for number in range(120)]
    for symbol in symbols:
        write_candles(symbol)
    process = start("candles", "import", "candles", "--json")
    written = tmp_path / "data" / "store" / "candles.duckdb.wal"
    wait_for(lambda: written.exists() and written.stat().st_size > 50_000, "the first files to be stored")
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "stopped\n")
    with open_store(f"duckdb:{tmp_path / 'data' / 'store'}", read_only=True) as store:
        assert {finding.problem for finding in store.check()} == {None}
        stored = store.candles.series()
    assert 0 < stored.height < len(symbols)
    assert set(stored["candles"]) == {HOURS}, "each file is there as a whole, or not at all"
    code, out, err = ended(start("candles", "import", "candles", "--json"))
    assert code == 0, err
    reports = json.loads(out)
    assert sum(report["inserted"] for report in reports) == HOURS * (len(symbols) - stored.height)
    assert sum(report["unchanged"] for report in reports) == HOURS * stored.height


@pytest.mark.parametrize(
    "module", ["hub.cli.app", "cyclopts", "duckdb", "polars", "pandas.core.api", "pyarrow.dataset"]
)
def test_ctrl_c_while_libraries_are_loaded(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB loads some in the middle of a query, and would take an interrupted one for one that is not there."""
    write_candles("BTCUSDT")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(INTERRUPTED_IMPORT.format(module=module))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    assert ended(start("candles", "import", "candles")) == (130, "", "stopped\n")


def test_a_tick_ends_without_words_of_its_libraries() -> None:
    code, out, err = ended(start("tick", "1h", "--json"))
    assert code == 0, err
    assert json.loads(out)["ticks"] == 0
    lines = err.splitlines()
    assert lines[-1].startswith("nothing to judge on 1h")
    assert lines[:-1] in ([], ["Prepare kernels …"])


def test_ctrl_c_at_the_terminal_of_a_tick(tmp_path: Path) -> None:
    """The terminal sends it to the whole foreground; the server is stopped by the command, and not by that."""
    data = tmp_path / "data"
    server = SupervisedServer("valkey", data / "events", [], answers=lambda: True, patience_s=0)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", LISTENING, str(HUB), "tick", "1h"])
    wait_for(lambda: server.pid is not None, "the server to run")
    os.write(terminal, b"\x03")
    shown = b""
    while chunk := _read(terminal):
        shown += chunk
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130, shown.decode()
    assert shown.decode().splitlines()[-1].endswith("stopped")
    assert b"Traceback" not in shown
    assert b"WARNING" not in shown
    assert server.pid is None


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""  # Linux says so when the last process of the terminal has ended
