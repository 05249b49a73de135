"""A soak's troubles come in turn and go again, and its verdict sees what has grown, lagged or differed."""

import itertools
from dataclasses import replace

import pytest

from benchmarks.soak.samples import Sample
from benchmarks.soak.troubles import CALM_MS, LAST_CALM_MS, LASTS_MS, TROUBLES, Rotation, trouble_at
from benchmarks.soak.verdict import Ending, findings, tables
from common.timeframes import DURATION_MS
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.demo.simulated_sockets import SocketFaults

_MINUTE, _HOUR = DURATION_MS["1m"], DURATION_MS["1h"]
_RIGHT = Ending(differences=0, audited=10, wrong_checks=0, received=10, repeated=0, recorded=10)


def test_everything_goes_wrong_within_a_round_and_nothing_at_the_end() -> None:
    length_ms = 3 * _HOUR
    minutes = range(0, length_ms, _MINUTE)
    wrong = [trouble_at(since_ms, length_ms) for since_ms in minutes]
    round_length = len(TROUBLES) * (LASTS_MS + CALM_MS) // _MINUTE
    assert {each.name for each in wrong[:round_length] if each is not None} == {each.name for each in TROUBLES}
    assert all(each is None for each in wrong[-LAST_CALM_MS // _MINUTE :])
    for before, after in itertools.pairwise(wrong):
        assert before is after or before is None or after is None, "a calm follows each trouble"


@pytest.mark.parametrize("number", range(len(TROUBLES)), ids=[each.name for each in TROUBLES])
def test_an_exchange_is_well_again_after_each_trouble(number: int) -> None:
    now_ms = number * (LASTS_MS + CALM_MS) + CALM_MS
    exchange = SimulatedExchange([Pair("BTC"), Pair("ETH")], lambda: now_ms)
    rotation = Rotation(exchange, 0, 3 * _HOUR)
    well = _state(exchange)
    rotation.step()
    assert _state(exchange) != well
    lasting = set(exchange.missing), dict(exchange.corrections)
    now_ms += LASTS_MS
    rotation.step()
    assert exchange.socket_faults == SocketFaults()
    assert not exchange.is_down
    assert not exchange.faults
    assert (exchange.missing, exchange.corrections) == lasting


def _state(exchange: SimulatedExchange) -> object:
    faults = replace(exchange.socket_faults)
    wrong = len(exchange.faults), len(exchange.missing), len(exchange.corrections)
    return faults, exchange.is_down, wrong, exchange.sockets._cuts


def _samples(
    *, grown_mb: float = 0.0, lag_s: float = 0.0, waiting: float = 0.0, unpublished: float = 0.0
) -> list[Sample]:
    """Two hours in which a process and a file grow evenly; the rest is as it is at the end."""
    return [
        Sample(
            at_ms=minute * _MINUTE,
            trouble=None,
            memory={"worker": 500 + grown_mb * minute / 120},
            pids={"worker": 7},
            files={"prefect/prefect.db": 20 + grown_mb * minute / 120, "store/registry.duckdb": 2.0},
            metrics={
                "hub_tick_lag_seconds{timeframe=1m}": lag_s,
                "hub_groups{state=waiting,timeframe=1m}": waiting,
                "hub_event_queue_depth": unpublished,
                "hub_triggers_total": 10.0,
            },
        )
        for minute in range(120)
    ]


def _wrong(samples: list[Sample], ending: Ending = _RIGHT) -> set[str]:
    return {each.what for each in findings(samples, ending) if not each.is_right}


def test_a_verdict_names_what_is_not_as_it_should_be() -> None:
    assert not _wrong(_samples())
    assert _wrong(_samples(grown_mb=100)) == {"memory of worker is flat", "prefect/prefect.db is flat"}
    assert _wrong(_samples(lag_s=600)) == {"lag is back to 0"}
    assert _wrong(_samples(waiting=2)) == {"no group waits"}
    assert _wrong(_samples(unpublished=1)) == {"everything is published"}
    assert _wrong(_samples(), replace(_RIGHT, differences=1)) == {"the audit finds no difference"}
    assert _wrong(_samples(), replace(_RIGHT, differences=None)) == {"the audit finds no difference"}
    assert _wrong(_samples(), replace(_RIGHT, wrong_checks=1)) == {"the store is consistent"}
    assert _wrong(_samples(), replace(_RIGHT, received=9)) == {"a reader of events got every trigger once"}
    assert _wrong(_samples(), replace(_RIGHT, repeated=1)) == {"a reader of events got every trigger once"}
    silent = [*_samples()[:-1], replace(_samples()[-1], metrics={})]
    assert _wrong(silent) == {"the service always answered"}


def test_the_tables_compare_the_quarters() -> None:
    memory = tables(_samples(grown_mb=100))[0]
    assert memory.rows == [["worker", "523", "545", "567", "589", "599"]]
