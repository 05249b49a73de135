-- What exchanges say of an instrument. It is known by it, with or without candles.

ALTER TABLE instruments ADD COLUMN aliases VARCHAR[];         -- other symbols of it at the same exchange
ALTER TABLE instruments ADD COLUMN tick_size DOUBLE;          -- smallest step of its price
ALTER TABLE instruments ADD COLUMN lot_size DOUBLE;           -- smallest step of an amount
ALTER TABLE instruments ADD COLUMN first_open_time TIMESTAMP_MS; -- of the first candle that there ever was

UPDATE instruments SET aliases = [];
