"""Conditions: their language and identity, who wants them, and where that is kept."""

from common.errors import ConditionError, HubError, InstrumentError, TimeframeError
from registry.conditions import Condition
from registry.instruments import Instrument

__all__ = ["Condition", "ConditionError", "HubError", "Instrument", "InstrumentError", "TimeframeError"]
