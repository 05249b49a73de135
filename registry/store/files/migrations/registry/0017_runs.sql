-- What flow runs leave behind when they fail, and what audits say.

CREATE TABLE failed_runs (
    run_id     VARCHAR      NOT NULL,
    deployment VARCHAR      NOT NULL,           -- "tick/1m"
    state      VARCHAR      NOT NULL,           -- "Failed", "Crashed", "TimedOut", as Prefect names it
    message    VARCHAR      NOT NULL,
    failed_at  TIMESTAMP_MS NOT NULL
);

-- A deployment is failing while its newest failure is newer than its newest row here.
CREATE TABLE recovered_deployments (
    deployment   VARCHAR      NOT NULL,
    recovered_at TIMESTAMP_MS NOT NULL
);

CREATE TABLE audits (
    run_id       VARCHAR      NOT NULL,
    since        TIMESTAMP_MS NOT NULL,         -- candles that close after this,
    until        TIMESTAMP_MS NOT NULL,         -- and by this
    conditions   BIGINT       NOT NULL,
    groups       BIGINT       NOT NULL,
    triggers     BIGINT       NOT NULL,
    differences  BIGINT       NOT NULL,
    revised      BIGINT       NOT NULL,
    unreadable   BIGINT       NOT NULL,
    unverifiable BIGINT       NOT NULL,
    examples     VARCHAR[]    NOT NULL,         -- the first differences, in words
    audited_at   TIMESTAMP_MS NOT NULL
);
