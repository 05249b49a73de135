"""A grid: buys at lines below the price and sells at lines above it, one step up, again and again."""

from bots.grid.bot import GridBot
from bots.grid.config import Config
from bots.grid.lines import Start, levels, profit_per_grid, starting
from bots.grid.state import State

__all__ = ["Config", "GridBot", "Start", "State", "levels", "profit_per_grid", "starting"]
