"""Dollar-cost averaging: a base order, safety orders below it, and an exit above the average, deal after deal."""

from bots.dca.bot import DcaBot, State
from bots.dca.config import Config, SafetyStep, TakeProfitStep
from bots.dca.ladder import safety_orders

__all__ = ["Config", "DcaBot", "SafetyStep", "State", "TakeProfitStep", "safety_orders"]
