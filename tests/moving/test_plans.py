"""What nothing brings is copied, and everything else is left to what brings it."""

import pytest

from callboard.client import Location
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from callboard.model.json import JsonObject
from callboard.moving.plans import Fate, Known, Plan, copied
from tests.harness import component
from tests.moving.backstages import shown

REGISTERED = "url:https://host/registered.yaml"
CONFIGURED = "url:https://host/configured.yaml"
ELSEWHERE = "url:https://host/elsewhere.yaml"


def from_(origin: str, name: str = "cart") -> JsonObject:
    return shown(component(name, location=origin))


def location(origin: str, at: str | None = None) -> JsonObject:
    kind, _, target = origin.partition(":")
    spec: JsonObject = {"type": kind, "target": target}
    entity: JsonObject = {**component("generated-1", location=origin), "kind": "Location", "spec": spec}
    return shown(entity, **({MANAGED_BY_LOCATION: at} if at else {}))


@pytest.fixture
def plan() -> Plan:
    registered = Location(id="1", type="url", target="https://host/registered.yaml", entity_ref=None)
    known = Known(
        refs={"component:default/known": "ldap://people", "component:default/file": REGISTERED},
        origins={CONFIGURED},
        registered={("url", "https://host/old.yaml")},
    )
    return Plan(known, [registered])


@pytest.mark.parametrize(
    ("entity", "fate"),
    [
        (from_(REGISTERED), Fate.BROUGHT),
        (from_(CONFIGURED), Fate.BROUGHT),
        (location(REGISTERED), Fate.BROUGHT),
        (from_("ldap://people"), Fate.COPIED),
        (from_("file:/srv/all.yaml"), Fate.COPIED),
        (from_(ELSEWHERE, "known"), Fate.THERE),
        (from_(ELSEWHERE, "file"), Fate.COPIED),
        (from_(ELSEWHERE), Fate.COPIED),
        (location("file:/srv/all.yaml"), Fate.UNREADABLE),
        (location(ELSEWHERE), Fate.COPIED),
    ],
    ids=[
        "of-a-registered-location",
        "of-a-location-that-is-configured-here",
        "the-registration-itself",
        "of-a-provider",
        "of-a-file-there",
        "brought-by-another-source-here",
        "brought-by-a-location-of-both-that-does-not-have-it-there",
        "of-a-location-that-nobody-names",
        "a-location-of-files",
        "a-location-of-a-provider",
    ],
)
def test_each_entity_has_its_fate(plan: Plan, entity: JsonObject, fate: Fate) -> None:
    assert plan.fate_of(entity) is fate


def test_what_a_copied_location_leads_to_is_left_to_it(plan: Plan) -> None:
    root, nested, child = location(ELSEWHERE), location(ELSEWHERE, at="url:https://host/more.yaml"), from_(ELSEWHERE)

    assert [plan.fate_of(each) for each in (root, nested, child)] == [Fate.COPIED, Fate.BROUGHT, Fate.BROUGHT]


@pytest.mark.parametrize(
    ("claimed", "fate"),
    [
        (["entity:location:default/generated-1"], Fate.COPIED),
        (["provider:directory"], Fate.THERE),
        (["entity:location:default/generated-1", "entity:location:default/of-this-catalog"], Fate.THERE),
    ],
    ids=["by-a-location-that-is-there", "by-a-provider", "by-a-location-that-is-only-here-as-well"],
)
def test_a_copy_stays_while_nobody_claims_it_who_does_not_lose_it_there_too(
    plan: Plan, claimed: list[str], fate: Fate
) -> None:
    plan.known.contested = {"component:default/cart": claimed}
    plan.fate_of(location(REGISTERED))

    assert plan.fate_of(from_("ldap://people")) is fate


def test_only_locations_that_are_not_registered_yet_are_missing() -> None:
    known = Known(registered={("url", "https://host/old.yaml")})
    old, new = (
        Location(id=name, type="url", target=f"https://host/{name}.yaml", entity_ref=None) for name in ("old", "new")
    )

    assert Plan(known, [old, new]).missing_locations() == [new]


def test_a_copy_is_what_somebody_would_write() -> None:
    entity: JsonObject = {**from_("url:https://host/a.yaml"), "status": {"items": []}}
    entity = shown(entity, **{ORPHAN: "true"})

    assert copied(entity) == component("cart", location="url:https://host/a.yaml")


def test_a_copy_does_not_say_that_it_is_from_a_file_of_another_machine() -> None:
    metadata = copied(from_("file:/srv/all.yaml"))["metadata"]

    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {}


def test_a_copy_is_no_alias_of_what_was_read() -> None:
    entity = from_("file:/srv/all.yaml")

    copied(entity)

    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    assert isinstance(metadata["annotations"], dict)
    assert metadata["annotations"][MANAGED_BY_ORIGIN_LOCATION] == "file:/srv/all.yaml"
