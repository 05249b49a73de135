-- What a candle was before a rebase took its newest revision: the ticks until then were judged from it.

CREATE TABLE candle_superseded (
    series_id USMALLINT    NOT NULL,
    open_time TIMESTAMP_MS NOT NULL,
    open      DOUBLE,                           -- null: there was no candle
    high      DOUBLE,
    low       DOUBLE,
    close     DOUBLE,
    volume    DOUBLE,
    rebase    INTEGER      NOT NULL             -- the rebase that ended it
);

ALTER TABLE candle_revisions ADD COLUMN filled BOOLEAN DEFAULT false;
