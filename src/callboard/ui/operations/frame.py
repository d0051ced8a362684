"""The frame of the pages about operations."""

from typing import Final

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Parameter, Refused
from callboard.ui.presenting import number
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


def rate(value: JsonValue) -> str:
    """So many in a second, as exactly as people want to know it.

    >>> rate(1234.5), rate(12.34), rate(0.0283), rate(0)
    ('1\\u202f234', '12.3', '0.028', '0')
    """
    a_second = float(value) if isinstance(value, int | float) else 0.0
    if a_second >= 100:
        return number(round(a_second))
    return f"{a_second:.3g}" if a_second >= 10 else f"{a_second:.2g}"


async def permitted(visit: Visit, path: str, **parameters: Parameter) -> JsonObject | None:
    """What the API answers; None when whoever looks may not know it."""
    try:
        return await visit.catalog.get_object(path, **parameters)
    except Refused as refused:
        if refused.status == 403:
            return None
        raise
