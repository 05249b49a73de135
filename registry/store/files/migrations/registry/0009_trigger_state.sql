-- What each condition has done up to some seq; the triggers after it are counted when the file is opened.

CREATE TABLE condition_state (
    condition_id    VARCHAR      NOT NULL,
    triggers        BIGINT       NOT NULL,
    last_close_time TIMESTAMP_MS NOT NULL,
    last_seq        BIGINT       NOT NULL
);

INSERT INTO condition_state
SELECT condition_id, count(*), max(close_time), max(seq) FROM condition_triggers GROUP BY condition_id;

-- Ranges of seq that no trigger of this store has: an event log that was ahead of it used them.
CREATE TABLE seq_gaps (
    first_seq  BIGINT       NOT NULL,
    last_seq   BIGINT       NOT NULL,
    created_at TIMESTAMP_MS NOT NULL
);

-- Triggers that were taken from an event log, and that a tick may bring again.
CREATE TABLE adopted_triggers (
    trigger_id VARCHAR NOT NULL,
    seq        BIGINT  NOT NULL
);

-- A tick whose answer got lost is sent again and known by its token.
ALTER TABLE ticks ADD COLUMN token VARCHAR;
ALTER TABLE ticks ADD COLUMN first_seq BIGINT;
ALTER TABLE ticks ADD COLUMN last_seq BIGINT;
