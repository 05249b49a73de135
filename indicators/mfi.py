"""Money flow index (Quong and Soudack, 1989).

Formula: 100 * rises / (rises + falls), the sums over the last ``period`` candles of t * volume, with
t = (high + low + close) / 3, where t is above, respectively below, that of the candle before.
Seed: none; the first candle has nothing to be compared with, so the first value is at candle ``period``.
Range: 0..100, centre 50.
Flat: 0; also where nothing was traded.
Source: TA-Lib's MFI. As there, t has not moved if the difference is within its rounding, 1e-14 of both. TA-Lib keeps
running sums; the windows are summed anew here, so that the value does not depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.candle import typical_price, within_rounding
from indicators.steps.lengths import pair


def flows(typical: float, previous: float, volume: float) -> tuple[float, float]:
    """One candle: (rise, fall), what was traded at a higher, respectively a lower price than before."""
    change = typical - previous
    flow = typical * volume
    # A candle at rest must not hide that its volume is missing.
    none = math.nan if math.isnan(change) or math.isnan(volume) else 0.0
    moved = not within_rounding(change, typical, previous)
    return flow if moved and change > 0.0 else none, flow if moved and change < 0.0 else none


def index(rises: float, falls: float) -> float:
    """The share of the rises, in percent."""
    both = rises + falls
    share = rises / both
    return 0.0 if both == 0.0 else 100.0 * share


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
)
