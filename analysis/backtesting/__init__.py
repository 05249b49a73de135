"""Backtests: what conditions would have done, with costs, against a baseline, and how much of it noise gives.

``backtest.py`` and ``sweeping.py`` are the ways in. A backtest reads candles (``sources``), judges conditions with the
engine (``judging``), trades what fires (``rules``, ``trading``, ``trade_kernels``), and compares what followed with
what follows any candle (``forward``, ``bootstrap``, ``excursions``, ``event_study``). ``honesty`` says what to
distrust, ``deflation`` how much the best of many tries is worth, ``trials`` how many there were. Reports show
themselves: ``report``, ``report_text``, ``report_html``, ``plots``.
"""
