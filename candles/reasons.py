"""Why a row is in the quarantine. One constant a reason, with the exact words that the store and reports show."""

FIELD_COUNT = "number of fields differs from the rest of the file"
"""A cut line, or a value with the delimiter inside it. Which value belongs to which column is unknown."""

UNREADABLE_TIME = "open time cannot be read"
"""Neither an epoch number, an ISO timestamp, nor a date that the file's other rows explain."""

UNSUPPORTED_TIMEFRAME = "timeframe is not supported"
"""The row's own timeframe column holds a length outside the closed list, such as a month."""

UNREADABLE_NAME = "exchange or symbol cannot be read"
"""The row's own columns hold something that is not the name of an exchange or an instrument."""

NOT_A_NUMBER = "a value is not a number"
"""Text in open, high, low, close or volume."""

MISSING_VALUE = "a value is missing"
"""An empty exchange, symbol, timeframe, open time, price or volume."""

NOT_FINITE = "a value is not finite"
"""NaN or infinity."""

ALL_ZERO = "all values are zero"
"""Placeholder rows that some sources write where they know nothing."""

PRICE_NOT_POSITIVE = "a price is zero or negative"
"""Open, high, low or close at or below 0."""

NEGATIVE_VOLUME = "volume is negative"
"""A volume below 0; a volume of 0 is fine."""

COLUMN_ORDER = "not a candle as open, high, low, close, but one as open, close, high, low: suspected column order"
"""High and low contradict the other prices, and the order that some sources use would explain the row."""

HIGH_BELOW_LOW = "high is below low"
"""The row contradicts itself, and no other column order explains it."""

OUTSIDE_RANGE = "open or close is outside low to high"
"""The row contradicts itself, and no other column order explains it."""

OFF_GRID = "open time is off the timeframe's grid"
"""Not the start of a slot; weeks start on Monday. A wrong timeframe shows up here too."""

STILL_OPEN = "candle is still open"
"""Its close time has not come yet: the values would change, and closed candles never do."""

REPEATED = "repeated row"
"""Equal in every value to the row that was kept for this open time."""

SUPERSEDED = "superseded by a later row with the same open time"
"""Another row of this open time with other values comes later in the file; the last one is kept."""
