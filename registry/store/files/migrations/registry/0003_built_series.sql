-- Where the candles of a judged series come from is fixed with its anchor.

ALTER TABLE series_anchors ADD COLUMN built_from VARCHAR; -- timeframe that it is built from; null: its own candles
