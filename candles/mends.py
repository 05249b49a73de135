"""What mends a file whose rows were rejected: the option to pass, or the form to bring it into."""

from candles import reasons

MENDS: dict[str, str] = {
    reasons.FIELD_COUNT: "does a value contain the delimiter? Then put it into quotes",
    reasons.UNREADABLE_TIME: "say which column has the times with --columns, or write them like 2024-08-05 01:15",
    reasons.SKIPPED_TIME: "name another --zone",
    reasons.UNSUPPORTED_TIMEFRAME: "leave out the column of the timeframe with --columns, and name it with --timeframe",
    reasons.UNREADABLE_NAME: "leave out the column of the symbol with --columns, and name it with --symbol",
    reasons.NOT_A_NUMBER: "say which columns are which with --columns",
    reasons.MISSING_VALUE: "say which columns are which with --columns",
    reasons.COLUMN_ORDER: "give the order of the file's columns, for example --columns time,open,close,high,low,volume",
    reasons.HIGH_BELOW_LOW: "give the order of the file's columns with --columns",
    reasons.OPEN_IS_CLOSE_BEFORE: "widen low to high to the open with --widen",
    reasons.OUTSIDE_RANGE: "give the order of the file's columns with --columns",
    reasons.OFF_GRID: "name the zone of the times with --zone, when slots begin with --grid, another --timeframe, or "
    "--stamp close if the file has the times of the close",
    reasons.STILL_OPEN: "import the file again when its candles are closed",
    reasons.FRAGMENT: "to replace the stored candles all the same, delete them first: hub candles delete",
}
"""Reason -> what mends a file none of whose rows is accepted; without an entry, the source has to."""
