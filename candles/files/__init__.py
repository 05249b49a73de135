"""Files of candles: formats, headers, spellings of time and names."""
