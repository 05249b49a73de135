"""Logs stay small while their writers append to them."""

from pathlib import Path

from common.log_files import cut_log, keeping_logs_small
from common.supervision import Loops
from tests.waiting import wait_for


def test_a_log_loses_its_oldest_lines_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    with path.open("a") as log:
        log.writelines(f"line {number:03}\n" for number in range(100))
        log.flush()
        assert cut_log(path, 10_000) == 0
        removed = cut_log(path, 450)
        log.write("line 100\n")
    lines = path.read_text().splitlines()
    assert removed == 9 * (101 - len(lines))
    assert lines == [f"line {number:03}" for number in range(101 - len(lines), 101)]
    assert 20 < len(lines) < 30


def test_logs_of_all_servers_are_cut_while_they_are_written(tmp_path: Path) -> None:
    paths = [tmp_path / "up.log", tmp_path / "events" / "valkey.log", tmp_path / "prefect" / "prefect.log"]
    other = tmp_path / "events" / "valkey.conf"
    for path in [*paths, other]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"line\n" * 10_000)
    with keeping_logs_small(tmp_path, 1_000, Loops(), looked_s=0.01), paths[1].open("ab") as valkey:
        wait_for(lambda: all(path.stat().st_size <= 1_000 for path in paths), "all logs to be cut")
        valkey.write(b"the newest line\n")
    assert paths[1].read_bytes().splitlines()[-1] == b"the newest line"
    assert other.stat().st_size == 50_000
