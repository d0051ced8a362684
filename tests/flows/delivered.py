"""Subscriptions that are delivered to a sink, and what makes events for them."""

from collections.abc import Mapping
from typing import Any

from tests.flows.stories import Story
from tests.harness import component


async def push(story: Story, *names: str, **spec: str) -> None:
    """Let a provider have exactly these components."""
    entities = [component(name, location="url:https://elsewhere/a.yaml", **spec) for name in names]
    answer = await story.http.put("/providers/ci/entities", json=entities, params={"wait": "settled"})
    answer.raise_for_status()


async def subscribe(story: Story, name: str, body: Mapping[str, Any]) -> None:
    (await story.http.put(f"/subscriptions/{name}", json=body)).raise_for_status()


async def lag(story: Story, name: str) -> int:
    found: int = (await story.http.get(f"/subscriptions/{name}")).raise_for_status().json()["lag"]
    return found


async def until_delivered(story: Story, name: str) -> None:
    async def delivered() -> bool:
        return await lag(story, name) == 0

    await story.until(delivered, f"{name} to have everything")
