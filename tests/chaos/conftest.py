"""Fixtures for the cases, and the tables that a long run writes."""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import scene
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.chaos.report import Report

SEED = os.environ.get("HUB_TEST_SEED") or str(time.time_ns() % 1_000_000)
_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the scene before its first tick."""
    folder = tmp_path_factory.mktemp("scene") / "store"
    scene.make_store(folder)
    return folder


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Randomness; the seed is shown when the case fails, and ``HUB_TEST_SEED`` repeats it."""
    print(f"HUB_TEST_SEED={SEED} repeats this case")  # noqa: T201 (pytest shows it)
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """The results of the cases; with ``HUB_CHAOS_REPORT`` they are written into the page."""
    made = Report()
    yield made
    if os.environ.get("HUB_CHAOS_REPORT"):
        made.write(SEED, EFFORT)


@pytest.fixture
def new_hub(
    tmp_path: Path, template: Path, dice: random.Random, report: Report, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Hub]]:
    """Creates hubs, of the class ``of`` if that is an option, and stops them when the case ends."""
    made: list[Hub] = []

    def make(of: type[Hub] = Hub, **options: Any) -> Hub:
        made.append(of(tmp_path / f"hub{len(made)}", options.pop("template", template), dice, **options))
        return made[-1]

    yield make
    for hub in made:
        hub.close()
    case = report.case(request.function, request.node.originalname)
    case.runs += 1
    case.failed += request.node.stash.get(_FAILED, True)
    case.add(made)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of a few megabytes (16, or the fixture's parameter), if this user may mount one."""
    # Servers that run as another user have to get there, which they cannot in the folders of pytest.
    disk = Path(tempfile.mkdtemp(prefix="hub-disk-"))
    disk.chmod(0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', 16)}m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        disk.rmdir()
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    disk.rmdir()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures how the case went."""
    made = yield
    if call.when == "call":
        item.stash[_FAILED] = made.failed
    return made
