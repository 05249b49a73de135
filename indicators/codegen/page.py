"""Writes ``docs/indicators.md``: every catalogue entry, from its record, its docstring and its measurements.

``python -m indicators.codegen.page`` writes the page if it differs; ``--check`` only says so and exits 1. The
measurements are in ``docs/indicators-measured.json`` (``make measure``). Nothing is compiled or computed here.
"""

import argparse
import importlib
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from indicators.catalogue import PRICES, Indicator, Output, Parameter, catalogue

DOCS_FOLDER = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS_FOLDER / "indicators.md"
MEASURED = DOCS_FOLDER / "indicators-measured.json"

GROUPS = {
    "Averages": ("sma", "ema", "wma", "dema", "tema", "hma", "rma", "vwma", "kama"),
    "Momentum": (
        "rsi", "stoch", "stochrsi", "macd", "ppo", "cci", "mfi", "williams_r", "roc", "mom", "cmo", "ultosc", "trix",
    ),
    "Trend": ("adx", "aroon", "psar", "supertrend", "ichimoku"),
    "Bands and volatility": ("bbands", "keltner", "donchian", "atr", "natr", "stdev"),
    "Volume": ("obv", "vwap", "cmf", "ad"),
    "Candles": ("heikin_ashi",),
    "Extremes and statistics": ("highest", "lowest", "linreg", "zscore"),
}  # fmt: skip
"""The sections of the page; every entry must be in one of them."""

_LEVELLESS = ("obv", "ad")
"""Entries whose level depends on where the series starts: an example may use only their changes."""

_SECTIONS = ("Formula", "Seed", "Range", "Flat", "Source", "Settling")

_WIDTH = 120

_HEAD = f"""\
# Indicators

Generated from the catalogue by `make docs`: do not edit. [language.md](language.md) describes what conditions can do
with indicators, [CONTRIBUTING](../CONTRIBUTING.md) how to add one.

Parameters are written by position or by name; one that is left out has its default. An indicator with a *source* takes
it after its parameters: a price, one of {" ".join(f"`{price}`" for price in PRICES)}; arithmetic; or
another indicator that has a source: `ema(9, rsi(14))`. The default is `close`, except where the entry says otherwise.
A single output needs no name; of several, one may be the default. A `value` in JSON may be the text of any operand.

- **First value**: the number of candles before the first one with a value, as in TA-Lib.
- **Settled**: the number of candles after which a different start of the history changes the values by less than a
  millionth of their scale; triggers before that are marked as not settled. *Measured* is how long it took on real
  candles: the worst of all starts, every 333 candles, in 3,000 hourly candles of each of six markets. A sum over all
  candles never forgets where it started.
- **Agreement**: the largest difference from TA-Lib, or from the reference named, on the same candles, as a share of the
  scale: the range of the output where it has one, elsewhere the prices or its own largest value.
- **Flat**: the value on candles that do not move.

## Markets that stand still

Thin pairs, stocks after hours and stable coins have stretches without movement, range or volume. Two promises stand
above TA-Lib there:

- **Constants stay constant.** An average of equal prices is that price to the last bit, and so is a typical price or
  one weighted by volume. A price that does not move never crosses its own average, and `ema(12) > ema(26)` is FALSE
  while both have seen nothing else. After movement an exponential average comes closer and closer to the price but
  stays on the side that it came from.
- **Nothing from nothing.** What is 0 / 0 by its definition is UNKNOWN, where TA-Lib gives 0 and other platforms 50 or
  100: an RSI without movement, a stochastic without range, a money flow without volume. *Flat* says for each indicator
  what becomes of it, and `hub explain` names the reason.

So a condition on a market that stands still is FALSE or UNKNOWN, and neither fires. Nor does the step from UNKNOWN to
TRUE: after a flat start the first uptick makes the RSI 100, but `rsi crosses_above 30` and `rsi > 30` stay silent,
because nobody knows where it came from. A window that contains an UNKNOWN value is UNKNOWN; an exponential average
ignores it and goes on with the next value. What fades is taken for nothing in the end: the movement that RSI, CMO and
ADX still remember counts until it is below 1e-280, which takes thousands of candles, and until then they stay where
they were when the market stopped.
"""


def page(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of the page. ``measured`` has the object in :data:`MEASURED` for each entry."""
    records = catalogue()
    grouped = [name for names in GROUPS.values() for name in names]
    if sorted(grouped) != sorted(records):
        wrong = ", ".join(sorted(set(grouped) ^ set(records)))
        raise ValueError(f"indicators/codegen/page.py: GROUPS and the catalogue differ: {wrong}")
    if missing := sorted(records.keys() - measured.keys()):
        raise ValueError(f"{MEASURED.name} has no entry for {', '.join(missing)}: run `make measure`")
    parts = [_HEAD, "\n".join(_contents(records))]
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += ["\n".join(_entry(records[name], measured[name])) for name in names]
    return "\n".join(parts)


def read_measured() -> dict[str, dict[str, Any]]:
    """Name -> its measurements."""
    measured: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text("utf-8"))
    return measured


def _contents(records: Mapping[str, Indicator]) -> Iterator[str]:
    yield "| | indicator | | outputs | first value | settled |"
    yield "|---|---|---|---|---|---|"
    for group, names in GROUPS.items():
        for name in names:
            record = records[name]
            parameters = record.complete({})
            outputs = ", ".join(f"`{output.name}`" for output in record.outputs)
            numbers = f"{record.lookback(parameters)} | {record.settle(parameters)}"
            shown = group if name == names[0] else ""
            yield f"| {shown} | [`{_call(record)}`](#{name}) | {record.title} | {outputs} | {numbers} |"
    yield ""


def _entry(record: Indicator, measured: Mapping[str, Any]) -> Iterator[str]:
    sections = _docstring(record)
    yield f"### {record.name}\n"
    yield f"{sections['']}\n"
    yield f"Also written {', '.join(f'`{alias}`' for alias in record.aliases)}.\n"
    yield "```condition"
    yield from _examples(record)
    yield "```"
    yield "```json"
    yield json.dumps(_flat(record))
    yield "```\n"
    if record.parameters:
        yield "| parameter | default | from | to | |"
        yield "|---|---|---|---|---|"
        yield from map(_parameter, record.parameters)
        yield ""
    yield "| output | range | centre |"
    yield "|---|---|---|"
    for output in record.outputs:
        yield f"| `{output.name}`{_by_default(record, output)} | {_range(output)} | {_number(output.centre)} |"
    yield ""
    for parameter in record.parameters:
        if parameter.follows is not None:
            yield f"`{parameter.name}` is `{parameter.follows}` unless it is given.\n"
    if record.has_source and record.default_source != "close":
        yield f"Its source is `{record.default_source}` by default.\n"
    if record.rule is not None:
        yield f"Not all combinations are allowed: {_rule(record)}.\n"
    for name in _SECTIONS:
        if name in sections:
            yield _item(name, sections[name])
    yield _item("First value", _timing(record, measured))
    yield _item("Agreement", f"{_agreement(measured)} Definition version {record.version}.")
    yield ""


def _item(name: str, text: str) -> str:
    """An item of a list, wrapped so that no line begins with a character that has a meaning in Markdown."""
    joined = re.sub(r" (?=[-+*=<>|#]|\d+[.)])", "\0", f"- **{name}:** {text}")
    wrapped = textwrap.fill(joined, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return wrapped.replace("\0", " ")


def _docstring(record: Indicator) -> dict[str, str]:
    """Section -> its text as one line of Markdown; the first sentence is under ''."""
    document = importlib.import_module(f"indicators.{record.name}").__doc__ or ""
    title, *rest = re.split(rf"^({'|'.join(_SECTIONS)}): ", document.strip(), flags=re.MULTILINE)
    texts = {"": title} | dict(zip(rest[::2], rest[1::2], strict=True))
    return {name: re.sub(r"\s+", " ", text.replace("``", "`")).strip() for name, text in texts.items()}


def _examples(record: Indicator) -> Iterator[str]:
    """One condition for each output, and one with a different source."""
    for place, output in enumerate(record.outputs):
        operand = (_call(record) if place == 0 else record.name) + _dot(record, output)
        yield f"BTCUSDT 1h: {_compared(record, output, operand)}"
    if record.has_source:
        output = record.outputs[0]
        defaults = [_number(parameter.default) for parameter in record.parameters]
        other = "hlc3" if record.default_source != "hlc3" else "close"
        operand = f"{record.name}({', '.join([*defaults, other])}){_dot(record, output)}"
        yield f"BTCUSDT 1h: {_compared(record, output, operand)}"


def _compared(record: Indicator, output: Output, operand: str) -> str:
    if output.centre is not None:
        return f"{operand} crosses_above {_number(output.centre)}"
    if output.low is not None and output.high is not None:
        return f"{operand} > {_number(output.low + (output.high - output.low) / 4)}"
    if output.low is not None or record.name in _LEVELLESS:
        return f"{operand} rising 3 bars"
    return f"close crosses_above {operand}"


def _flat(record: Indicator) -> dict[str, Any]:
    """The first example as a flat object."""
    output = record.outputs[0]
    flat: dict[str, Any] = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": record.name}
    if record.parameters:
        flat["params"] = {parameter.name: _plain(parameter.default) for parameter in record.parameters}
    if output.name != record.default_output:
        flat["component"] = output.name
    if output.centre is not None:
        return flat | {"operator": "crosses_above", "value": _plain(output.centre)}
    if output.low is not None and output.high is not None:
        return flat | {"operator": ">", "value": _plain(output.low + (output.high - output.low) / 4)}
    if output.low is not None or record.name in _LEVELLESS:
        return flat | {"operator": "rising", "bars": 3}
    return flat | {"operator": "crosses_below", "value": "close"}


def _call(record: Indicator) -> str:
    """A call with the defaults written out."""
    defaults = ", ".join(_number(parameter.default) for parameter in record.parameters)
    return f"{record.name}({defaults})" if defaults else record.name


def _dot(record: Indicator, output: Output) -> str:
    return "" if len(record.outputs) == 1 else f".{output.name}"


def _by_default(record: Indicator, output: Output) -> str:
    return ", the default" if len(record.outputs) > 1 and output.name == record.default_output else ""


def _parameter(parameter: Parameter) -> str:
    kind = "whole" if parameter.whole else ""
    numbers = " | ".join(map(_number, (parameter.default, parameter.low, parameter.high)))
    return f"| `{parameter.name}` | {numbers} | {kind} |"


def _rule(record: Indicator) -> str:
    """The rule's complaint about the first combination that it refuses, one parameter highest and the others lowest."""
    for highest in record.parameters:
        extremes = {
            parameter.name: parameter.high if parameter is highest else parameter.low for parameter in record.parameters
        }
        problem = record.rule(extremes) if record.rule is not None else None
        if problem is not None:
            return re.sub(r",? got .*", "", problem)
    raise ValueError(f"{record.name}: its rule refuses none of the combinations that were tried")


def _range(output: Output) -> str:
    if output.low is None and output.high is None:
        return ""
    return f"{_number(output.low)} to {_number(output.high)}" if output.high is not None else f"from {output.low:g}"


def _timing(record: Indicator, measured: Mapping[str, Any]) -> str:
    parameters = record.complete({})
    lookback, settle = record.lookback(parameters), record.settle(parameters)
    settled = (
        "never settled" if measured["settle"] is None else f"settled after {settle}, measured {measured['settle']}"
    )
    return f"after {lookback} candle{'' if lookback == 1 else 's'}, {settled}, with the defaults."


def _agreement(measured: Mapping[str, Any]) -> str:
    difference = measured["difference"]
    return f"{measured['against']}: {'to the last bit' if difference == 0 else f'within {difference:.0e}'}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _plain(value: float) -> float:
    """Whole numbers as integers."""
    return int(value) if value == value // 1 else value


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m indicators.codegen.page", description="Write docs/indicators.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    check = parser.parse_args(arguments).check
    text = page(read_measured())
    if PAGE.exists() and PAGE.read_text("utf-8") == text:
        return 0
    if not check:
        PAGE.write_text(text, "utf-8")
    sys.stderr.write(f"{'stale' if check else 'written'}: {PAGE.relative_to(DOCS_FOLDER.parent)}\n")
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
