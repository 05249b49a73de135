"""An upgrade of the time zone rules that would change what was recorded is refused; any other is taken over."""

from pathlib import Path

import duckdb
import pytest

from common.clock import ReplayClock
from common.errors import ZoneRulesChanged
from common.timeframes import read_time
from common.zones import KNOWN_YEARS_MS, ZONES_VERSION, offset_changes
from registry.conditions import Condition
from registry.instruments import Instrument, Listing
from registry.store import open_store

NOW = read_time("2024-11-03 12:00")
NEW_YORK = Condition.parse("BTCUSDT 1h: close > 1 and during(09:30-16:00, mon-fri, America/New_York)")
TOKYO = Condition.parse("BTCUSDT 1h: close > 1 and not during(09:00-10:00, tue, Asia/Tokyo)")
NOWHERE = Condition.parse("BTCUSDT 1h: close > 1 and during(09:00-10:00)")


def rows(folder: Path) -> list[tuple[str, str, str]]:
    with duckdb.connect(folder / "registry.duckdb") as connection:
        return connection.execute("SELECT zone, zones_version, offsets FROM zone_rules ORDER BY rowid").fetchall()


def register(folder: Path, *conditions: Condition) -> None:
    with open_store(f"duckdb:{folder}", clock=ReplayClock(NOW)) as store:
        store.candles.list_instruments([Listing(Instrument("BINANCE", symbol)) for symbol in ("BTCUSDT", "ETHUSDT")])
        store.registry.register(list(conditions), active_from_ms=NOW)


def judged_by_older_rules(folder: Path, zone: str, changes: list[tuple[int, int]]) -> None:
    """As if the zone's conditions had been judged by another release with these changes."""
    with duckdb.connect(folder / "registry.duckdb") as connection:
        offsets = " ".join(f"{since}:{offset}" for since, offset in changes)
        connection.execute(
            "UPDATE zone_rules SET zones_version = '2001.1', offsets = ? WHERE zone = ?", [offsets, zone]
        )


def test_the_rules_of_zones_in_use_are_kept_once(tmp_path: Path) -> None:
    register(tmp_path, NEW_YORK, NOWHERE)
    register(tmp_path, TOKYO, Condition.parse("ETHUSDT 1h: close > 1 and during(mon, Asia/Tokyo)"))
    register(tmp_path, Condition.parse("ETHUSDT 4h: close > 1 and during(mon, America/New_York)"))
    kept = rows(tmp_path)
    assert [(zone, version) for zone, version, _ in kept] == [
        ("America/New_York", ZONES_VERSION),
        ("Asia/Tokyo", ZONES_VERSION),
    ]
    assert kept[1][2] == "0:32400000"


def test_another_past_is_refused_with_the_conditions_and_what_to_do(tmp_path: Path) -> None:
    register(tmp_path, NEW_YORK, TOKYO)
    changes = list(offset_changes("America/New_York", *KNOWN_YEARS_MS))
    # The release that was installed then had summer time end a week earlier in 2023.
    last = max(place for place, (since, _) in enumerate(changes) if since < read_time("2023-12-01"))
    changes[last] = (changes[last][0] - 7 * 86_400_000, changes[last][1])
    judged_by_older_rules(tmp_path, "America/New_York", changes)
    with pytest.raises(ZoneRulesChanged) as caught:
        open_store(f"duckdb:{tmp_path}", clock=ReplayClock(NOW))
    message = str(caught.value)
    assert NEW_YORK.id in message
    assert TOKYO.id not in message
    assert "from 2023-10-29 06:00 UTC on" in message
    assert "Install tzdata==2001.1 again" in message
    assert ZONES_VERSION in message


def test_the_past_of_conditions_that_were_retired_may_change(tmp_path: Path) -> None:
    register(tmp_path, NEW_YORK)
    with open_store(f"duckdb:{tmp_path}", clock=ReplayClock(NOW)) as store:
        store.registry.retire(NEW_YORK.id, "the clocks have changed", at_ms=NOW)
    judged_by_older_rules(tmp_path, "America/New_York", [(0, 0)])
    register(tmp_path, Condition.parse("ETHUSDT 4h: close > 1 and during(mon, America/New_York)"))
    assert [version for _, version, _ in rows(tmp_path)] == ["2001.1", ZONES_VERSION]


def test_another_future_is_taken_over(tmp_path: Path) -> None:
    register(tmp_path, NEW_YORK)
    changes = [change for change in offset_changes("America/New_York", *KNOWN_YEARS_MS) if change[0] <= NOW]
    judged_by_older_rules(tmp_path, "America/New_York", changes)
    for _ in range(2):
        open_store(f"duckdb:{tmp_path}", clock=ReplayClock(NOW)).close()
        assert [version for _, version, _ in rows(tmp_path)] == ["2001.1", ZONES_VERSION]
    judged_by_older_rules(tmp_path, "America/New_York", changes)
    with pytest.raises(ZoneRulesChanged, match="2025-03-09 07:00"):
        open_store(f"duckdb:{tmp_path}", clock=ReplayClock(NOW + 365 * 86_400_000))


def test_a_zone_that_is_gone_is_refused(tmp_path: Path) -> None:
    register(tmp_path, TOKYO)
    with duckdb.connect(tmp_path / "registry.duckdb") as connection:
        connection.execute("UPDATE zone_rules SET zone = 'Asia/Edo', zones_version = '2001.1'")
        connection.execute("UPDATE condition_registry SET canonical = replace(canonical, 'Asia/Tokyo', 'Asia/Edo')")
    with pytest.raises(ZoneRulesChanged, match="no longer have it"):
        open_store(f"duckdb:{tmp_path}", clock=ReplayClock(NOW))
