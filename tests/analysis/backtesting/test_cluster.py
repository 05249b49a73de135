"""Sweeps on a real local cluster of Dask, two processes: the same bits, also when one of them is killed."""

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from polars.testing import assert_frame_equal

import analysis
from analysis.backtesting import sweeping
from analysis.backtesting.trials import SessionTrials
from tests.analysis.backtesting.test_sweep import CANDLES, TEMPLATE, VALUES

if TYPE_CHECKING:
    from distributed import Client

pytestmark = pytest.mark.filterwarnings("default")
"""What Dask warns of on its way up and down is not the hub's."""


@pytest.fixture(scope="module")
def cluster() -> Iterator["Client"]:
    """A scheduler and two worker processes, each with one thread, reached by a client."""
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def test_a_cluster_gives_what_threads_give(cluster: "Client", monkeypatch: pytest.MonkeyPatch) -> None:
    threads = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials())
    monkeypatch.setattr(sweeping, "MOST_CONDITIONS", 3)
    steps: list[tuple[int, int]] = []
    swept = analysis.sweep(
        TEMPLATE, CANDLES, VALUES, trials=SessionTrials(), executor=cluster,
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert steps == [(number, 4) for number in range(1, 5)]
    assert_frame_equal(swept.frame, threads.frame, check_exact=True)
    assert swept.series == threads.series


def test_the_units_of_a_killed_worker_are_done_again(cluster: "Client", monkeypatch: pytest.MonkeyPatch) -> None:
    threads = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials())
    monkeypatch.setattr(sweeping, "MOST_CONDITIONS", 1)
    before = set(cluster.run(os.getpid).values())
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if not killed:
            killed.append(min(before))
            os.kill(killed[0], signal.SIGKILL)

    swept = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials(), executor=cluster, progress=kill_one)
    assert killed
    assert swept.complete
    assert_frame_equal(swept.frame, threads.frame, check_exact=True)
    cluster.wait_for_workers(2)
    assert killed[0] not in cluster.run(os.getpid).values(), "its nanny has started another"
