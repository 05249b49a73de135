"""The command line works through the process that owns the store as it works on the files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from common.settings import Settings
from registry.store.files.file_store import FileStore
from registry.store.remote import http_store
from registry.store.remote.token import owner_token
from tests.hub.cli.test_audit import TEXT, Run, hourly, hub
from tests.registry.store.serving import serving

__all__ = ["hourly", "hub"]

READS = (
    ("status",),
    ("candles", "list"),
    ("candles", "quarantine"),
    ("candles", "revisions"),
    ("conditions", "list"),
    ("conditions", "explain", TEXT),
    ("verify",),
)


@pytest.fixture
def owner(hub: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileStore]:
    """A process that owns the store in which one condition has been judged; its token is in the data folder."""
    token = owner_token(Settings(_env_file=None))
    with FileStore(Path("data/store")) as store, serving(store, token=token) as url:
        monkeypatch.setenv("HUB_STORE_URL", url)
        yield store


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_commands_show_the_same_as_on_the_files(
    hub: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def shown() -> tuple[int, str, str]:
        code, out, err = hub(*command, "--json")
        # What depends on the clock.
        return code, re.sub(r'"(at|lag_s)": .*', "", out), err

    on_files = shown()
    request.getfixturevalue("owner")
    assert shown() == on_files
    assert on_files[0] == 0


def test_commands_that_write_write_into_the_owners_files(
    hub: Run, owner: FileStore, tmp_path: Path, sample: pl.DataFrame
) -> None:
    sample.filter((pl.col("symbol") == "ETHUSDT") & (pl.col("timeframe") == "1h")).write_parquet("eth.parquet")
    code, out, err = hub("candles", "import", "eth.parquet", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["inserted"] > 0
    assert "ETHUSDT" in {instrument.symbol for instrument in owner.candles.instruments()}
    code, condition_id, err = hub("conditions", "register", "ETHUSDT 1h: rsi(14) < 30")
    assert code == 0, err
    assert owner.registry.condition(condition_id.strip()) is not None
    code, _, err = hub("candles", "rebase", "BTCUSDT 1h", "--yes")
    assert code == 0, err
    assert owner.ticks.last_rebase() == 1


def test_a_wrong_token_and_an_owner_that_is_away_are_said(
    hub: Run, owner: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_STORE_TOKEN", "wrong")
    code, out, err = hub("status")
    assert (code, out) == (1, "")
    assert "rejects this token" in err
    assert "HUB_STORE_TOKEN" in err
    monkeypatch.setattr(http_store, "_PATIENCE_AT_FIRST_S", 0.1)
    monkeypatch.setenv("HUB_STORE_URL", "http://127.0.0.1:9")
    code, out, err = hub("status")
    assert (code, out) == (1, "")
    assert "hub up" in err
