"""The operations that judge candles on demand, without the network; both clients use them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from condition_hub.bodies import as_json, path_part
from condition_hub.calls import Call, reader
from condition_hub.conditions import ConditionLike, bulk_of, in_bulks, spelled
from condition_hub.explanation import BulkPreview, Explanation, Preview, PreviewedTriggers
from condition_hub.moments import Moment, read_moment
from condition_hub.results import BacktestResult

_MOST_PREVIEWED = 50
"""How many conditions go into one request."""


def preview(condition: ConditionLike, start: Moment | None, end: Moment | None, last: int) -> Call[Preview]:
    """How often and when a condition would have fired."""
    body = {"condition": spelled(condition), "last": last, **_span(start, end)}
    return Call("POST", "/conditions/preview", reader(Preview), as_json(body))


def preview_bulks(conditions: Iterable[ConditionLike]) -> Iterator[Sequence[bytes]]:
    """Any number of conditions, as many at once as :func:`preview_bulk` may have."""
    return in_bulks(conditions, _MOST_PREVIEWED)


def preview_bulk(spellings: Sequence[bytes], start: Moment, end: Moment) -> Call[BulkPreview]:
    """One page of the triggers that some conditions would have had."""
    return Call("POST", "/conditions/preview/bulk", reader(BulkPreview), bulk_of(spellings, _span(start, end)))


def joined(pages: Sequence[BulkPreview]) -> Iterator[PreviewedTriggers]:
    """The triggers of each condition on all pages."""
    for parts in zip(*(page.previews for page in pages), strict=True):
        yield PreviewedTriggers(
            condition_id=parts[0].condition_id,
            condition=parts[0].condition,
            open_times=tuple(chain.from_iterable(part.open_times for part in parts)),
            close_times=tuple(chain.from_iterable(part.close_times for part in parts)),
            settled=tuple(chain.from_iterable(part.settled for part in parts)),
        )


def backtest(
    condition: ConditionLike,
    exit: ConditionLike | None,
    start: Moment | None,
    end: Moment | None,
    rules: Mapping[str, object],
) -> Call[BacktestResult]:
    """What a condition would have done."""
    body: dict[str, object] = {"condition": spelled(condition), **_span(start, end)}
    if exit is not None:
        body["exit"] = spelled(exit)
    body |= {name: value for name, value in rules.items() if value is not None}
    return Call("POST", "/conditions/backtest", reader(BacktestResult), as_json(body))


def explain(condition_id: str, at: Moment | None) -> Call[Explanation]:
    """Why a condition fires on a candle, or why it does not."""
    path = f"/conditions/{path_part(condition_id)}/explain"
    return Call("GET", path, reader(Explanation), query={"at": read_moment(at)})


def _span(start: Moment | None, end: Moment | None) -> dict[str, int]:
    read = {"start": read_moment(start), "end": read_moment(end)}
    return {name: at for name, at in read.items() if at is not None}
