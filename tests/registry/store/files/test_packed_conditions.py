"""The trees that are stored beside the texts of conditions: made by upgrades, checked, never trusted blindly."""

from dataclasses import fields
from pathlib import Path

import duckdb
import polars as pl
import pytest

from registry.conditions import Condition
from registry.language.packed import Unreadable, pack, unpack
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import read_condition
from tests.registry.store.files.yesterday import old_store

SUBJECT = "the packed trees of conditions are what their texts say"
RSI = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
CLOSE = Condition.parse("BTCUSDT 1h: close > sma(20)@4h")


def problem(store: FileStore) -> str | None:
    (finding,) = (each for each in store.check() if each.subject == SUBJECT)
    return finding.problem


@pytest.fixture
def folder(tmp_path: Path, sample: pl.DataFrame) -> Path:
    """A closed store with two conditions."""
    with FileStore(tmp_path / "store") as store:
        store.candles.upsert(sample.filter(pl.col("symbol") == "BTCUSDT").head(10))
        store.registry.register([RSI, CLOSE], active_from_ms=0)
    return tmp_path / "store"


def replace_packed(folder: Path, packed: bytes | None) -> None:
    with duckdb.connect(str(folder / "registry.duckdb")) as registry:
        registry.execute("UPDATE condition_registry SET packed = ? WHERE condition_id = ?", [packed, RSI.id])


def test_an_upgrade_packs_what_an_older_version_has_stored(tmp_path: Path) -> None:
    folder = old_store(tmp_path)
    with FileStore(folder) as store:
        conditions = store.registry.conditions()
        assert len(conditions) == 9
        for stored in conditions:
            read = Condition.restored(stored.text)
            assert unpack((stored.condition_id, stored.canonical, stored.text), stored.packed) == (
                read.tree,
                read.surface,
            )
        assert problem(store) is None


def test_a_condition_is_read_without_its_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileStore(folder) as store:
        stored = store.registry.condition(CLOSE.id)
    assert stored is not None

    def refuse(spelling: str) -> Condition:
        raise AssertionError(f"{spelling} was read")

    monkeypatch.setattr(Condition, "restored", refuse)
    condition = read_condition(stored)
    for field in fields(Condition):
        if field.init:
            assert getattr(condition, field.name) == getattr(CLOSE, field.name), field.name


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(None, id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x01not a tree", id="not a tree"),
        pytest.param(pack(CLOSE.names, CLOSE.tree, CLOSE.surface), id="another condition's"),
        pytest.param(pack(RSI.names, RSI.tree, RSI.surface)[:-1], id="cut short"),
    ],
)
def test_where_the_trees_are_not_usable_the_text_is_read(folder: Path, packed: bytes | None) -> None:
    replace_packed(folder, packed)
    with FileStore(folder) as store:
        stored = store.registry.condition(RSI.id)
        assert stored is not None
        with pytest.raises(Unreadable):
            unpack(RSI.names, stored.packed)
        condition = read_condition(stored)
        assert (condition.tree, condition.surface) == (RSI.tree, RSI.surface)
        assert (problem(store) is None) == (packed is None), "none is what an upgrade fills in"


def test_a_check_notices_the_trees_of_another_text(folder: Path) -> None:
    replace_packed(folder, pack(RSI.names, CLOSE.tree, CLOSE.surface))
    with FileStore(folder) as store:
        assert problem(store) == f"does not hold for 1, such as {RSI.id}"
