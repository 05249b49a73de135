"""Candles on their way into the store: read files, judge every row, keep the good ones and the reasons for the rest.

- :mod:`candles.files.reading` reads a file as it is; :mod:`candles.files.tables`, :mod:`candles.files.columns` and
  :mod:`candles.files.times` know its formats, its headers and its spellings of time
- :mod:`candles.quality` is a pure function from rows to accepted candles, quarantine and gaps
- :mod:`candles.importing` joins the two and hands the result to a store
- :mod:`candles.sample` is a small set of real candles
"""
