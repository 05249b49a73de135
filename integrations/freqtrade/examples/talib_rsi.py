# SPDX-License-Identifier: GPL-3.0-only
# ruff: noqa: ARG002, RUF012 - as freqtrade's strategies are written
"""The same as ``hub_rsi.py``, with TA-Lib."""

from typing import Any

import pandas as pd
import talib.abstract as ta
from freqtrade.strategy import IStrategy


class TalibRsi(IStrategy):
    timeframe = "5m"
    minimal_roi = {"0": 0.03}
    stoploss = -0.05
    startup_candle_count = 400

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        dataframe["rsi"] = ta.RSI(dataframe, timeperiod=14)
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        rsi = dataframe["rsi"]
        dataframe.loc[(rsi < 30) & (rsi.shift(1) >= 30), ["enter_long", "enter_tag"]] = (1, "oversold")
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        rsi = dataframe["rsi"]
        dataframe.loc[(rsi > 70) & (rsi.shift(1) <= 70), ["exit_long", "exit_tag"]] = (1, "overbought")
        return dataframe
