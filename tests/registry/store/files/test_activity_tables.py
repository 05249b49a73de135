"""What the owner keeps in memory about when conditions are judged."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import StaleTick
from registry.conditions import Condition
from registry.instruments import Listing
from registry.store.files import activity_tables
from registry.store.files.file_store import FileStore
from tests.registry.store.ticks import BTC, HOUR, tick

LATER = 9 * HOUR


def test_beginnings_are_kept_for_ticks_under_way_and_not_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_tables, "_MOST_BEGUN", 3)
    with FileStore(tmp_path) as store:
        store.candles.list_instruments([Listing(BTC.base.instrument)])
        versions = []
        for level in range(20, 30):
            store.registry.register([Condition.parse(f"BTCUSDT 1h: rsi(14) < {level}")], active_from_ms=LATER)
            versions.append(store.registry.version())
        record = tick(HOUR, (BTC, None))
        with pytest.raises(StaleTick, match="many changes ago"):
            store.ticks.record_tick(replace(record, registry_version=versions[-5]))
        # What began since then is known, and concerns other candles.
        store.ticks.record_tick(replace(record, registry_version=versions[-4]))
        with pytest.raises(StaleTick, match="became active"):
            store.ticks.record_tick(replace(tick(LATER + HOUR, (BTC, HOUR)), registry_version=versions[-4]))
        store.ticks.record_tick(replace(tick(LATER + HOUR, (BTC, HOUR)), registry_version=versions[-1]))
        assert len(store.registry._activity._begun) == 3
