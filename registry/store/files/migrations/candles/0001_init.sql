-- Candles and what is known of them. Times are UTC. No key or index: one process writes, and upserts are bounded in time.

CREATE TABLE instruments (
    exchange   VARCHAR      NOT NULL,
    symbol     VARCHAR      NOT NULL,
    calendar   VARCHAR      NOT NULL,           -- 24x7
    created_at TIMESTAMP_MS NOT NULL
);

CREATE TABLE series (
    series_id USMALLINT NOT NULL,
    series    VARCHAR   NOT NULL,               -- BINANCE:BTCUSDT 1h
    exchange  VARCHAR   NOT NULL,
    symbol    VARCHAR   NOT NULL,
    timeframe VARCHAR   NOT NULL
);

CREATE TABLE candles (
    series_id USMALLINT    NOT NULL,
    open_time TIMESTAMP_MS NOT NULL,
    open      DOUBLE       NOT NULL,
    high      DOUBLE       NOT NULL,
    low       DOUBLE       NOT NULL,
    close     DOUBLE       NOT NULL,
    volume    DOUBLE       NOT NULL
);

-- Versions of a candle that came after it was judged: listed, compared, never judged.
CREATE TABLE candle_revisions (
    series_id  USMALLINT    NOT NULL,
    open_time  TIMESTAMP_MS NOT NULL,
    open       DOUBLE       NOT NULL,
    high       DOUBLE       NOT NULL,
    low        DOUBLE       NOT NULL,
    close      DOUBLE       NOT NULL,
    volume     DOUBLE       NOT NULL,
    created_at TIMESTAMP_MS NOT NULL
);

CREATE TABLE candle_quarantine (
    exchange   VARCHAR,
    symbol     VARCHAR,
    timeframe  VARCHAR,
    open_time  TIMESTAMP_MS,
    open       DOUBLE,
    high       DOUBLE,
    low        DOUBLE,
    close      DOUBLE,
    volume     DOUBLE,
    reason     VARCHAR      NOT NULL,
    source     VARCHAR      NOT NULL,           -- file name
    line       BIGINT       NOT NULL,
    created_at TIMESTAMP_MS NOT NULL
);
