"""What is wanted, by whom, under which id: conditions, their language and their identity."""

from common.errors import ConditionError, HubError, InstrumentError, TimeframeError
from registry.conditions import Condition
from registry.instruments import Instrument

__all__ = ["Condition", "ConditionError", "HubError", "Instrument", "InstrumentError", "TimeframeError"]
