-- A name that the store and its backups share, and no other store: the event log is marked with it.
CREATE TABLE store_identity AS SELECT uuid()::VARCHAR AS identity;

-- How far the event log is, looked at once a minute.
CREATE TABLE event_log_readings (
    read_at       TIMESTAMP_MS NOT NULL,
    stored_seq    BIGINT       NOT NULL,        -- of the newest trigger
    published_seq BIGINT       NOT NULL,        -- of the newest event
    events        BIGINT       NOT NULL,        -- that the stream holds
    bytes         BIGINT       NOT NULL,        -- of memory that the stream takes
    lags          JSON         NOT NULL         -- consumer group -> events that it has not applied
);
