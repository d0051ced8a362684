import pytest

from callboard.model.json import JsonValue
from callboard.model.predicates import Predicate, parse_filters, parse_query
from callboard.view.views import View
from tests.view.samples import entity, names, upserted, view_of

VIEW = view_of(
    entity("cart", tags=["java"], title="Shop", spec={"type": "service", "owner": "team-a", "system": None}),
    entity("Pricing", tags=["go", "java"], spec={"type": "Service", "owner": "Team-B"}),
    entity("web", "API", tags=["TypeScript"], spec={"type": "website", "rank": 3.0, "long": "x" * 300}),
    entity("broken", status={"items": [{"level": "error", "type": "processing", "message": "m"}]}),
)


def found(predicate: Predicate | None, view: View = VIEW) -> list[str | None]:
    return sorted(names(view.contents.bodies_of(view.evaluate(predicate))), key=str)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("kind=component", ["Pricing", "broken", "cart"]),
        ("KIND=COMPONENT,spec.type=SERVICE", ["Pricing", "cart"]),
        ("spec.type=website,spec.type=service", ["Pricing", "cart", "web"]),
        ("metadata.tags=java", ["Pricing", "cart"]),
        ("metadata.tags.java", ["Pricing", "cart"]),
        ("metadata.tags.typescript=true", ["web"]),
        ("metadata.tags.java=false", []),
        ("spec.system", ["cart"]),
        ("spec.system=", []),
        ("spec.system=null", []),
        ("spec.rank=3", ["web"]),
        ("spec.long", ["web"]),
        ("metadata", []),
        ("metadata.name=pricing", ["Pricing"]),
        ("status.level=error", ["broken"]),
        (",", ["Pricing", "broken", "cart", "web"]),
    ],
)
def test_a_filter_finds_what_it_says(filter: str, expected: list[str]) -> None:  # noqa: A002
    assert found(parse_filters([filter])) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"$not": {"spec.type": "service"}}, ["broken", "web"]),
        ({"$not": {"$any": []}}, ["Pricing", "broken", "cart", "web"]),
        ({"$any": []}, []),
        ({"spec.type": {"$in": []}}, []),
        ({"spec.type": {"$exists": False}}, ["broken"]),
        ({"spec.owner": {"$hasPrefix": "TEAM-"}}, ["Pricing", "cart"]),
        ({"spec.owner": {"$hasPrefix": ""}}, ["Pricing", "cart"]),
        ({"spec.system": {"$hasPrefix": ""}}, []),
        ({"metadata.tags.java": {"$hasPrefix": "tr"}}, ["Pricing", "cart"]),
        ({"$all": [{"kind": "nothing"}, {"kind": "component"}]}, []),
    ],
)
def test_a_query_finds_what_it_says(query: JsonValue, expected: list[str]) -> None:
    assert found(parse_query(query)) == expected


def test_evaluating_leaves_the_index_as_it_was() -> None:
    predicate = parse_query({"$any": [{"kind": "component"}, {"metadata.tags": "java"}, {"kind": "api"}]})

    first = found(predicate)

    assert found(predicate) == first
    assert found(parse_filters(["kind=api"])) == ["web"]


def test_a_mark_that_turns_out_to_be_a_value_keeps_those_who_had_it() -> None:
    view = view_of(entity("a", x=["y"]), entity("b", x=["y"]))

    view.apply([upserted(11, entity("c", x={"y": "other"})), upserted(12, entity("a"))])

    assert found(parse_filters(["metadata.x.y=true"]), view) == ["b"]
    assert found(parse_filters(["metadata.x.y=other"]), view) == ["c"]
    assert found(parse_filters(["metadata.x.y"]), view) == ["b", "c"]


def test_prefixes_keep_up_with_changes() -> None:
    view = view_of(entity("a", title="alpha"), entity("b", title="beta"))
    assert found(parse_query({"metadata.title": {"$hasPrefix": "al"}}), view) == ["a"]

    view.apply([upserted(11, entity("b", title="Altitude")), upserted(12, entity("a", title="zeta"))])

    assert found(parse_query({"metadata.title": {"$hasPrefix": "al"}}), view) == ["b"]


def test_a_key_that_nobody_has_any_more_is_forgotten() -> None:
    view = view_of(entity("a", tags=["x"], title="t"))

    view.apply([upserted(11, entity("a"))])

    assert view.contents.index.column("metadata.tags") is None
    assert view.contents.index.column("metadata.tags.x") is None
    assert view.contents.index.column("metadata.title") is None
