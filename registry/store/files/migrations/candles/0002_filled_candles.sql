-- Marks candles that stand for slots in which nothing was traded.

ALTER TABLE candles ADD COLUMN filled BOOLEAN DEFAULT false;
