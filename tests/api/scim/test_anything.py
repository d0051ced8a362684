"""Whatever clients send is understood or refused."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard.api.scim import documents, entities, patching
from callboard.api.scim.filters import parse, parse_path
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import ENTERPRISE, GROUPS, USER, USERS, ResourceType
from callboard.builtin.organisations.scim import Scim
from callboard.model.json import JsonObject

_PATHS = [
    *("userName", "name", "emails", "emails.value", "members", "displayName", "active", "externalId", "groups", "id"),
    *(
        "urn:x:y",
        "urn:x:y:z",
        ENTERPRISE,
        f"{ENTERPRISE}:manager",
        f"{USER}:name.givenName",
        "value",
        "type",
        "",
        "meta",
    ),
    *("primary", "password", "photos", 'emails[type eq "work"].value', 'members[value eq "u1"]', "name[givenName pr]"),
]
_TOKENS = [
    *("(", ")", "[", "]", "and", "or", "not", "eq", "pr", "co", "gt", '"a"', '"', "\\", "1", "true", "null"),
    *("userName", "emails.value", f"{USER}:name.x", "urn:a", "$ref", "x.y.z"),
]

paths = st.sampled_from(_PATHS)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.sampled_from(["True", "u1"]))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(paths, inner, max_size=4)),
    max_leaves=12,
)
resources = st.dictionaries(paths, values, max_size=6)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add"])},
    optional={"path": st.one_of(paths, leaves), "value": values},
)
texts = st.lists(st.sampled_from(_TOKENS), max_size=12).map(" ".join) | st.text(max_size=20)
quickly = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@quickly
@given(resources, st.lists(operations, max_size=3), st.sampled_from([USERS, GROUPS]))
def test_a_resource_is_canonical_after_any_change_or_refused(
    resource: JsonObject, changes: list[JsonObject], kind: ResourceType
) -> None:
    try:
        found = patching.patched(kind, documents.canonical(kind, resource), {"Operations": [*changes]})
    except Refused:
        return

    assert documents.canonical(kind, found) == found


@quickly
@given(resources, st.sampled_from([USERS, GROUPS]), paths, paths)
def test_a_resource_is_an_entity_or_refused_and_any_part_of_it_can_be_asked_for(
    resource: JsonObject, kind: ResourceType, one: str, other: str
) -> None:
    try:
        found = documents.canonical(kind, resource)
        documents.complete(kind, found)
        shape = entities.shape_of(Scim(), kind.name, found)
        places = [patching.place_of(text, kind) for text in (one, other)]
    except Refused:
        return

    whole = documents.whole(kind, found, id_="1", meta={})

    assert entities.entity_of(Scim(), kind.name, "1", shape, found, [])["kind"] == kind.name
    assert documents.selected(whole, places, [])["id"] == documents.selected(whole, [], places)["id"] == "1"


@quickly
@given(texts, resources)
def test_a_text_is_a_filter_or_refused(text: str, resource: JsonObject) -> None:
    for read in (parse, parse_path):
        try:
            found = read(text, [USER, ENTERPRISE])
        except Refused:
            continue
        if read is parse:
            assert parse(text, [USER, ENTERPRISE]).matches(resource) in (True, False)
        assert found is not None
