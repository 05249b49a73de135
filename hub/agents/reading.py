"""The tools that change nothing. Their docstrings are what agents read, so they are short."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from common.errors import TimeFormatError, ToolInputError
from common.timeframes import iso_time
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.problems import refusal

_MOST_LISTED = 50
_MOST_TRIGGERS = 100
_TIMES = frozenset(
    {"open_time", "close_time", "since", "start", "end", "first_open_time", "last_close_time", "active_from",
     "settled_at", "state_since", "active_until", "judged_until", "last_trigger", "created_at", "expires_at"}
)  # fmt: skip


class ReadingTools:
    """Tools that read, over a client."""

    def __init__(self, client: AsyncHubClient) -> None:
        self._client = client

    @property
    def tools(self) -> Sequence[Callable[..., Awaitable[dict[str, Any]]]]:
        """All of them."""
        return (
            self.list_indicators,
            self.list_instruments,
            self.parse_condition,
            self.preview_condition,
            self.backtest_condition,
            self.explain_condition,
            self.condition_status,
            self.list_triggers,
            self.my_subscriptions,
        )

    async def list_indicators(self, search: str = "") -> dict[str, Any]:
        """List indicators with their parameters (in order, with defaults and bounds) and outputs. `search` is part of a
        name or title."""
        items = (await self._get("/indicators"))["items"]
        wanted = [one for one in items if _matches(search, one["name"], one["title"], *one["aliases"])]
        if not wanted:
            raise ToolInputError(
                f"no indicator matches {search!r}; there are {' '.join(one['name'] for one in items)}: search one of"
                " these, or nothing to see all"
            )
        return {
            "indicators": [
                {
                    "name": one["name"],
                    "title": one["title"],
                    "parameters": {
                        each["name"]: {name: each[name] for name in ("default", "low", "high")}
                        for each in one["parameters"]
                    },
                    "outputs": [each["name"] for each in one["outputs"]],
                    "write": _example(one),
                }
                for one in wanted
            ]
        }

    async def list_instruments(self, search: str = "") -> dict[str, Any]:
        """List instruments that have candles, with the timeframes stored. `search` is part of a name."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._get("/instruments", {"cursor": cursor, "limit": 500})
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        wanted = [one for one in items if _matches(search, one["instrument"], *one["aliases"])]
        if not wanted and search:
            examples = " ".join(one["instrument"] for one in items[:5])
            raise ToolInputError(f"no instrument matches {search!r}; search part of a name, such as {examples}")
        shown = [{"instrument": one["instrument"], "series": _told(one["series"])} for one in wanted[:_MOST_LISTED]]
        return {"instruments": shown, "more": max(0, len(wanted) - _MOST_LISTED)}

    async def parse_condition(self, condition: str) -> dict[str, Any]:
        """Check a condition and show what it means: its id, canonical text, and whether it is registered."""
        (checked,) = await self._client.check_many([condition])
        if checked.error is not None:
            raise ToolInputError(
                f"{checked.error}. Write it like 'BTCUSDT 1h: rsi(14) crosses_below 30'; list_indicators and"
                " list_instruments say what there is"
            )
        return plain_answer(checked, leave_out=("error",))

    async def preview_condition(
        self, condition: str, start: str | None = None, end: str | None = None, last: int = 5
    ) -> dict[str, Any]:
        """When a condition would have fired on stored candles, by default in the last year. `start` and `end` are UTC
        times such as 2024-08-01."""
        with _times_explained():
            preview = await self._client.preview(
                condition, start=start, end=end, last=_between(last, 0, _MOST_TRIGGERS)
            )
        return plain_answer(preview)

    async def backtest_condition(
        self,
        condition: str,
        exit: str | None = None,
        side: Literal["long", "short"] = "long",
        horizon: int | None = None,
        stop_percent: float | None = None,
        target_percent: float | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> dict[str, Any]:
        """What trading a condition would have given, with fees. It enters at the next open; it exits at `exit` (a
        condition of the same series), after `horizon` candles, at a stop or a target. Read the cautions."""
        with _times_explained():
            result = await self._client.backtest(
                condition,
                exit=exit,
                start=start,
                end=end,
                side=side,
                horizon=horizon,
                stop_percent=stop_percent,
                target_percent=target_percent,
            )
        return plain_answer(result, leave_out=("forward",))

    async def explain_condition(self, condition_id: str, at: str | None = None) -> dict[str, Any]:
        """Why a registered condition fires, or does not, on the last candle closed by `at` (UTC), by default the
        newest: each part with its values."""
        with _times_explained():
            return plain_answer(await self._client.explain(condition_id, at=at))

    async def condition_status(self, condition_id: str) -> dict[str, Any]:
        """Whether a registered condition is judged, how far, and how often it has fired."""
        return plain_answer(await self._client.status(condition_id))

    async def list_triggers(self, condition_id: str, last: int = 5) -> dict[str, Any]:
        """The newest triggers of a registered condition."""
        triggers: list[dict[str, Any]] = []
        async for trigger in self._client.triggers_of(condition_id):
            if len(triggers) >= _between(last, 1, _MOST_TRIGGERS):
                break
            triggers.append(plain_answer(trigger))
        return {"triggers": triggers}

    async def my_subscriptions(self, bot_id: str | None = None) -> dict[str, Any]:
        """What your bots subscribe to."""
        listed = [plain_answer(one) async for one in self._client.subscriptions(bot_id=bot_id)]
        return {"subscriptions": listed[:_MOST_LISTED], "more": max(0, len(listed) - _MOST_LISTED)}

    async def _get(self, path: str, params: Mapping[str, str | int | None] | None = None) -> dict[str, Any]:
        response = await self._client.get(path, params=params)
        if not response.is_success:
            raise refusal(response)
        read: dict[str, Any] = response.json()
        return read


@contextmanager
def _times_explained() -> Iterator[None]:
    """Says how to write a time that cannot be read."""
    try:
        yield
    except TimeFormatError as error:
        raise ToolInputError(f"{error}. Write it like 2024-08-05 or 2024-08-05T01:00:00Z") from None


def plain_answer(answer: object, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """An answer as JSON, times as text, without what is not known."""
    told: dict[str, Any] = _told(msgspec.to_builtins(answer))
    return {name: value for name, value in told.items() if value is not None and name not in leave_out}


def _told(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _told(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_told(each, name) for each in value]
    is_time = name in _TIMES and isinstance(value, int) and not isinstance(value, bool)
    return iso_time(value) if is_time else value


def _matches(search: str, *names: str) -> bool:
    return any(search.strip().lower() in name.lower() for name in names)


def _example(indicator: Mapping[str, Any]) -> str:
    """How an indicator is written in a condition."""
    arguments = ", ".join(f"{each['default']:g}" for each in indicator["parameters"])
    name = f"{indicator['name']}({arguments})" if arguments else str(indicator["name"])
    return name if indicator["default_output"] == "value" else f"{name}.{indicator['outputs'][0]['name']}"


def _between(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
