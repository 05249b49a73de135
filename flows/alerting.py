"""The automation that posts failed runs to an address, and the link from Prefect's pages to the dashboard."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.artifacts import Artifact
from prefect.automations import Automation, AutomationCore, EventTrigger, Posture, ResourceSpecification
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.events.actions import CallWebhook
from pydantic import SecretStr

from flows.changes import Change

AUTOMATION = "Condition Hub: failed runs"
_BLOCK = "condition-hub-alerts"
_DASHBOARD = "dashboard"

_PAYLOAD = """{
  "deployment": {{ (flow.name ~ "/" ~ deployment.name) | tojson }},
  "run": {{ flow_run.name | tojson }},
  "run_id": {{ flow_run.id | string | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "message": {{ flow_run.state.message | tojson }},
  "url": {{ flow_run | ui_url | tojson }}
}"""


async def set_alert(client: PrefectClient, tag: str, url: str | None) -> Change | None:
    """Have failed, crashed and timed out runs with a tag posted to ``url``; ``None``: nowhere. Returns what that
    changed, if there is or was an automation."""
    known = await client.find_automation(AUTOMATION)
    if url is None:
        if known is None:
            return None
        await client.delete_automation(known.id)
        return Change("automation", AUTOMATION, "removed")
    block_id, is_known = await _save_address(url)
    wanted = AutomationCore(
        name=AUTOMATION,
        description="Posts each failed run, with the reason, to HUB_ALERT_URL.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{tag}"}
            ),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=_PAYLOAD)],
    )
    if known is None:
        await client.create_automation(wanted)
        return Change("automation", AUTOMATION, "created")
    if is_known and _described(known) == _described(wanted):
        return Change("automation", AUTOMATION, "unchanged")
    await client.update_automation(known.id, wanted)
    return Change("automation", AUTOMATION, "changed")


async def _save_address(url: str) -> tuple[UUID, bool]:
    """Have the server know the address; returns the block that has it, and whether it had been the same before."""
    try:
        known = await Webhook.aload(_BLOCK)
    except ValueError:
        known = None
    if known is not None and known._block_document_id is not None and known.url.get_secret_value() == url:
        return known._block_document_id, True
    # Whoever runs the hub has chosen the address: it may well be on this machine.
    block = Webhook(url=SecretStr(url), allow_private_urls=True)
    return await block.asave(_BLOCK, overwrite=True), False


async def show_dashboard(client: PrefectClient, url: str) -> Change:
    """Show a link to the dashboard among Prefect's artifacts."""
    known = await Artifact.aget(_DASHBOARD, client=client)
    if known is not None and f"({url})" in str(known.data):
        return Change("artifact", _DASHBOARD, "unchanged")
    await client.create_artifact(
        ArtifactCreate(
            key=_DASHBOARD,
            type="markdown",
            description="Conditions, triggers, health and savings.",
            data=f"[Dashboard of the Condition Hub]({url})",
        )
    )
    return Change("artifact", _DASHBOARD, "created" if known is None else "changed")


def _described(automation: Automation | AutomationCore) -> dict[str, Any]:
    return automation.model_dump(include={"name", "description", "enabled", "trigger", "actions"})
