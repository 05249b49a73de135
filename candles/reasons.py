"""Why a row is in the quarantine: one constant per reason, in the words that are stored and shown.

Quarantined rows keep their reason as text, so a wording never changes.
"""

FIELD_COUNT = "number of fields differs from the rest of the file"
"""A truncated line, or a value that contains the delimiter. Which value belongs to which column is unknown."""

UNREADABLE_TIME = "open time cannot be read"
"""Neither an epoch number nor an ISO timestamp, nor a date that the file's other rows make unambiguous."""

SKIPPED_TIME = "no clock in the zone ever showed the open time"
"""The clocks were set forward over it: it is no time of the zone, or the zone is another."""

UNSUPPORTED_TIMEFRAME = "timeframe is not supported"
"""The row's own timeframe column names a length that is not in the closed list, such as a month."""

UNREADABLE_NAME = "exchange or symbol cannot be read"
"""The row's own columns contain something that is not the name of an exchange or an instrument."""

NOT_A_NUMBER = "a value is not a number"
"""Text in open, high, low, close or volume."""

MISSING_VALUE = "a value is missing"
"""An empty exchange, symbol, timeframe, open time, price or volume."""

NOT_FINITE = "a value is not finite"
"""NaN or infinity."""

ALL_ZERO = "all values are zero"
"""A placeholder row, which some sources write where they have no data."""

PRICE_NOT_POSITIVE = "a price is zero or negative"
"""Open, high, low or close at or below 0."""

NEGATIVE_VOLUME = "volume is negative"
"""A volume below 0; a volume of 0 is fine."""

COLUMN_ORDER = "not a candle as open, high, low, close, but one as open, close, high, low: suspected column order"
"""High and low contradict the other prices, but the column order of some other sources would explain the row."""

HIGH_BELOW_LOW = "high is below low"
"""The row contradicts itself, and no other column order explains it."""

OPEN_IS_CLOSE_BEFORE = "open is outside low to high, as it is the close before; --widen includes it"
"""How BitMEX writes candles. Only the option widens low to high to it, because it changes what the source says."""

OUTSIDE_RANGE = "open or close is outside low to high"
"""The row contradicts itself, and no other column order explains it."""

OFF_GRID = "open time is off the timeframe's grid"
"""Not the start of a slot on the instrument's grid. A wrong timeframe also ends up here."""

STILL_OPEN = "candle is still open"
"""Its close time is still in the future: the values may change, which those of a closed candle never do."""

REPEATED = "repeated row"
"""Equal in every value to the row that was kept for this open time."""

FRAGMENT = "volume is smaller than that of the candle kept for this open time"
"""A volume only grows while a candle does: a fragment of it came after the whole, in the file or in the store."""

SUPERSEDED = "superseded by a later row with the same open time"
"""A later row of the file has the same open time, other values, and no smaller volume; the last one is kept."""
