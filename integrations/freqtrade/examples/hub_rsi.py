# SPDX-License-Identifier: GPL-3.0-only
# ruff: noqa: RUF012 - as freqtrade's strategies are written
"""Buys and sells on conditions of a hub."""

from freqtrade.strategy import IStrategy
from hub_conditions import HubConditions


class HubRsi(HubConditions, IStrategy):
    timeframe = "5m"
    minimal_roi = {"0": 0.03}
    stoploss = -0.05
    startup_candle_count = 400
    hub_conditions = {
        "enter_long": {"oversold": "rsi(14) crosses_below 30"},
        "exit_long": {"overbought": "rsi(14) crosses_above 70"},
    }
