"""Candle files: formats, headers, spellings of times and names."""
