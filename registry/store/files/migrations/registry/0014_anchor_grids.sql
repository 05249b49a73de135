-- Where the slots of a series begin is fixed with its anchor. Until now all series were on the grid of UTC.
ALTER TABLE registry.series_anchors ADD COLUMN grid VARCHAR;
