"""Candles for files that tests make up, and the rows that are to be read from them."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from candles.files.raw import RawCandles

Candle = tuple[float, float, float, float, float]

START = datetime(2024, 1, 15, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = {"symbol": "BTCUSD", "timeframe": "1h"}
NAMES = ("open", "high", "low", "close", "volume")
a_file = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def walks(draw: st.DrawFn, least: int = 6) -> list[Candle]:
    """Candles, each of which opens where the one before it closed, with a range, and volumes far from the prices."""
    count = draw(st.integers(least, 24))
    price = draw(st.sampled_from([0.0042, 1.0832, 187.5, 43_000.0]))
    candles: list[Candle] = []
    for move in draw(st.lists(st.sampled_from([-3, -2, -1, 1, 2, 3]), min_size=count, max_size=count)):
        close = price * (1 + move / 100)
        low, high = min(price, close) * 0.995, max(price, close) * 1.005
        candles.append((price, high, low, close, 5e6 + 1e4 * len(candles)))
        price = close
    return candles


def moments(count: int) -> list[datetime]:
    return [START + n * HOUR for n in range(count)]


def rows_of(raw: RawCandles) -> list[tuple[object, ...]]:
    assert raw.rows["problem"].null_count() == raw.rows.height
    return raw.rows.sort("open_time").select("open_time", *NAMES).rows()


def expected(candles: list[Candle]) -> list[tuple[object, ...]]:
    return [(moment, *candle) for moment, candle in zip(moments(len(candles)), candles, strict=True)]


def table(columns: dict[str, list[str]], delimiter: str = ",", *, header: bool = True) -> str:
    lines = [delimiter.join(row) for row in zip(*columns.values(), strict=True)]
    return "\n".join([delimiter.join(columns), *lines] if header else lines) + "\n"


def values(candles: list[Candle]) -> dict[str, list[str]]:
    return {name: [repr(candle[n]) for candle in candles] for n, name in enumerate(NAMES)}
