"""The trades of conditions on one series, one condition after another: :mod:`analysis.backtesting.rules`, compiled."""

import numpy as np
from numba import njit

from analysis.backtesting.judging import Integers
from indicators.compute import Array


def _simulate(  # noqa: PLR0912, PLR0915 - one pass over each trade's candles
    starts: Integers,
    rows: Integers,
    exit_of: Integers,
    exit_starts: Integers,
    exit_rows: Integers,
    prices: Array,
    span: Integers,
    rules: Array,
    means: Array,
    figures: Array,
    blocks: Array,
    trades: Array,
    equity: Array,
) -> int:
    """Trade the triggers of each condition; the number of trades, of which ``trades`` has as many as fit into it.

    ``rows[starts[c]:starts[c + 1]]`` are the candles on which condition ``c`` fires, ``exit_rows`` likewise those of
    its exit condition ``exit_of[c]`` (-1: none). ``prices`` float64[4, n] are open, high, low, close; ``span`` is the
    first row and the one after the last. ``rules``: side, horizon (0: none), stop and target in percent (NaN: none),
    fee and slippage as shares. ``means``: average returns from open to close, close to close, close to the next open.
    ``figures`` and ``blocks``, which come as zeros, are filled as :class:`analysis.backtesting.trading.Traded` has
    them. ``trades`` float64[most, 9]: condition, trigger row, entry row, exit row, entry and exit fill, reason, gross
    and net return. ``equity`` float64[1 or 0, n] is that of the first condition.
    """
    opens, highs, lows, closes = prices[0], prices[1], prices[2], prices[3]
    first, stop_row = span[0], span[1]
    side, horizon, stop, target = rules[0], int(rules[1]), rules[2], rules[3]
    fee, slippage = rules[4], rules[5]
    block_count = blocks.shape[1]
    height = stop_row - first
    made = 0
    for condition in range(starts.size - 1):
        figure = figures[condition]
        figure[:] = 0.0
        wealth = peak = marked = 1.0
        free_from = first
        written_to = first
        exit_set = exit_of[condition]
        next_exit = exit_starts[exit_set] if exit_set >= 0 else 0
        last_exit = exit_starts[exit_set + 1] if exit_set >= 0 else 0
        for place in range(starts[condition], starts[condition + 1]):
            row = rows[place]
            if row < first or row >= stop_row:
                continue
            figure[0] += 1
            entry = row + 1
            if row < free_from or entry >= stop_row or wealth <= 0.0:
                figure[3] += 1
                continue
            base = opens[entry]
            entry_fill = base * (1.0 + side * slippage)
            # Not base * (1 - share): a target 10 % above 100 is 110 to the last bit.
            stop_price = base - side * (base * stop / 100.0)
            target_price = base + side * (base * target / 100.0)
            units = wealth / (entry_fill * (1.0 + fee)) if side > 0 else wealth / entry_fill
            before = wealth
            if equity.shape[0]:
                equity[0, written_to:entry] = wealth
            while next_exit < last_exit and exit_rows[next_exit] < entry:
                next_exit += 1
            reason = 4
            price = closes[stop_row - 1]
            last = stop_row - 1
            earlier = base
            for i in range(entry, stop_row):
                at_open = False
                is_out = False
                if i > entry and next_exit < last_exit and exit_rows[next_exit] == i - 1:
                    price, reason, is_out, at_open = opens[i], 3, True, True
                elif i > entry and side * (opens[i] - stop_price) <= 0.0:
                    price, reason, is_out, at_open = opens[i], 0, True, True
                elif i > entry and side * (opens[i] - target_price) >= 0.0:
                    price, reason, is_out, at_open = opens[i], 1, True, True
                elif side * ((lows[i] if side > 0 else highs[i]) - stop_price) <= 0.0:
                    price, reason, is_out = stop_price, 0, True
                elif side * ((highs[i] if side > 0 else lows[i]) - target_price) >= 0.0:
                    price, reason, is_out = target_price, 1, True
                elif horizon > 0 and i - entry + 1 >= horizon:
                    price, reason, is_out = closes[i], 2, True
                while next_exit < last_exit and exit_rows[next_exit] < i:
                    next_exit += 1
                until = price if is_out else closes[i]
                move = side * (until / earlier - 1.0)
                mean = means[0] if i == entry else (means[2] if at_open else means[1])
                excess = move - side * mean
                fill = until
                if is_out and reason != 1:
                    fill = until * (1.0 - side * slippage)
                paid = fee if is_out else 0.0
                if side > 0:
                    value = units * fill * (1.0 - paid)
                else:
                    value = before + units * (entry_fill * (1.0 - fee) - fill * (1.0 + paid))
                value = max(value, 0.0)
                net = value / marked - 1.0 if marked > 0.0 else 0.0
                marked = value
                peak = max(peak, value)
                figure[6] = max(figure[6], 1.0 - value / peak)
                figure[4] += 1
                figure[7] += excess
                figure[8] += excess * excess
                figure[9] += excess * excess * excess
                figure[10] += excess * excess * excess * excess
                figure[11] += net
                figure[12] += net * net
                if block_count:
                    block = (i - first) * block_count // height
                    blocks[condition, block, 0] += excess
                    blocks[condition, block, 1] += excess * excess
                if equity.shape[0]:
                    equity[0, i] = value
                earlier = closes[i]
                if not is_out and value <= 0.0:
                    price, reason, is_out = closes[i], 5, True
                if is_out:
                    last = i
                    break
            wealth = marked
            written_to = last + 1
            # A position that ended at an open or within a candle is closed at that candle's close.
            free_from = last if reason != 4 else stop_row
            gross = side * (price / base - 1.0)
            earned = wealth / before - 1.0
            if reason != 4:
                figure[1] += 1
                figure[2] += 1.0 if earned > 0.0 else 0.0
                figure[13] += earned
                figure[14] += gross
                if earned > 0.0:
                    figure[15] += earned
                else:
                    figure[16] += earned
            else:
                figure[17] = 1.0
            if made < trades.shape[0]:
                trades[made, 0] = condition
                trades[made, 1] = row
                trades[made, 2] = entry
                trades[made, 3] = last
                trades[made, 4] = entry_fill
                trades[made, 5] = price if reason in (1, 4) else price * (1.0 - side * slippage)
                trades[made, 6] = reason
                trades[made, 7] = gross
                trades[made, 8] = earned
            made += 1
        if equity.shape[0]:
            equity[0, written_to:stop_row] = wealth
        figure[5] = wealth
    return made


simulate = njit(cache=True, nogil=True, error_model="numpy")(_simulate)


def _resample(values: Array, block: float, draws: int, seed: np.uint64, out: Array) -> None:
    """Means of resamples of ``values`` into ``out`` float64[draws]: the stationary bootstrap of Politis and Romano
    (1994), whose blocks have a geometric length of mean ``block``. Random numbers are those of SplitMix64."""
    count = values.size
    state = seed
    ends = np.uint64(1.0 / block * 4294967295.0)
    for draw in range(draws):
        total = 0.0
        place = np.int64(0)
        # A resample begins anywhere.
        ends_by = np.uint64(0xFFFFFFFF)
        for _ in range(count):
            state = state + np.uint64(0x9E3779B97F4A7C15)
            mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
            # Both places are computed and one is taken: a branch would be guessed wrong half of the time.
            anywhere = np.int64(((mixed >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))
            following = place + 1 if place + 1 < count else np.int64(0)
            place = anywhere if (mixed & np.uint64(0xFFFFFFFF)) <= ends_by else following
            ends_by = ends
            total += values[place]
        out[draw] = total / count


resample_means = njit(cache=True, nogil=True, error_model="numpy")(_resample)
