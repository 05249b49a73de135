"""Candles on their way into the store: read files, judge every row, keep the good ones and the reasons for the rest.

- :mod:`flows.candles.files` reads a file as it is; :mod:`flows.candles.tables`, :mod:`flows.candles.columns` and
  :mod:`flows.candles.times` know its formats, its headers and its spellings of time
- :mod:`flows.candles.quality` is a pure function from rows to accepted candles, quarantine and gaps
- :mod:`flows.candles.importing` joins the two and hands the result to a store
- :mod:`flows.candles.sample` is a small set of real candles
"""
