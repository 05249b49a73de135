"""Fills a store with what years of many users leave behind, in a few statements of SQL instead of years."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from registry.conditions import Condition
from registry.store.files.file_store import FileStore

START_MS = 1_735_689_600_000
"""2025-01-01."""
TIMEFRAMES = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}


@dataclass(frozen=True)
class BigStore:
    """How much there is."""

    triggers: int
    ticks: int
    conditions: int
    subscriptions: int
    users: int
    instruments: int
    candles: int = 3
    """Of each series, up to the end."""

    @property
    def end_ms(self) -> int:
        """Close time of the newest tick: a tick a minute, and of longer timeframes when their candles close."""
        return START_MS + self.minutes * TIMEFRAMES["1m"]

    @property
    def minutes(self) -> int:
        """How many minutes the ticks are spread over."""
        return round(self.ticks / sum(TIMEFRAMES["1m"] / length for length in TIMEFRAMES.values()))

    def condition(self, number: int) -> Condition:
        """A condition, by its number from 0: the first fire most often."""
        instrument, rest = number % self.instruments, number // self.instruments
        timeframe, level = list(TIMEFRAMES)[rest % len(TIMEFRAMES)], rest // len(TIMEFRAMES)
        return Condition.parse(f"BINANCE:C{instrument}USDT {timeframe}: rsi(14) < {level}")


def fill(folder: Path, size: BigStore) -> None:
    """Make a store of that size in an empty folder."""
    FileStore(folder).close()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for catalog in ("registry", "candles"):
            connection.execute(f"ATTACH '{folder / catalog}.duckdb' AS {catalog}")
        connection.execute(
            "CREATE TEMP TABLE frames AS SELECT unnest(?) AS timeframe, unnest(?) AS length, unnest(range(?)) AS n",
            [list(TIMEFRAMES), list(TIMEFRAMES.values()), len(TIMEFRAMES)],
        )
        values = {
            "start": START_MS,
            "end": size.end_ms,
            "minutes": size.minutes,
            "frames": len(TIMEFRAMES),
            "versions": size.condition(0).definition_versions,
            **{
                name: getattr(size, name)
                for name in ("triggers", "conditions", "subscriptions", "users", "instruments", "candles")
            },
        }
        for catalog, statements in (("candles", _CANDLE_STATEMENTS), ("registry", _REGISTRY_STATEMENTS)):
            # A transaction may write only one file.
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement.format(**values))
            connection.execute("COMMIT")
            connection.execute(f"CHECKPOINT {catalog}")


_CANDLE_STATEMENTS = (
    """
    INSERT INTO candles.instruments BY NAME
    SELECT 'BINANCE' AS exchange, 'C' || i || 'USDT' AS symbol, '24x7' AS calendar, [] AS aliases,
        make_timestamp_ms({start})::TIMESTAMP_MS AS created_at FROM range({instruments}) r(i)
    """,
    """
    INSERT INTO candles.series
    SELECT i * {frames} + n, 'BINANCE:C' || i || 'USDT ' || timeframe, 'BINANCE', 'C' || i || 'USDT', timeframe
    FROM range({instruments}) r(i), frames
    """,
    """
    INSERT INTO candles.candles BY NAME
    SELECT i * {frames} + n AS series_id,
        make_timestamp_ms({end} - {end} % length - (k + 1) * length)::TIMESTAMP_MS AS open_time,
        1.0 AS open, 2.0 AS high, 0.5 AS low, 1.5 + 0.4 * sin(k) AS close, 10.0 AS volume
    FROM range({instruments}) r(i), frames, range({candles}) c(k) ORDER BY series_id, open_time
    """,
)

_REGISTRY_STATEMENTS = (
    """
    CREATE TEMP TABLE wanted AS
    SELECT *, left(sha256('v1|{versions}|' || canonical), 32) AS condition_id
    FROM (SELECT *, series || ': rsi(14, close) < ' || level AS canonical FROM (
        SELECT i, 'C' || i % {instruments} || 'USDT' AS symbol, timeframe,
            'BINANCE:C' || i % {instruments} || 'USDT ' || timeframe AS series, i // {instruments} // {frames} AS level
        FROM range({conditions}) r(i) JOIN frames ON n = i // {instruments} % {frames}
    ))
    """,
    """
    INSERT INTO registry.condition_registry BY NAME
    SELECT condition_id, 1 AS revision, canonical,
        series || ': rsi(14) < ' || level AS text, 'BINANCE' AS exchange, symbol, timeframe, series AS group_key,
        '{versions}' AS definition_versions, make_timestamp_ms({start})::TIMESTAMP_MS AS active_from,
        make_timestamp_ms({start} + i)::TIMESTAMP_MS AS created_at
    FROM wanted ORDER BY i
    """,
    """
    INSERT INTO registry.condition_activity
    SELECT condition_id, make_timestamp_ms({start})::TIMESTAMP_MS, NULL, make_timestamp_ms({start})::TIMESTAMP_MS
    FROM wanted
    """,
    """
    INSERT INTO registry.unjudged_conditions
    SELECT condition_id, 'err', 'it cannot be judged', make_timestamp_ms({start})::TIMESTAMP_MS,
        make_timestamp_ms({start})::TIMESTAMP_MS
    FROM wanted WHERE i % 1000 = 999
    """,
    """
    INSERT INTO registry.user_condition_subscriptions BY NAME
    SELECT 'user ' || s.i % {users} AS user_id, 'bot ' || s.i // {users} AS bot_id, condition_id, 1 AS revision,
        s.i + 1 AS change, 'active' AS state, 'dca' AS bot_type, '{{"baseOrderSize":100}}' AS bot_config,
        hash(s.i) AS content, make_timestamp_ms({start})::TIMESTAMP_MS AS active_from,
        make_timestamp_ms({start})::TIMESTAMP_MS AS subscribed_at, 0 AS cooldown_s, false AS settled_only,
        false AS fire_if_true, false AS while_true, make_timestamp_ms({start})::TIMESTAMP_MS AS created_at
    FROM (SELECT i, (hash(i) % {conditions})::BIGINT AS number FROM range({subscriptions}) r(i)) s
    JOIN wanted w ON w.i = s.number ORDER BY s.i
    """,
    """
    INSERT INTO registry.series_anchors BY NAME
    SELECT 'BINANCE:C' || i || 'USDT ' || timeframe AS series, make_timestamp_ms({start})::TIMESTAMP_MS AS anchor,
        0 AS rebase, make_timestamp_ms({start})::TIMESTAMP_MS AS created_at
    FROM range({instruments}) r(i), frames
    """,
    """
    INSERT INTO registry.ticks BY NAME
    SELECT row_number() OVER (ORDER BY minute, n) AS tick_id, timeframe, minute % 500 = 0 AS late,
        make_timestamp_ms({start} + minute * 60000)::TIMESTAMP_MS AS close_time,
        make_timestamp_ms({start} + minute * 60000 + 300)::TIMESTAMP_MS AS judged_at,
        {instruments} AS groups, 0 AS holes, 10 AS triggers, 50000 AS subscriptions, 16000 AS conditions,
        3000 AS indicators, {instruments} AS series, 60000 AS isolated_indicators, 55000 AS isolated_loads,
        20000 AS equal_sharing_indicators, 18000 AS equal_sharing_loads, 4000 AS load_us, 9000 AS indicators_us,
        3000 AS judge_us, '2026.2' AS zones_version, 1 AS first_seq, 0 AS last_seq
    FROM range(1, {minutes} + 1) r(minute) JOIN frames ON minute * 60000 % length = 0 ORDER BY minute, n
    """,
    """
    INSERT INTO registry.tick_runs BY NAME
    SELECT 'run ' || tick_id AS run_id, timeframe, close_time AS tick, 1 AS ticks, 10 AS triggers, 500 AS prepare_us,
        5000 AS record_us, 2000 AS publish_us, judged_at AS finished_at, tick_id AS number,
        {conditions} // {frames} AS plan_conditions, 3000 AS plan_indicators, {instruments} AS plan_series
    FROM registry.ticks ORDER BY tick_id
    """,
    """
    INSERT INTO registry.group_watermarks
    SELECT 'BINANCE:C' || i || 'USDT ' || timeframe, timeframe, make_timestamp_ms({end} - {end} % length)::TIMESTAMP_MS,
        (SELECT max(tick_id) FROM registry.ticks)
    FROM range({instruments}) r(i), frames
    """,
    """
    INSERT INTO registry.registry_sizes
    SELECT make_timestamp_ms({start} + hour * 3600000)::TIMESTAMP_MS, {conditions}, {conditions}, {subscriptions},
        {users}, {subscriptions} // {users}
    FROM range({minutes} // 60) r(hour)
    """,
    # Some conditions fire every day, others once in months.
    """
    INSERT INTO registry.condition_triggers BY NAME
    SELECT t.seq, w.condition_id || ':' || t.close_ms AS trigger_id, w.condition_id, 'BINANCE' AS exchange, w.symbol,
        w.timeframe, make_timestamp_ms(t.close_ms - 60000)::TIMESTAMP_MS AS open_time,
        make_timestamp_ms(t.close_ms)::TIMESTAMP_MS AS close_time, 1.5 AS price,
        '{{"rsi(14, close)":' || t.seq % 100 || '}}' AS "values", true AS settled, false AS late,
        '{versions}' AS definition_versions, make_timestamp_ms(t.close_ms + 300)::TIMESTAMP_MS AS emitted_at,
        ('0x' || w.condition_id[:8])::UINTEGER AS condition_key
    FROM (
        SELECT i + 1 AS seq, {start} + (i * {minutes} // {triggers} + 1) * 60000 AS close_ms,
            least({conditions} - 1, (pow(hash(i) % 1000003 / 1000003, 2) * {conditions})::BIGINT) AS number
        FROM range({triggers}) r(i)
    ) t JOIN wanted w ON w.i = t.number ORDER BY t.seq
    """,
)
