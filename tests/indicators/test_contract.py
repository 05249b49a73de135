"""What every catalogue entry promises, whatever it computes."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

import indicators
from indicators.catalogue import Indicator
from indicators.compute import Array, Carry, input_arrays, scan, start
from tests.indicators.measuring import measured_settling
from tests.indicators.reference import Case, Columns, Lanes, cumulative, identical, recursive, run_plain, spans
from tests.indicators.undefined import undefined


def history(case: Case, columns: Columns, carry: Carry | None = None) -> Array:
    record, parameters = case
    inputs = input_arrays(record, columns)
    return scan(record, parameters, carry or start(record, parameters), inputs)


def history_carry(case: Case, columns: Columns) -> Carry:
    carry = start(*case)
    history(case, columns, carry)
    return carry


def part(columns: Columns, span: slice | NDArray[np.bool_]) -> Columns:
    return {name: values[span] for name, values in columns.items()}


def test_values_begin_after_the_lookback(case: Case, candles: Columns) -> None:
    record, parameters = case
    outputs = history(case, candles)
    lookback = record.lookback(parameters)
    assert outputs.dtype == np.float64
    assert outputs.shape == (len(record.outputs), candles["close"].size)
    assert np.isnan(outputs[:, :lookback]).all()
    assert np.isfinite(outputs[:, lookback]).all()
    assert np.array_equal(np.isnan(outputs[:, lookback:]), undefined(*case, candles)[:, lookback:])


def test_later_candles_change_nothing(case: Case, candles: Columns) -> None:
    whole = history(case, candles)
    for count in (0, 1, 5, 40, 613):
        assert identical(history(case, part(candles, slice(count))), np.ascontiguousarray(whole[:, :count]))


def test_series_without_a_value(case: Case, candles: Columns) -> None:
    record, parameters = case
    lookback = record.lookback(parameters)
    for count in {0, min(1, lookback), max(0, lookback - 1), lookback}:
        outputs = history(case, part(candles, slice(count)))
        assert outputs.shape == (len(record.outputs), count)
        assert np.isnan(outputs).all()


def test_cuts_change_no_bit(case: Case, candles: Columns) -> None:
    whole = history(case, candles)
    generator = np.random.default_rng(1)
    count = candles["close"].size
    for cuts in ([1, 2, 3], [0, 0, count], sorted(generator.integers(0, count, 40)), list(range(0, 120, 7))):
        carry = start(*case)
        parts = [history(case, part(candles, span), carry) for span in spans(count, cuts)]
        assert identical(np.hstack(parts), whole)


def test_long_series_equal_their_spans(case: Case, candles: Columns) -> None:
    """Longer than one call of a kernel takes."""
    long = {name: np.tile(values, 12) for name, values in candles.items()}
    carry = start(*case)
    parts = [
        history(case, part(long, span), carry) for span in spans(long["close"].size, [5000, 16_390, 16_391, 32_768])
    ]
    assert identical(np.hstack(parts), history(case, long))


def test_a_restart_goes_on_with_the_same_bits(case: Case, candles: Columns) -> None:
    whole = history(case, candles)
    carry = start(*case)
    history(case, part(candles, slice(777)), carry)
    stored = Carry(
        np.frombuffer(carry.state.tobytes()).copy(),
        tuple(np.frombuffer(values.tobytes()).copy() for values in carry.windows),
    )
    assert stored == carry
    copied = carry.copy()
    for taken in (copied, stored):
        resumed = history(case, part(candles, slice(777, None)), taken)
        assert identical(resumed, np.ascontiguousarray(whole[:, 777:]))
        assert taken != carry
    assert carry == history_carry(case, part(candles, slice(777)))


def test_live_lanes_equal_history(case: Case, markets: dict[str, Columns]) -> None:
    """Several instruments at once, candle by candle, and a carry taken out on the way."""
    record, parameters = case
    inputs = [input_arrays(record, part(columns, slice(400))) for columns in markets.values()]
    lanes = Lanes(record, parameters, len(inputs))
    seen = np.empty((400, len(record.outputs), len(inputs)))
    for i in range(400):
        lanes.advance(tuple(np.array([one[k][i] for one in inputs]) for k in range(len(record.inputs))))
        seen[i] = lanes.outputs
    for lane, columns in enumerate(markets.values()):
        carry = start(record, parameters)
        expected = history(case, part(columns, slice(400)), carry)
        assert identical(np.ascontiguousarray(seen[:, :, lane].T), expected)
        assert lanes.carry(lane) == carry


def test_lanes_count_the_candles_that_exist(case: Case, markets: dict[str, Columns]) -> None:
    """Missing candles, in every pattern from none to nearly all, leave a lane as if time had not passed."""
    record, parameters = case
    inputs = [input_arrays(record, part(columns, slice(400))) for columns in markets.values()]
    chances = np.linspace(0.0, 0.95, len(inputs))
    present = np.random.default_rng(2).random((400, len(inputs))) >= chances
    present[100:104] = False
    lanes = Lanes(record, parameters, len(inputs))
    seen = np.empty((400, len(record.outputs), len(inputs)))
    for i in range(400):
        now = tuple(np.array([one[k][i] for one in inputs]) for k in range(len(record.inputs)))
        lanes.advance(tuple(np.where(present[i], values, 1e6 + i) for values in now), present[i])
        seen[i] = lanes.outputs
    for lane, columns in enumerate(markets.values()):
        there = present[:, lane]
        carry = start(record, parameters)
        expected = history(case, part(part(columns, slice(400)), there), carry)
        assert identical(np.ascontiguousarray(seen[there, :, lane].T), expected)
        assert np.isnan(seen[~there, :, lane]).all()
        assert lanes.carry(lane) == carry


def test_a_lane_joins_at_any_turn(case: Case, markets: dict[str, Columns]) -> None:
    """A lane filled from a history goes on as that history does, while its neighbours do not notice."""
    record, parameters = case
    (first, second), count = [input_arrays(record, columns) for columns in list(markets.values())[:2]], 300
    whole = scan(record, parameters, start(record, parameters), tuple(values[:count] for values in second))
    lanes = Lanes(record, parameters, 3)
    alone = np.array([True, False, False])
    for i in range(170):
        lanes.advance(tuple(np.full(3, values[i]) for values in first), alone)
    carry = start(record, parameters)
    scan(record, parameters, carry, tuple(values[:170] for values in second))
    before = lanes.carry(0)
    assert lanes.carry(2) == start(record, parameters)
    lanes.fill(1, carry)
    assert lanes.carry(1) == carry
    assert lanes.carry(0) == before
    for i in range(170, count):
        lanes.advance(tuple(np.array([one[i], two[i], two[i]]) for one, two in zip(first, second, strict=True)))
        assert identical(lanes.outputs[:, 1].copy(), whole[:, i].copy())
    late = scan(record, parameters, start(record, parameters), tuple(values[170:count] for values in second))
    assert identical(lanes.outputs[:, 2].copy(), late[:, -1].copy())


def test_long_histories_equal_lanes(case: Case, candles: Columns) -> None:
    """So long that steady steps run in lanes, with prices in between that are missing, infinite or enormous."""
    record, parameters = case
    count = 60_000 if record.settle(parameters) < 1500 else 130_000
    generator = np.random.default_rng(3)
    inputs = tuple(np.resize(values, count) for values in input_arrays(record, candles))
    holes = generator.integers(count // 2, count, 12)
    for torn in (False, True):
        if torn:
            for values in inputs:
                values[holes[:6]] = generator.choice([np.nan, np.inf, 1e200, -1e308], 6)
                # The seed is not complete where it would be without a hole.
                values[0] = np.nan
        carry, spanned = start(record, parameters), start(record, parameters)
        whole = scan(record, parameters, carry, inputs)
        for span in spans(count, list(range(0, count, 301))):
            part = scan(record, parameters, spanned, tuple(values[span] for values in inputs))
            assert identical(part, np.ascontiguousarray(whole[:, span]))
        assert carry == spanned


def test_missing_inputs_give_no_value_and_do_no_lasting_harm(case: Case, candles: Columns) -> None:
    """NaN at the start, as an unsettled input has, shifts the series; NaN in between is forgotten in time."""
    record, parameters = case
    plain = history(case, candles)
    late = {name: np.concatenate([np.full(9, np.nan), values]) for name, values in candles.items()}
    shifted = history(case, late)
    assert np.isnan(shifted[:, :9]).all()
    assert identical(np.ascontiguousarray(shifted[:, 9:]), plain)
    torn = {name: values.copy() for name, values in candles.items()}
    for values in torn.values():
        values[500] = np.nan
    outputs = history(case, torn)
    assert np.isnan(outputs[:, 500]).all()
    again = 501 + record.lookback(parameters)
    assert np.array_equal(np.isnan(outputs[:, again:]), undefined(*case, torn)[:, again:])
    if not recursive(record, parameters):
        assert identical(np.ascontiguousarray(outputs[:, again:]), np.ascontiguousarray(plain[:, again:]))
    elif not record.rings or cumulative(record, parameters):
        without = {name: np.delete(values, 500) for name, values in candles.items()}
        assert identical(np.ascontiguousarray(outputs[:, 501:]), np.ascontiguousarray(history(case, without)[:, 500:]))
    else:
        before, after = (history_carry(case, part(torn, slice(count))).state for count in (500, 501))
        assert identical(before, after)
        # What the windows withheld from the recursion fades like another start.
        faded = 501 + record.settle(parameters)
        away = np.abs(outputs[:, faded:] - plain[:, faded:]).max(axis=1)
        assert (away < 1e-6 * np.nanmax(np.abs(plain), axis=1)).all()


def test_one_missing_input_is_enough(case: Case) -> None:
    """Also on flat candles, where a division could hide it."""
    record, parameters = case
    count = record.lookback(parameters) + 10
    for position in range(len(record.inputs)):
        inputs = tuple(np.full(count, 0.1) for _ in record.inputs)
        inputs[position][-1] = np.nan
        assert np.isnan(scan(record, parameters, start(record, parameters), inputs)[:, -1]).all()


def test_hostile_input(case: Case) -> None:
    """Ties, zeros of both signs, gaps and numbers near the ends of the range: still live is history is any span."""
    record, parameters = case
    generator = np.random.default_rng(5)
    count = 2 * record.lookback(parameters) + 200
    choices = np.array([0.0, -0.0, 1.0, 1.0, 3.0, 1e-300, -1e300, 1e300])
    inputs = tuple(generator.choice(choices, count) for _ in record.inputs)
    for values in inputs:
        values[generator.integers(0, count, 5)] = np.nan
        values[-20:] = np.abs(values[-20:])
    carry = start(record, parameters)
    whole = scan(record, parameters, carry, inputs)
    lanes = Lanes(record, parameters, 9)
    spanned = start(record, parameters)
    for i in range(count):
        lanes.advance(tuple(np.full(9, values[i]) for values in inputs))
        alone = scan(record, parameters, spanned, tuple(values[i : i + 1] for values in inputs))
        assert identical(alone[:, 0].copy(), whole[:, i].copy())
        for lane in range(9):
            assert identical(lanes.outputs[:, lane].copy(), whole[:, i].copy())
    assert lanes.carry(8) == spanned == carry


def each(names: str, outputs: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return dict.fromkeys(names.split(), outputs)


def test_flat_input(case: Case) -> None:
    record, parameters = case
    count = record.lookback(parameters) + 50
    flat = {name: np.full(count, 0.1) for name in ("open", "high", "low", "close", "volume", "day")}
    values = dict(zip([output.name for output in record.outputs], history(case, flat)[:, -1], strict=True))
    nothing = pytest.approx(np.nan, nan_ok=True)
    bands = dict.fromkeys(("upper", "middle", "lower"), 0.1)
    expected: dict[str, Mapping[str, object]] = {
        **each("sma ema wma dema tema hma rma vwma kama vwap highest lowest obv psar", {"value": 0.1}),
        **each("rsi cmo mfi cci williams_r ultosc zscore", {"value": nothing}),
        **each("stoch stochrsi", {"k": nothing, "d": nothing}),
        **each("macd ppo", {"line": 0.0, "signal": 0.0, "histogram": 0.0}),
        **each("roc mom trix atr natr stdev cmf ad", {"value": 0.0}),
        **each("keltner donchian", bands),
        "bbands": bands | {"percent_b": nothing, "bandwidth": 0.0},
        "adx": {"plus_di": nothing, "minus_di": nothing, "value": nothing},
        "aroon": {"up": 100.0, "down": 100.0, "oscillator": 0.0},
        "supertrend": {"value": 0.1, "direction": 1.0},
        "ichimoku": dict.fromkeys(("conversion", "base", "span_a", "span_b"), 0.1),
        "heikin_ashi": dict.fromkeys(("open", "high", "low", "close"), 0.1),
        "linreg": {"value": 0.1, "slope": 0.0},
    }
    assert values == expected[record.name]


def test_values_stay_in_their_range(case: Case, markets: dict[str, Columns]) -> None:
    record, _ = case
    for columns in markets.values():
        for output, values in zip(record.outputs, history(case, columns), strict=True):
            least, most = np.nanmin(values), np.nanmax(values)
            assert output.low is None or least >= output.low
            assert output.high is None or most <= output.high
            assert output.centre is None or least < output.centre < most


def test_kernels_equal_the_record_run_as_plain_python(case: Case, candles: Columns) -> None:
    record, parameters = case
    inputs = input_arrays(record, part(candles, slice(record.lookback(parameters) + 150)))
    kernel = scan(record, parameters, start(record, parameters), inputs)
    np.testing.assert_array_equal(kernel, run_plain(record, parameters, inputs), strict=True)


def test_settling_is_measured(case: Case, markets: dict[str, Columns]) -> None:
    """After ``settle`` candles another start is off by less than 1e-6 of the output's scale, and not long before."""
    record, parameters = case
    settle = record.settle(parameters)
    if cumulative(record, parameters):
        assert settle == record.lookback(parameters)
        return
    if recursive(record, parameters):
        assert settle / 4 < measured_settling(record, parameters, markets) <= settle
        return
    lookback = record.lookback(parameters)
    assert settle == lookback
    for columns in markets.values():
        whole = history(case, columns)
        for begin in range(100, columns["close"].size - settle, 333):
            restarted = history(case, part(columns, slice(begin, None)))
            expected = np.ascontiguousarray(whole[:, begin + lookback :])
            assert identical(np.ascontiguousarray(restarted[:, lookback:]), expected)


def test_settling_through_a_crash(record: Indicator, crash: Columns) -> None:
    """The hardest start: in the violence of one day, read in the quiet after it."""
    parameters = record.complete({})
    settle = record.settle(parameters)
    if cumulative(record, parameters):
        assert settle == record.lookback(parameters)
        return
    whole = history((record, parameters), crash)
    scale = np.nanmax(np.abs(whole), axis=1)
    moves = np.abs(np.diff(np.log(crash["close"])))
    violent = int(np.convolve(moves, np.ones(50), "valid").argmax())
    for begin in range(violent - 40, violent + 60, 10):
        restarted = history((record, parameters), part(crash, slice(begin, None)))
        away = np.abs(restarted[:, settle:] - whole[:, begin + settle :]).max(axis=1)
        assert (away < 1e-6 * scale).all()


@pytest.mark.parametrize("name", ["obv", "ad", "vwap"])
def test_sums_move_alike_from_every_start(name: str, markets: dict[str, Columns]) -> None:
    """What can be promised of values that never forget: their changes, and all of the next day, are those of others."""
    record = indicators.find(name)
    case = record, record.complete({})
    assert cumulative(*case)
    for columns in markets.values():
        (whole,) = history(case, columns)
        for begin in range(100, columns["close"].size - 100, 333):
            (restarted,) = history(case, part(columns, slice(begin, None)))
            expected = whole[begin:]
            same_day = int((columns["day"][begin:] == columns["day"][begin]).sum())
            if name == "vwap":
                assert identical(restarted[same_day:].copy(), expected[same_day:].copy())
                assert (restarted[:same_day] != expected[:same_day]).any()
            else:
                scale = np.abs(whole).max()
                assert np.abs(np.diff(restarted) - np.diff(expected)).max() <= 1e-13 * scale
                assert np.abs(restarted - expected).max() > 1e-6 * scale
