"""What conditions did, why, and what they would have done.

``scan(conditions, candles)`` judges whole histories, with the same plan and evaluation as the live flow;
``scan_each(conditions, candles, symbols)`` does so for each of many instruments, with one plan for all of them.
``preview(condition, candles, start=…)`` says when one would have fired, ``explain(condition, candles, at=…)`` why.
``backtest(conditions, candles)`` reports on what followed, and whether it is more than chance gives;
``sweep(template, candles, parameters)`` does so for thousands of conditions at once. ``overlap(a, b, candles)`` says
how much two conditions are one, ``repaint(condition, candles)`` what judging forming candles would have made of it.
"""

from analysis.asking import explain, preview
from analysis.backtesting.backtest import backtest
from analysis.backtesting.report import Report
from analysis.backtesting.sweep import Sweep
from analysis.backtesting.sweeping import sweep
from analysis.overlap import overlap
from analysis.repaint import repaint
from analysis.scan import scan, scan_each

__all__ = ["Report", "Sweep", "backtest", "explain", "overlap", "preview", "repaint", "scan", "scan_each", "sweep"]
