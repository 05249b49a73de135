"""``hub store``: backup and restore, schema and checks, on the files and through their owner."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.settings import Settings
from registry import Condition
from registry.groups import Series
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.remote.token import owner_token
from tests.hub.cli.test_audit import Run
from tests.registry.store.files.yesterday import formulas, old_store
from tests.registry.store.serving import serving

BTC = Series.parse("BINANCE:BTCUSDT 1h")
RSI = "f4fda3d9a0c12279b03c7582ae1cf0f0"
"""A condition of the store of yesterday."""


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: pl.DataFrame
) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    hours = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(10)
    with open_store("duckdb:data/store") as store:
        store.candles.upsert(hours[[0, 1, 4, 5]])
    return Run(capsys)


def candles_in(folder: str) -> int:
    with open_store(f"duckdb:{folder}", read_only=True) as store:
        return store.candles.between(BTC, 0, 10**15).height


def test_a_backup_made_while_the_owner_works_is_restored_when_it_has_stopped(
    shell: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = owner_token(Settings(_env_file=None))
    with FileStore(Path("data/store")) as owned, serving(owned, token=token) as url:
        monkeypatch.setenv("HUB_STORE_URL", url)
        code, out, err = shell("store", "backup", "copies/monday")
        assert (code, out) == (0, f"{Path('copies/monday').absolute()}\n"), err
        assert "hub store restore" in err
        code, out, err = shell("store", "restore", "copies/monday", "--yes")
        assert (code, out) == (1, "")
        assert "stop the hub" in err
        owned.candles.upsert(owned.candles.between(BTC, 0, 10**15).with_columns(pl.col("open_time").dt.offset_by("1d")))
    monkeypatch.delenv("HUB_STORE_URL")
    code, out, err = shell("store", "restore", "copies/monday")
    assert (code, out) == (1, "")
    assert "--yes" in err
    code, out, err = shell("store", "restore", "copies/monday", "--yes", "--json")
    assert code == 0, err
    kept = json.loads(out)["kept"]
    assert (candles_in("data/store"), candles_in(kept)) == (4, 8)


def test_the_schema_is_brought_up_to_date_and_shown(shell: Run) -> None:
    code, out, _ = shell("store", "migrate", "--json")
    versions = json.loads(out)
    assert code == 0
    assert versions["registry"]["from"] == versions["registry"]["to"] >= 10
    code, out, _ = shell("store", "migrate")
    assert out.splitlines()[0] == f"registry.duckdb: schema {versions['registry']['to']}"
    with duckdb.connect("data/store/registry.duckdb") as raw:
        raw.execute("INSERT INTO schema_version VALUES (9999, 'future', 'x', now()::TIMESTAMP)")
    code, out, err = shell("store", "migrate")
    assert (code, out) == (1, "")
    assert "upgrade the hub" in err


def test_a_check_says_what_is_wrong_and_how_to_mend_it(shell: Run) -> None:
    code, out, err = shell("store", "check")
    assert (code, err) == (0, "")
    assert all(line.startswith("ok ") for line in out.splitlines())
    with duckdb.connect("data/store/candles.duckdb") as raw:
        raw.execute("INSERT INTO candles SELECT * FROM candles LIMIT 1")
    code, out, err = shell("store", "check")
    assert code == 1
    assert "wrong  each slot has one candle" in out
    assert BTC in out
    assert "hub store restore" in out
    assert "1 of" in err
    wrong = [one for one in json.loads(shell("store", "check", "--json")[1]) if one["problem"]]
    assert [one["subject"] for one in wrong] == ["each slot has one candle"]


def test_gaps_are_listed(shell: Run) -> None:
    code, out, _ = shell("candles", "gaps", "btc/usdt 60m", "--json")
    assert code == 0
    assert [(gap["slots"], gap["judged"]) for gap in json.loads(out)] == [(2, 0)]
    assert "BTCUSDT 1h" in shell("candles", "gaps")[1]
    assert "No gaps" in shell("candles", "gaps", "ETHUSDT 1h")[2]


def test_instruments_are_made_known_and_listed(shell: Run) -> None:
    code, out, err = shell("instruments", "add", "eth/usdt", "--alias", "XETUSDT", "--tick-size", "0.01")
    assert (code, out) == (0, "BINANCE:ETHUSDT\n"), err
    assert shell("instruments", "add", "ETHUSDT", "--first-candle", "2017-08-17")[0] == 0
    known = {one["instrument"]: one for one in json.loads(shell("instruments", "list", "--json")[1])}
    eth = known["BINANCE:ETHUSDT"]
    assert (eth["aliases"], eth["tick_size"], eth["candles"]) == (["XETUSDT"], 0.01, False)
    assert eth["first_open_time"].endswith("Z")
    assert known["BINANCE:BTCUSDT"]["candles"]
    assert "XETUSDT" in shell("instruments", "list")[1]
    code, condition_id, err = shell("conditions", "register", "XETUSDT 1h: rsi < 30")
    assert (code, condition_id.strip()) == (0, Condition.parse("ETHUSDT 1h: rsi < 30").id)
    assert "no candles of BINANCE:ETHUSDT 1h yet" in err
    assert json.loads(shell("conditions", "register", "ETHUSDT 1h: rsi < 30", "--json")[1])["data"] == "missing"
    assert json.loads(shell("conditions", "register", "BTCUSDT 1h: rsi < 30", "--json")[1])["data"] == "ready"


@pytest.fixture
def yesterday(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A data folder with a store that an earlier version wrote, whose formula of rsi was another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    old_store(tmp_path / "data")
    monkeypatch.delenv("HUB_STORE_URL", raising=False)
    return Run(capsys)


def files_in(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_dry_run_lists_what_an_upgrade_would_change_and_changes_nothing(yesterday: Run) -> None:
    before = files_in("data")
    with formulas(rsi=7):
        code, out, err = yesterday("store", "migrate", "--dry-run", "--json")
        assert code == 0, err
        listed = json.loads(out)
        code, out, err = yesterday("store", "migrate", "--dry-run")
    assert files_in("data") == before, "byte for byte, and nothing beside them"
    assert (listed["dry_run"], listed["kept"], listed["registry"]["from"]) == (True, None, 11)
    rsi = next(change for change in listed["changes"] if change["condition_id"] == RSI)
    assert (rsi["condition"], rsi["subscriptions"]) == ("BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30", 2)
    assert rsi["why"] == "the formula of rsi changed from version 1 to 7"
    assert all(change["condition_id"] in out.replace("\n", "") for change in listed["changes"])
    assert "nothing was changed" in err
    assert f"{len(listed['changes'])} conditions would change" in err


def test_an_upgrade_does_what_the_dry_run_said_and_can_be_taken_back(yesterday: Run) -> None:
    before = files_in("data/store")
    with formulas(rsi=7):
        assert yesterday("status")[0] == 1, "not before the upgrade"
        planned = json.loads(yesterday("store", "migrate", "--dry-run", "--json")[1])["changes"]
        code, out, err = yesterday("store", "migrate", "--json")
        assert code == 0, err
        done = json.loads(out)
        assert done["changes"] == planned
        assert files_in(done["kept"]) == before
        code, out, err = yesterday("store", "migrate", "--json")
        assert (json.loads(out)["changes"], json.loads(out)["kept"]) == ([], None), "there was nothing left to do"

        status = json.loads(yesterday("status", "--json")[1])
        assert (status["conditions"], status["superseded"]) == (9, len(planned))
        listed = {one["condition_id"]: one for one in json.loads(yesterday("conditions", "list", "--json")[1])}
        new = next(change["superseded_by"] for change in planned if change["condition_id"] == RSI)
        assert (listed[RSI]["state"], listed[RSI]["superseded_by"], listed[RSI]["triggers"]) == ("superseded", new, 4)
        assert (listed[new]["state"], listed[new]["superseded_by"]) == ("judged", None)
        code, out, err = yesterday("conditions", "explain", RSI, "--json")
        assert code == 0, err
        assert (json.loads(out)["condition_id"], json.loads(out)["superseded_by"]) == (new, new)
        assert f"{RSI} is superseded by {new}" in err
        code, out, err = yesterday("verify", "--json")
        verified = json.loads(out)
        assert (code, verified["differences"]) == (0, [])
        assert verified["triggers"] + verified["unverifiable"] == 175
        assert "triggers of conditions that upgrades of the hub have superseded" in yesterday("verify")[1].replace(
            "\n", " "
        )
    code, out, err = yesterday("store", "restore", done["kept"], "--yes")
    assert code == 0, err
    with open_store("duckdb:data/store") as store:
        assert store.registry.successor(RSI) == Condition.parse("BTCUSDT 1h: rsi(14) crosses_below 30").id


def test_an_upgrade_needs_the_files_for_itself(yesterday: Run) -> None:
    hold = "import duckdb, sys; owned = duckdb.connect('data/store/registry.duckdb'); print(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        for arguments in (["--dry-run"], []):
            code, out, err = yesterday("store", "migrate", *arguments)
            assert (code, out) == (1, "")
            assert f"process {owner.pid}" in err
    assert not list(Path("data").glob("store.*"))
