"""Each event says what led to it: the life of an entity on a started server, with its causes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from callboard.client import Cause, Event, Holder
from callboard.model import json
from callboard.model.json import JsonObject
from tests import payloads
from tests.flows import stories
from tests.flows.started import started
from tests.flows.stories import Story
from tests.harness import component, component_yaml
from tests.payloads import AFTER, SECRET, commit, proofs

pytestmark = pytest.mark.slow

PAYMENTS = "component:default/payments"
FILE = "acme/shop/raw/main/a.yaml"
OWNER, CI, OPERATOR = "token-of-owner", "token-of-ci", "token-of-operator"
SUBJECTS = {OWNER: "owner", CI: "ci", OPERATOR: "operator"}

CONFIGURATION: JsonObject = {
    "backend": {
        "auth": {
            "externalAccess": [
                {"type": "static", "options": {"token": token, "subject": subject}}
                for token, subject in SUBJECTS.items()
            ]
        }
    },
    "events": {"modules": {"github": {"webhookSecret": SECRET}}},
}


async def push(story: Story) -> None:
    """Tell the server, as GitHub does, that the file was edited."""
    told = payloads.github(commit(modified=["a.yaml"]), url=story.host.url("acme/shop"))
    body = json.encode(told)
    headers = {"content-type": "application/json", **proofs("github", body, SECRET)}
    answer = await story.http.post(f"{story.server.url}/api/events/http/github", content=body, headers=headers)
    assert answer.status_code == 202


def causes(events: Sequence[Event]) -> list[tuple[str, Cause | None]]:
    return [(event.type.value, event.cause) for event in events if event.ref == PAYMENTS]


async def test_from_the_registration_to_the_end_each_event_has_its_cause(tmp_path: Path, database_url: str) -> None:
    with started(tmp_path, database_url, CONFIGURATION) as server:
        async with stories.story(server, token=OWNER) as story, story.told_by(CI) as ci, story.told_by(OPERATOR) as op:
            location = await story.register(story.host.put(FILE, component_yaml("payments")))
            await story.until_owned(PAYMENTS, "team")
            await story.quiet()

            story.host.put(FILE, component_yaml("payments", owner="edited"))
            await ci.refresh(PAYMENTS)
            await story.until_owned(PAYMENTS, "edited")
            await story.quiet()

            story.host.put(FILE, component_yaml("payments", owner="pushed"))
            await push(story)
            await story.until_owned(PAYMENTS, "pushed")
            await story.quiet()

            await ci.catalog.push_entities("robot", [component("payments", location="provider:robot")])
            await story.until_status(PAYMENTS, "Conflict")
            await story.quiet()

            await ci.catalog.push_entities("robot", [])
            await story.until_status(PAYMENTS, "")
            await story.quiet()

            await op.unregister(location)

            home = Cause(source=f"entity:{location.entity_ref}", location=f"url:{story.host.url(FILE)}")
            assert causes(await story.events()) == [
                ("added", replace(home, because="changed", by="external:owner")),
                ("updated", replace(home, because="refresh", by="external:ci")),
                ("updated", replace(home, because=f"webhook github push {AFTER[:12]}")),
                (
                    "updated",
                    replace(
                        home,
                        because="conflict",
                        by="external:ci",
                        conflict=[Holder(source="provider:robot", location_key="provider:robot")],
                    ),
                ),
                ("updated", replace(home, because="conflict", by="external:ci")),
                (
                    "removed",
                    Cause(
                        source="provider:locations",
                        location=f"url:{story.host.url(FILE)}",
                        location_id=location.id,
                        because="unregistered",
                        by="external:operator",
                    ),
                ),
            ]
