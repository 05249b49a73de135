"""What is asked of exchanges through the hub, and where those series stand."""

import pytest

from common.errors import DemandRefused
from registry.groups import Series
from registry.store.files import live_memory
from registry.store.files.live_memory import LiveMemory
from registry.store.parts.live import Demands, SeriesDemand, SeriesState
from registry.store.protocol import Store

BTC, ETH = Series.parse("BINANCE:BTCUSDT 1m"), Series.parse("BINANCE:ETHUSDT 1m")


def test_a_demand_is_kept_from_the_earliest_time_that_anybody_wanted(store: Store) -> None:
    before = store.live.version()
    store.live.demand(Demands(("BINANCE",), (SeriesDemand(BTC, 500), SeriesDemand(ETH, 100))))
    store.live.demand(Demands(series=(SeriesDemand(BTC, 200),)))
    version = store.live.version()
    assert version > before
    store.live.demand(Demands(("BINANCE",), (SeriesDemand(BTC, 300),)))
    assert store.live.version() == version, "nothing more is wanted"
    assert store.live.demands() == Demands(("BINANCE",), (SeriesDemand(BTC, 200), SeriesDemand(ETH, 100)))


def test_a_state_is_told_of_what_is_demanded(store: Store) -> None:
    assert not store.live.is_followed()
    store.live.demand(Demands(series=(SeriesDemand(BTC, 0),)))
    forming = SeriesState(BTC, from_ms=0, until_ms=60_000, forming=(60_000.0, 1.0, 2.0, 0.5, 1.5, 10.0))
    store.live.report([forming, SeriesState(ETH, 0, 0)])
    assert store.live.is_followed()
    assert store.live.state(BTC) == forming
    assert store.live.states() == [forming]
    assert store.live.state(ETH) is None, "nobody reads it any more"


def test_nothing_is_known_once_ingest_is_silent_and_a_demand_ends_after_a_day() -> None:
    now_s = 0.0
    live = LiveMemory(lambda: now_s)
    live.demand(Demands(("BINANCE",), (SeriesDemand(BTC, 0),)))
    live.report([SeriesState(BTC, 0, 60_000)])
    now_s = 11.0
    assert live.state(BTC) is None
    assert live.states() == []
    now_s = 25 * 3600.0
    assert live.demands() == Demands()


def test_more_series_than_an_exchange_can_push_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_memory, "MOST_SERIES", 1)
    live = LiveMemory()
    live.demand(Demands(series=(SeriesDemand(BTC, 0),)))
    live.demand(Demands(series=(SeriesDemand(BTC, 0),)))
    with pytest.raises(DemandRefused, match="1 are the most"):
        live.demand(Demands(series=(SeriesDemand(ETH, 0),)))
