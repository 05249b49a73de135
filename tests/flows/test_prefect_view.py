"""What a Prefect server says about workers and runs, and what happens if it says nothing."""

from pathlib import Path

import pytest

from common.errors import PrefectServerError
from common.supervised import free_port
from flows.prefect_view import FailedRun, look_at_prefect
from tests.flows.recorded_prefect import RecordedPrefect, failed_run, recorded, worker

NOW = 1_796_066_190_000


def test_workers_late_and_failed_runs(tmp_path: Path) -> None:
    runs = [failed_run(number, f"StoreUnreachable {number} " + 1_000 * "x") for number in range(7)]
    with recorded(RecordedPrefect([worker(), worker("OFFLINE")], 3, runs, is_paused=True), tmp_path):
        view = look_at_prefect(tmp_path, NOW)
    assert view is not None
    assert (view.is_paused, view.is_worked_on, view.late, view.failed) == (True, True, 3, 7)
    assert [each.is_online for each in view.workers] == [True, False]
    assert len(view.newest_failed) == 5
    first = view.newest_failed[0]
    assert first == FailedRun("tick-0m", "Failed", 1_796_066_161_200, first.reason)
    assert (len(first.reason), first.reason[:18]) == (500, "StoreUnreachable 0")


def test_nothing_was_ever_deployed(tmp_path: Path) -> None:
    assert look_at_prefect(tmp_path, NOW) is None
    with recorded(RecordedPrefect(has_pool=False), tmp_path):
        view = look_at_prefect(tmp_path, NOW)
    assert view is not None
    assert (view.is_worked_on, view.late, view.failed) == (False, 0, 0)


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.port").write_text(str(free_port()))
    (tmp_path / "prefect" / "prefect.login").write_text("hub:x")
    with pytest.raises(PrefectServerError, match="does not answer"):
        look_at_prefect(tmp_path, NOW)
