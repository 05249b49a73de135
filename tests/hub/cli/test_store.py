"""``hub store``: backup and restore, schema and checks, on the files and through their owner."""

import json
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
from tests.registry.store.serving import serving

BTC = Series.parse("BINANCE:BTCUSDT 1h")


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
    assert eth["first_open_ms"] is not None
    assert known["BINANCE:BTCUSDT"]["candles"]
    assert "XETUSDT" in shell("instruments", "list")[1]
    code, condition_id, err = shell("conditions", "register", "XETUSDT 1h: rsi < 30")
    assert (code, condition_id.strip()) == (0, Condition.parse("ETHUSDT 1h: rsi < 30").id)
    assert "no candles of BINANCE:ETHUSDT 1h yet" in err
    assert json.loads(shell("conditions", "register", "ETHUSDT 1h: rsi < 30", "--json")[1])["data"] == "missing"
    assert json.loads(shell("conditions", "register", "BTCUSDT 1h: rsi < 30", "--json")[1])["data"] == "ready"
