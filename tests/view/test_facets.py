import datetime as dt

from callboard.model.changes import Change, ChangeType
from callboard.model.predicates import Equals, both
from callboard.view.facets import Narrowing, facets
from callboard.view.texts import TextSearch
from tests.view.samples import entity, view_of

UID = "00000000-0000-0000-0000-000000000001"
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

VIEW = view_of(
    entity("a", tags=["java", "go"], spec={"lifecycle": "production", "flag": True}),
    entity("b", tags=["java"], spec={"lifecycle": "Production", "flag": None}),
    entity("c", "API", tags=["web"], spec={"lifecycle": "production", "long": "x" * 201}),
    entity("d", "API", relations=[{"type": "ownedBy", "targetRef": "group:default/a"}]),
)


def test_values_are_counted_as_they_are_written() -> None:
    assert facets(VIEW, ["spec.lifecycle"]) == {
        "spec.lifecycle": [{"value": "Production", "count": 1}, {"value": "production", "count": 2}]
    }


def test_a_facet_is_named_as_it_was_asked_for() -> None:
    assert facets(VIEW, ["KIND", "kind"]) == {
        "KIND": [{"value": "API", "count": 2}, {"value": "Component", "count": 2}],
        "kind": [{"value": "API", "count": 2}, {"value": "Component", "count": 2}],
    }


def test_an_entity_counts_for_each_of_its_values() -> None:
    assert facets(VIEW, ["metadata.tags"])["metadata.tags"] == [
        {"value": "go", "count": 1},
        {"value": "java", "count": 2},
        {"value": "web", "count": 1},
    ]


def test_only_selected_entities_count() -> None:
    found = facets(VIEW, ["metadata.tags"], both(Equals("kind", "component"), Equals("metadata.name", "b")))

    assert found["metadata.tags"] == [{"value": "java", "count": 1}]


def test_only_what_has_a_text_counts_when_one_is_asked_for() -> None:
    web = TextSearch("WEB", ("metadata.tags", "metadata.title"))

    assert facets(VIEW, ["kind"], text=web) == {"kind": [{"value": "API", "count": 1}]}
    assert facets(VIEW, ["kind"], Equals("kind", "component"), text=web) == {"kind": []}


def test_marks_and_relations_are_facets_too() -> None:
    found = facets(VIEW, ["metadata.tags.java", "relations.ownedBy", "spec.flag"])

    assert found == {
        "metadata.tags.java": [{"value": "true", "count": 2}],
        "relations.ownedBy": [{"value": "group:default/a", "count": 1}],
        "spec.flag": [{"value": "true", "count": 1}],
    }


def test_what_has_no_known_value_gives_an_empty_facet() -> None:
    assert facets(VIEW, ["spec.long", "metadata", "nothing"]) == {"spec.long": [], "metadata": [], "nothing": []}


def test_a_change_is_counted_at_once() -> None:
    view = view_of(entity("a", tags=["java"]), entity("b", tags=["java", "web"]))
    java = Equals("metadata.tags", "java")
    before = [facets(view, ["metadata.tags"], predicate) for predicate in (None, java)]
    gone = next(ref for ref in view.refs() if ref.endswith("/b"))

    view.apply(
        [Change(offset=view.offset + 1, type=ChangeType.REMOVED, ref=gone, uid=UID, body=None, at=AT, cause=None)]
    )
    after = [facets(view, ["metadata.tags"], predicate) for predicate in (None, java)]

    assert before[0] == before[1] == {"metadata.tags": [{"value": "java", "count": 2}, {"value": "web", "count": 1}]}
    assert after[0] == after[1] == {"metadata.tags": [{"value": "java", "count": 1}]}


def test_narrowing_leaves_what_is_remembered_alone() -> None:
    view = view_of(entity("a", tags=["go", "web"]), entity("b", tags=["web"]))

    narrowed = facets(view, ["metadata.tags"], None, Narrowing(limit=1))
    whole = facets(view, ["metadata.tags"])

    assert narrowed == {"metadata.tags": [{"value": "web", "count": 2}]}
    assert whole == {"metadata.tags": [{"value": "go", "count": 1}, {"value": "web", "count": 2}]}
