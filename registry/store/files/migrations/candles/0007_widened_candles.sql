-- Marks candles whose low to high was widened to an open outside it, as whoever imported them asked for.

ALTER TABLE candles ADD COLUMN widened BOOLEAN DEFAULT false;
ALTER TABLE candle_revisions ADD COLUMN widened BOOLEAN DEFAULT false;
