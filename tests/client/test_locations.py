"""What is asked about locations, and what the answers mean."""

from typing import Any

import pytest

from callboard.client import (
    AddedLocation,
    DraftedEntity,
    FieldAdvice,
    FoundEntity,
    Location,
    LocationAnalysis,
    Problem,
    Validation,
    locations,
)
from callboard.client.core import Call
from callboard.errors import InvalidInput, InvalidRef, NotFound, Unreadable
from callboard.model import json
from callboard.model.refs import LocationRef

SHOP = {"id": "1", "type": "url", "target": "https://host/shop.yaml", "entityRef": "location:default/shop"}
THE_SHOP = Location(id="1", type="url", target="https://host/shop.yaml", entity_ref="location:default/shop")
REF = LocationRef("url", "https://host/shop.yaml")
PAGE = locations.page()


def read(call: Call[Any], content: object, status: int = 200) -> Any:
    return call.result(status, json.encode(content))


def test_locations_are_unwrapped() -> None:
    assert read(locations.listing(), [{"data": SHOP}]) == [THE_SHOP]


def test_a_page_of_locations_knows_where_it_goes_on() -> None:
    page = read(
        locations.page({"type": "url"}, limit=1), {"items": [SHOP], "totalItems": 2, "pageInfo": {"nextCursor": "c"}}
    )

    assert (page.items, page.total) == ([THE_SHOP], 2)
    assert locations.page_after(page, page_size=1) == locations.page(cursor="c", limit=1)


def test_the_last_page_of_locations_is_followed_by_none() -> None:
    page = read(PAGE, {"items": [], "totalItems": 0, "pageInfo": {}})

    assert locations.page_after(page, page_size=1) is None


def test_only_what_is_said_of_a_page_is_sent() -> None:
    assert PAGE.body == {}
    assert locations.page({}, limit=5).body == {"query": {}, "limit": 5}


@pytest.mark.parametrize("ref", [str(REF), REF])
def test_a_location_is_found_by_its_ref(ref: str | LocationRef) -> None:
    call = locations.by_ref(ref)

    assert call.body == {"query": {"type": "url", "target": "https://host/shop.yaml"}}
    # The server does not tell capitals from small letters.
    other = SHOP | {"id": "2", "target": "https://host/SHOP.yaml"}
    assert read(call, {"items": [other, SHOP], "totalItems": 2, "pageInfo": {}}) == THE_SHOP


def test_a_location_that_is_not_registered_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"no registered location url:https://host/shop\.yaml"):
        read(locations.by_ref(REF), {"items": [], "totalItems": 0, "pageInfo": {}})


def test_a_ref_without_a_type_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRef, match="prefix it with 'url:'"):
        locations.by_ref("https://host/shop.yaml")


def test_an_id_can_not_lead_to_another_path() -> None:
    assert locations.by_id("by-entity/a").path == "/locations/by-entity%2Fa"


@pytest.mark.parametrize(
    ("dry_run", "on_conflict", "params"),
    [(False, None, {}), (True, None, {"dryRun": "true"}), (False, "refresh", {"onConflict": "refresh"})],
)
def test_a_location_is_registered_as_asked(
    dry_run: bool, on_conflict: locations.OnConflict | None, params: dict[str, str]
) -> None:
    call = locations.add(REF, dry_run=dry_run, on_conflict=on_conflict)

    assert dict(call.params) == params
    assert call.body == {"type": "url", "target": "https://host/shop.yaml"}


def test_a_dry_run_says_what_would_come() -> None:
    added = read(
        locations.add(REF, dry_run=True), {"location": SHOP, "entities": [{"kind": "API", "x": 1}], "exists": True}, 201
    )

    assert added == AddedLocation(THE_SHOP, [{"kind": "API", "x": 1}], True)  # type: ignore[typeddict-unknown-key]


def test_a_registration_need_not_say_whether_it_was_there_before() -> None:
    assert read(locations.add(REF), {"location": SHOP, "entities": []}, 201) == AddedLocation(THE_SHOP, [], None)


def test_an_entity_without_problems_is_valid() -> None:
    assert locations.validate({}, REF).result(200, b"") == Validation(True)


def test_the_problems_of_an_entity_have_causes() -> None:
    cause = {"name": "TypeError", "message": "spec is missing"}
    found = [{"name": "InputError", "message": "wrong", "cause": cause}, {"name": "Error", "message": "worse"}]

    verdict = read(locations.validate({}, REF), {"errors": found}, 400)

    assert verdict == Validation(
        False, [Problem("InputError", "wrong", Problem("TypeError", "spec is missing")), Problem("Error", "worse")]
    )


def test_a_wrong_question_is_no_verdict() -> None:
    with pytest.raises(InvalidInput, match="request/body/entity must be object"):
        read(
            locations.validate({}, REF),
            {"error": {"name": "InputError", "message": "request/body/entity must be object"}},
            400,
        )


def test_an_analysis_has_entities_and_drafts() -> None:
    advice = {"field": "spec.owner", "state": "needsUserInput", "value": None, "description": "Who?"}

    analysis = read(
        locations.analyze(REF),
        {
            "existingEntityFiles": [
                {"location": {"type": "url", "target": "https://x"}, "isRegistered": True, "entity": {"kind": "API"}}
            ],
            "generateEntities": [{"entity": {"kind": "Component"}, "fields": [advice]}],
        },
    )

    assert analysis == LocationAnalysis(
        [FoundEntity(type="url", target="https://x", is_registered=True, entity={"kind": "API"})],
        [
            DraftedEntity(
                {"kind": "Component"},
                [FieldAdvice(field="spec.owner", state="needsUserInput", value=None, description="Who?")],
            )
        ],
    )


def test_an_analysis_may_look_for_another_name() -> None:
    call = locations.analyze(REF, catalog_filename="catalog.yaml")

    assert call.body == {
        "location": {"type": "url", "target": "https://host/shop.yaml"},
        "catalogFilename": "catalog.yaml",
    }


def test_an_analysis_of_another_kind_is_refused() -> None:
    with pytest.raises(Unreadable, match="POST /analyze-location"):
        read(locations.analyze(REF), {"entities": []})
