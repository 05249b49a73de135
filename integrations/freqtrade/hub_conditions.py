# SPDX-License-Identifier: GPL-3.0-only
"""Entry and exit columns of a freqtrade strategy from conditions of a Condition Hub, in backtests and live.

    class OversoldBuyer(HubConditions, IStrategy):
        timeframe = "5m"
        hub_conditions = {
            "enter_long": {"oversold": "rsi(14) crosses_below 30"},
            "exit_long": {"overbought": "rsi(14) crosses_above 70"},
        }

Each column has conditions by tag, without symbol and timeframe: they are judged on each pair of the bot, on the
strategy's timeframe. A backtest asks the hub when they would have fired on its candles. A live or dry run registers
them, subscribes to them, and takes the triggers of every closed candle. ``HUB_API_URL`` and ``HUB_API_KEY`` say where
the hub is and who asks. ``docs/freqtrade.md`` of the hub has the whole way.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import httpx
import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_next_date

logger = logging.getLogger(__name__)

COLUMNS = ("enter_long", "exit_long", "enter_short", "exit_short")
_LIVE = (RunMode.LIVE, RunMode.DRY_RUN)
_MOST_AT_ONCE = 50
_LOOKED_S = 0.2
_TOO_MANY = 429
_ATTEMPTS = 5


class HubConditions:
    """To be put in front of ``IStrategy``. It fills the entry and exit columns; indicators stay the strategy's own."""

    hub_conditions: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Column -> tag -> condition."""
    hub_patience_s: ClassVar[float] = 10.0
    """How long a live candle waits until the hub has judged it; what fires later is the past of the next candle."""

    _http: httpx.Client | None = None

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:  # noqa: ARG002
        """None of its own: the hub computes what conditions read."""
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Mark the candles on which an entry condition fires."""
        return self._marked(dataframe, metadata["pair"], "enter")

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        """Mark the candles on which an exit condition fires."""
        return self._marked(dataframe, metadata["pair"], "exit")

    def _marked(self, dataframe: pd.DataFrame, pair: str, kind: str) -> pd.DataFrame:
        if dataframe.empty:
            return dataframe
        wanted = {
            (column, tag): condition
            for column, conditions in self.hub_conditions.items()
            for tag, condition in conditions.items()
            if column.startswith(kind)
        }
        if unknown := set(self.hub_conditions) - set(COLUMNS):
            raise OperationalException(f"hub_conditions has {sorted(unknown)}; the columns are {' '.join(COLUMNS)}")
        if not wanted:
            return dataframe
        is_live = self.dp.runmode in _LIVE  # type: ignore[attr-defined]
        fired = (self._triggered if is_live else self._previewed)(dataframe, pair, list(wanted.values()))
        opens = pd.DatetimeIndex(dataframe["date"]).as_unit("ms").asi8
        for (column, tag), condition in wanted.items():
            dataframe.loc[pd.Series(opens).isin(fired[condition]).to_numpy(), [column, f"{kind}_tag"]] = (1, tag)
        return dataframe

    def _previewed(self, dataframe: pd.DataFrame, pair: str, conditions: list[str]) -> dict[str, set[int]]:
        """Condition -> the open times, in milliseconds, of the candles on which it fires in a backtest."""
        start, end = _ms(dataframe["date"].iloc[0]), self._close_ms(dataframe)
        fired: dict[str, set[int]] = {condition: set() for condition in conditions}
        for begin in range(0, len(conditions), _MOST_AT_ONCE):
            some = conditions[begin : begin + _MOST_AT_ONCE]
            spelled = [self._spelled(pair, condition) for condition in some]
            for page in self._pages(spelled, start, end):
                for condition, previewed in zip(some, page["previews"], strict=True):
                    fired[condition].update(previewed["open_times"])
        return fired

    def _pages(self, spelled: list[dict[str, str]], start: int, end: int) -> Iterator[dict[str, Any]]:
        while start < end:
            page = self._asked("POST", "/conditions/preview/bulk", {"conditions": spelled, "start": start, "end": end})
            yield page
            start = page["until"]

    def _triggered(self, dataframe: pd.DataFrame, pair: str, conditions: list[str]) -> dict[str, set[int]]:
        """Condition -> the open times, in milliseconds, of the candles on which it fired since the bot began. Nothing
        is known while the hub does not answer."""
        close_ms, end_s = self._close_ms(dataframe), time.monotonic() + self.hub_patience_s
        fired: dict[str, set[int]] = {condition: set() for condition in conditions}
        try:
            for condition in conditions:
                condition_id = self._subscribed(pair, condition)
                self._wait(condition_id, close_ms, end_s)
                page = self._asked("GET", f"/conditions/{condition_id}/triggers?limit=100")
                fired[condition] = {trigger["open_time"] for trigger in page["items"]}
        except OperationalException as error:
            logger.warning("no signals of %s: %s", pair, error)
            return {condition: set() for condition in conditions}
        return fired

    def _subscribed(self, pair: str, condition: str) -> str:
        """The id of a condition on a pair, to which the bot is subscribed."""
        known: dict[tuple[str, str], str] = self.__dict__.setdefault("_hub_condition_ids", {})
        if (pair, condition) not in known:
            registered = self._asked("POST", "/conditions/register", self._spelled(pair, condition))
            body = {
                "bot_id": f"freqtrade {self.config.get('bot_name', 'freqtrade')}",  # type: ignore[attr-defined]
                "condition_id": registered["condition_id"],
                "bot_type": "freqtrade",
                "bot_config": {},
            }
            self._asked("POST", "/conditions/subscribe", body)
            known[pair, condition] = registered["condition_id"]
        return known[pair, condition]

    def _wait(self, condition_id: str, close_ms: int, end_s: float) -> None:
        """Return once the hub has judged a condition up to a close, or patience has ended."""
        while (self._asked("GET", f"/conditions/{condition_id}/status")["judged_until"] or 0) < close_ms:
            if time.monotonic() > end_s:
                logger.warning("the hub has not judged %s within %.0f s", condition_id, self.hub_patience_s)
                return
            time.sleep(_LOOKED_S)

    def _spelled(self, pair: str, condition: str) -> dict[str, str]:
        exchange = self.config["exchange"]["name"].upper()  # type: ignore[attr-defined]
        timeframe: str = self.timeframe  # type: ignore[attr-defined]
        return {"symbol": f"{exchange}:{pair}", "timeframe": timeframe, "when": condition}

    def _close_ms(self, dataframe: pd.DataFrame) -> int:
        last = dataframe["date"].iloc[-1].to_pydatetime()
        return _ms(timeframe_to_next_date(self.timeframe, last))  # type: ignore[attr-defined]

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """An answer of the hub. Raises ``OperationalException`` with what is wrong."""
        if self._http is None:
            key = os.environ.get("HUB_API_KEY", "")
            if not key:
                raise OperationalException("HUB_API_KEY is not set; `hub keys create USER` makes a key")
            self._http = httpx.Client(
                base_url=os.environ.get("HUB_API_URL", "http://127.0.0.1:8000"),
                headers={"Authorization": f"Bearer {key}"},
                timeout=60,
            )
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise OperationalException(f"the hub at {self._http.base_url} does not answer: {error}") from error
            if answer.status_code != _TOO_MANY or attempt == _ATTEMPTS - 1:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        if answer.is_error:
            raise OperationalException(f"the hub refuses {method} {path}: {_detail(answer)}")
        answered: dict[str, Any] = answer.json()
        return answered


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
