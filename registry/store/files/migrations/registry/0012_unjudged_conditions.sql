-- Conditions that are registered and not judged, and why. The newest row of a condition counts.

CREATE TABLE unjudged_conditions (
    condition_id VARCHAR      NOT NULL,
    state        VARCHAR      NOT NULL,         -- err: a tick could not judge it; retired: by an operator; judged: again
    reason       VARCHAR      NOT NULL,
    since        TIMESTAMP_MS NOT NULL,
    created_at   TIMESTAMP_MS NOT NULL
);
