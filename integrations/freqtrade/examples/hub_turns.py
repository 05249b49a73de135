# SPDX-License-Identifier: GPL-3.0-only
# ruff: noqa: RUF012 - as freqtrade's strategies are written
"""Buys after a candle that rose, sells after one that fell."""

from freqtrade.strategy import IStrategy
from hub_conditions import HubConditions


class HubTurns(HubConditions, IStrategy):
    timeframe = "1m"
    minimal_roi = {"0": 10}
    stoploss = -0.5
    hub_patience_s = 30.0
    hub_conditions = {
        "enter_long": {"rose": "every(close > open)"},
        "exit_long": {"fell": "every(close < open)"},
    }
