-- A rebase gives series new anchors: from then on they are judged from their corrected candles.

ALTER TABLE series_anchors ADD COLUMN rebase INTEGER DEFAULT 0;         -- 0: set by the series' first tick
ALTER TABLE series_anchors ADD COLUMN created_at TIMESTAMP_MS;

CREATE TABLE rebase_watermarks (
    rebase    INTEGER      NOT NULL,
    group_key VARCHAR      NOT NULL,
    watermark TIMESTAMP_MS NOT NULL             -- up to here the group was judged from the anchors before
);
