"""The faces are alike, and have what the official JavaScript client has."""

import inspect
import re
from pathlib import Path

import pytest

from callboard.client import AsyncCatalogClient, CatalogClient

PAGE = Path(__file__).parents[2] / "docs/reference/client.md"

PYTHON_NAMES = {
    "getEntities": "get_entities",
    "getEntitiesByRefs": "get_entities_by_refs",
    "queryEntities": "query_entities",
    "streamEntities": "stream_entities",
    "getEntityAncestors": "get_entity_ancestors",
    "getEntityByRef": "get_entity_by_ref",
    "removeEntityByUid": "remove_entity_by_uid",
    "refreshEntity": "refresh_entity",
    "getEntityFacets": "get_entity_facets",
    "getLocations": "get_locations",
    "queryLocations": "query_locations",
    "streamLocations": "stream_locations",
    "getLocationById": "get_location_by_id",
    "getLocationByRef": "get_location_by_ref",
    "getLocationByEntity": "get_location_by_entity",
    "addLocation": "add_location",
    "updateLocation": "update_location",
    "removeLocationById": "remove_location",
    "validateEntity": "validate_entity",
    "analyzeLocation": "analyze_location",
}
"""Each method of the JavaScript client but `getEntityByName`, which is deprecated there."""


def methods(face: type) -> dict[str, str]:
    """The public methods of a face with all that a reader sees of them, without the words that make it asynchronous."""
    found = {name: value for name, value in inspect.getmembers(face, inspect.isfunction) if not name.startswith("_")}
    return {
        # A connection is closed under the name that each colour has for it.
        name.replace("aclose", "close"): f"{inspect.signature(method)}\n{method.__doc__}".replace("AsyncIter", "Iter")
        for name, method in found.items()
    }


def test_both_faces_have_the_same_methods_signatures_and_docstrings() -> None:
    assert methods(AsyncCatalogClient) == methods(CatalogClient)


def test_both_faces_are_made_in_the_same_way() -> None:
    made = [list(inspect.signature(face).parameters) for face in (AsyncCatalogClient, CatalogClient)]

    assert made[0] == made[1]


@pytest.mark.parametrize("name", sorted(PYTHON_NAMES))
def test_a_method_of_the_javascript_client_has_a_name_here(name: str) -> None:
    assert PYTHON_NAMES[name] in methods(CatalogClient)


def test_the_page_about_the_client_has_every_method() -> None:
    section = PAGE.read_text("utf-8").partition("\n## Methods\n")[2].partition("\n## ")[0]

    told = set(re.findall(r"^\| `(\w+)\(", section, re.MULTILINE))

    assert told == methods(CatalogClient).keys()


@pytest.mark.parametrize("name", sorted(PYTHON_NAMES))
def test_the_page_about_the_client_translates_the_javascript_names(name: str) -> None:
    assert re.search(rf"`{PYTHON_NAMES[name]}\(.*\| `{name}` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
