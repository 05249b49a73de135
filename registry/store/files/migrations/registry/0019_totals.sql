-- Sums over ticks and over flow runs, so that no reader has to add up all of them. Append-only: rows of one hour, day and
-- timeframe add up, and what came after the last of them is added when the file is opened.

CREATE TABLE tick_totals (
    hour                     TIMESTAMP_MS NOT NULL,  -- in which the ticks were judged
    candle_day               TIMESTAMP_MS NOT NULL,  -- on which their candles closed
    timeframe                VARCHAR      NOT NULL,
    last_number              BIGINT       NOT NULL,  -- every tick up to this tick_id is in these rows
    ticks                    BIGINT       NOT NULL,
    late                     BIGINT       NOT NULL,
    groups                   BIGINT       NOT NULL,
    holes                    BIGINT       NOT NULL,
    triggers                 BIGINT       NOT NULL,
    subscriptions            BIGINT       NOT NULL,
    conditions               BIGINT       NOT NULL,
    indicators               BIGINT       NOT NULL,
    series                   BIGINT       NOT NULL,
    isolated_indicators      BIGINT       NOT NULL,
    isolated_loads           BIGINT       NOT NULL,
    equal_sharing_indicators BIGINT       NOT NULL,
    equal_sharing_loads      BIGINT       NOT NULL,
    load_us                  BIGINT       NOT NULL,
    indicators_us            BIGINT       NOT NULL,
    judge_us                 BIGINT       NOT NULL
);

CREATE TABLE run_totals (
    hour        TIMESTAMP_MS NOT NULL,               -- in which the runs finished
    candle_day  TIMESTAMP_MS NOT NULL,               -- of the close time that they advanced to
    timeframe   VARCHAR      NOT NULL,
    last_number BIGINT       NOT NULL,               -- every run up to this number is in these rows
    runs        BIGINT       NOT NULL,
    prepare_us  BIGINT       NOT NULL,
    record_us   BIGINT       NOT NULL,
    publish_us  BIGINT       NOT NULL
);

-- Runs are numbered, and say how large the plan was that they judged; null: not known.
ALTER TABLE tick_runs ADD COLUMN number BIGINT;
ALTER TABLE tick_runs ADD COLUMN plan_conditions BIGINT;
ALTER TABLE tick_runs ADD COLUMN plan_indicators BIGINT;
ALTER TABLE tick_runs ADD COLUMN plan_series BIGINT;
UPDATE tick_runs SET number = n.number
FROM (SELECT rowid AS id, row_number() OVER (ORDER BY finished_at, tick, timeframe, rowid) AS number FROM tick_runs) n
WHERE tick_runs.rowid = n.id;

-- What was registered and wanted, noted with the first tick of each hour.
CREATE TABLE registry_sizes (
    noted_at      TIMESTAMP_MS NOT NULL,
    conditions    BIGINT       NOT NULL,             -- registered
    subscribed    BIGINT       NOT NULL,             -- with an active subscription
    subscriptions BIGINT       NOT NULL,             -- active
    users         BIGINT       NOT NULL,
    bots          BIGINT       NOT NULL
);

-- The first eight hex digits of condition_id: a condition's triggers are found by a number, which is read ten times as
-- fast as the text.
ALTER TABLE condition_triggers ADD COLUMN condition_key UINTEGER;
UPDATE condition_triggers SET condition_key = coalesce(try_cast('0x' || condition_id[:8] AS UINTEGER), 0);
