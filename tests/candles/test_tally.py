"""The sums of ingest in the data folder: whoever fetches adds to them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from candles.tally import NAME, ExchangeTally, Tally


def test_processes_that_fetch_side_by_side_lose_no_count(tmp_path: Path) -> None:
    def fetch(name: str) -> None:
        for _ in range(50):
            Tally.add(tmp_path, Tally({name: ExchangeTally(2, 1, 0), "BOTH": ExchangeTally(1)}, 3, 1))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fetch, ("BINANCE", "OKX")))
    sums = Tally.read(tmp_path)
    assert sums == Tally(
        {"BINANCE": ExchangeTally(100, 50, 0), "OKX": ExchangeTally(100, 50, 0), "BOTH": ExchangeTally(100)}, 300, 100
    )
    assert sums.requests == 300
    assert [place.name for place in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_only_what_came_since_is_added(tmp_path: Path) -> None:
    earlier = Tally({"BINANCE": ExchangeTally(5, 4, 1)}, 7, 1)
    Tally.add(tmp_path, earlier)
    later = Tally({"BINANCE": ExchangeTally(6, 4, 1), "OKX": ExchangeTally(1)}, 9, 1)
    Tally.add(tmp_path, later.since(earlier))
    assert Tally.read(tmp_path) == later


def test_where_nothing_was_fetched_there_are_no_sums(tmp_path: Path) -> None:
    assert Tally.read(tmp_path) is None
