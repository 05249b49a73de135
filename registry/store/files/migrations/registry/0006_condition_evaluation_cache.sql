-- Where each indicator of a series was after some candle: what a cold process goes on from.
CREATE TABLE condition_evaluation_cache (
    checkpoint_id BIGINT NOT NULL,
    series VARCHAR NOT NULL,
    -- Name, definition version, parameters and source; empty for the series itself.
    indicator VARCHAR NOT NULL,
    -- Open times in milliseconds: of the first candle that counts, and of the last.
    anchor_ms BIGINT NOT NULL,
    open_ms BIGINT NOT NULL,
    candles BIGINT NOT NULL,
    -- float64 numbers, little-endian: the state, then the values that its windows look back on.
    state BLOB NOT NULL,
    saved_at TIMESTAMP NOT NULL
);
