"""Market making: quotes on both sides of the close, sized by the inventory or priced by Avellaneda and Stoikov."""

from bots.market_making.bot import MarketMakingBot, State
from bots.market_making.config import Config
from bots.market_making.formulae import avellaneda_stoikov, inventory_skew

__all__ = ["Config", "MarketMakingBot", "State", "avellaneda_stoikov", "inventory_skew"]
