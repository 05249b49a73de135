"""Money flow index (Quong and Soudack, 1989).

Formula: 100 * rises / (rises + falls), with t = (high + low + close) / 3 and the sums of t * volume over those of the
last ``period`` candles whose t is above (rises) or below (falls) that of the previous candle.
Seed: none; the first candle has nothing to compare with, so the first value is at candle ``period``.
Range: 0..100, centre 50.
Flat: NaN for a window in which nothing was traded at a changed price (0 / 0).
Source: TA-Lib's MFI, which gives 0 there. As there, t counts as unmoved if the difference is within its rounding, 1e-14
of both. TA-Lib keeps running sums; here the windows are summed afresh on every candle, so that the value does not
depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.candle import typical_price
from indicators.steps.lengths import pair
from indicators.steps.limits import is_nothing, within_rounding


def flows(typical: float, previous: float, volume: float) -> tuple[float, float]:
    """One candle: (rise, fall), the turnover at a higher and at a lower price than before."""
    change = typical - previous
    flow = typical * volume
    # An unmoved candle must not hide that its volume is missing.
    none = math.nan if math.isnan(change) or math.isnan(volume) else 0.0
    moved = not within_rounding(change, typical, previous)
    return flow if moved and change > 0.0 else none, flow if moved and change < 0.0 else none


def index(rises: float, falls: float) -> float:
    """The share of the rises, in percent."""
    both = rises + falls
    share = rises / both
    return math.nan if is_nothing(both) else 100.0 * share


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


INDICATOR = Indicator(
    name="mfi",
    title="Money flow index",
    aliases=("money_flow_index",),
    inputs=("high", "low", "close", "volume"),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=0, high=100, centre=50),),
    stages=(
        Step(typical_price, gives=("typical",)),
        Window("previous", "oldest", over="typical", length=pair),
        Step(flows, gives=("rise", "fall")),
        Window("rises", "sum", over="rise", length="period"),
        Window("falls", "sum", over="fall", length="period"),
        Step(index, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="nothing traded at a changed price in the window",
    version=2,
)
