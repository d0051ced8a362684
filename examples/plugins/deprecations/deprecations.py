"""A plugin that reacts to changes: it tells a chat which APIs become deprecated, and keeps a list of all that are."""

import json
from collections.abc import Sequence
from pathlib import Path

import httpx2

from callboard.errors import Gone
from callboard.extend import Event, Plugin, PluginContext

DEPRECATED = "kind=api,spec.lifecycle=deprecated"


def plugin(context: PluginContext) -> Plugin:
    """What `callboard.plugins` names: makes the plugin, as its options say."""
    chat, file = context.options.get("chat"), context.options.get("list")
    if not isinstance(chat, str) or not isinstance(file, str):
        raise TypeError("expected chat, a URL, and list, a file")
    deprecations = Plugin("deprecations")
    listed = Path(file)

    @deprecations.on_event(filter=DEPRECATED, fields="spec.owner")
    async def tell_the_chat(event: Event) -> None:
        """Whatever comes into the filter is told as added, be it new or not."""
        if event.type != "added":
            return
        async with httpx2.AsyncClient(timeout=10) as client:
            answer = await client.post(chat, json={"id": event.id, "text": f"{event.ref} is deprecated"})
        if answer.status_code == 410:
            raise Gone("the chat is closed")
        answer.raise_for_status()

    @deprecations.on_events(filter=DEPRECATED, fields=["metadata.title", "spec.owner"], start=0)
    def keep_the_list(events: Sequence[Event]) -> None:
        """The same events may come again, and lead to the same list."""
        entries = json.loads(listed.read_text("utf-8")) if listed.exists() else {}
        for event in events:
            if event.entity is None:
                entries.pop(event.ref, None)
            else:
                entries[event.ref] = event.decoded()
        unfinished = listed.with_suffix(".new")
        unfinished.write_text(json.dumps(entries, indent=2), "utf-8")
        unfinished.replace(listed)

    return deprecations
