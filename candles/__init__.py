"""Candles on their way into the store, and the series they form.

Every row of a file is checked: good ones are kept, the others go to the quarantine with a reason.

- :mod:`candles.files.reading` reads a file as it is; the modules beside it know formats, columns, times and names
- :mod:`candles.grid_choice` decides on which grid the rows are, :mod:`candles.placing` puts them into its slots
- :mod:`candles.quality` is a pure function from rows to accepted candles, quarantine and gaps
- :mod:`candles.stored` compares them with what is stored; :mod:`candles.importing` does it all
- :mod:`candles.series` reads series as they are judged; :mod:`candles.epochs` reads them as they once were
- :mod:`candles.sample` is a small set of real candles
"""
