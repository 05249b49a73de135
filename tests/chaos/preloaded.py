"""Everything that the processes of these tests need, imported once in the process that they are forked from.

Nothing here may use polars or DuckDB: their threads do not survive a fork.
"""

import logging

import numpy as np
import pandas  # noqa: F401 (DuckDB imports it with the first parameter)
import pyarrow.dataset  # noqa: F401 (so does a frame that is read by DuckDB)
import pytest  # noqa: F401 (each child imports what the test run was started with)

import tests.chaos.roles  # noqa: F401
from engine.evaluate import Evaluator
from engine.plan import make_plan
from indicators.kernels import warming
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition

warming.warm(("rsi", "sma", "ema", "macd", "lowest", "bbands", "stoch"))
_evaluator = Evaluator(make_plan([Condition.parse("WARMUP 5m: close[1] + 1 > sma(2) for 2 bars")]))
_one = np.ones(1, np.bool_)
_evaluator.step("5m", np.ones((len(CANDLE_ROWS), 1)), _one, _one)
_evaluator.judge(_one, np.zeros(1, np.int64))

# The hubs' messages about their faults are expected here.
logging.disable(logging.ERROR)
