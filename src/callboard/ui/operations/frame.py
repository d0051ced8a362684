"""The frame of the pages about operations."""

from typing import Final

from callboard.model.json import JsonObject
from callboard.ui.asking import Parameter, Refused
from callboard.ui.visits import Visit

TABS: Final = (
    ("Overview", "/operations"),
    ("Locations", "/operations/locations"),
    ("Providers", "/operations/providers"),
    ("Conflicts", "/operations/conflicts"),
    ("Failed and pending", "/operations/unprocessed"),
    ("Stream", "/operations/stream"),
    ("Live tail", "/operations/tail"),
)


async def permitted(visit: Visit, path: str, **parameters: Parameter) -> JsonObject | None:
    """What the API answers; None when whoever looks may not know it."""
    try:
        return await visit.catalog.get_object(path, **parameters)
    except Refused as refused:
        if refused.status == 403:
            return None
        raise
