"""``prefect.yaml``: the deployments of ``flows.deployments`` for those who prefer ``prefect deploy --all``.

``python -m flows.deployment_file`` writes it. It has the schedules of UTC's grid; where instruments on other grids are
in use, ``hub deploy`` knows theirs as well.
"""

import asyncio
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.deployments.runner import RunnerDeployment

from flows.deployments import deployments

PLACE = Path(__file__).parents[1] / "prefect.yaml"

_HEAD = """\
# The deployments of the Condition Hub, as flows/deployments.py has them; `python -m flows.deployment_file` writes this.
# `hub deploy` creates the pools and everything else as well. With this file: prefect --no-prompt deploy --all
"""


def text() -> str:
    """The file's text."""
    entries = [_entry(each) for each in asyncio.run(deployments())]
    content: str = yaml.safe_dump({"name": "condition-hub", "deployments": entries}, sort_keys=False, width=120)
    return _HEAD + content


def _entry(deployment: RunnerDeployment) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "description": deployment.description,
        "tags": list(deployment.tags),
        "entrypoint": deployment.entrypoint,
        "parameters": deployment.parameters,
        "work_pool": {"name": deployment.work_pool_name},
        "schedules": [_schedule(each.schedule) for each in deployment.schedules or ()],
    }


def _schedule(schedule: object) -> dict[str, Any]:
    if isinstance(schedule, CronSchedule):
        return {"cron": schedule.cron, "timezone": schedule.timezone}
    assert isinstance(schedule, IntervalSchedule), schedule
    return {
        "interval": int(schedule.interval.total_seconds()),
        "anchor_date": schedule.anchor_date.isoformat(),
        "timezone": schedule.timezone,
    }


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
