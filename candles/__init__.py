"""Candles on their way into the store, and the series they form.

Every row of a file is checked: good ones are kept, the others go to the quarantine with a reason.

- :mod:`candles.files.reading` reads a file as it is; :mod:`candles.files.tables`, :mod:`candles.files.columns`,
  :mod:`candles.files.times` and :mod:`candles.files.naming` know its formats, headers, time spellings and names
- :mod:`candles.quality` is a pure function from rows to accepted candles, quarantine and gaps
- :mod:`candles.importing` joins the two and hands the result to a store
- :mod:`candles.series` reads series as they are judged; :mod:`candles.epochs` reads them as they once were
- :mod:`candles.sample` is a small set of real candles
"""
