-- Where the slots of a series begin, fixed with its anchor; NULL is the grid of UTC.
ALTER TABLE registry.series_anchors ADD COLUMN grid VARCHAR;
