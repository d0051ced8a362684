"""Samples: entities that processors and policies meet, among them odd ones."""

from callboard.extend import JsonObject, JsonValue
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION

AT = "url:https://conformance.example/catalog-info.yaml"


def entity(kind: str, name: str = "sample", /, **spec: JsonValue) -> JsonObject:
    """An entity of *kind* that says where it comes from."""
    metadata: JsonObject = {"name": name, "namespace": "default", "annotations": _places()}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": dict(spec)}


def valid() -> list[JsonObject]:
    """One of each common kind, as it comes behind policies and the check of its kind."""
    return [
        entity("Component", type="service", lifecycle="production", owner="team-a"),
        entity("API", type="openapi", lifecycle="production", owner="team-a", definition="openapi: 3.1.0"),
        entity("Resource", type="database", owner="team-a"),
        entity("System", owner="team-a"),
        entity("Domain", owner="team-a"),
        entity("Group", type="team", children=[]),
        entity("User", memberOf=["team-a"]),
        entity("Location", type="url", targets=["./other.yaml"]),
    ]


def foreign() -> JsonObject:
    """An entity of a kind that nobody has."""
    return {**entity("ConformanceSample", "foreign", type="unknown", owner="team-a"), "apiVersion": "example.com/v1"}


def odd() -> list[JsonObject]:
    """What has kind and name, and is odd in all else: it comes like this to whatever is first."""
    base = entity("Component", type="service", lifecycle="production", owner="team-a")
    spec_less = {key: value for key, value in base.items() if key != "spec"}
    deep: JsonValue = "bottom"
    for _ in range(50):
        deep = {"inside": [deep]}
    specs: list[JsonValue] = [None, [], "text", 5, {}, {"owner": 5}, {"owner": [None]}, {"type": {}}, {"deep": deep}]
    metadatas: list[JsonObject] = [
        {"annotations": {**_places(), "": 5, "example.com/x": None}},
        {"labels": "text", "tags": {"a": 1}, "links": 5},
        {"title": "\u0000 \U0001f680 \u202e", "description": "long " * 20_000},
        {"namespace": "Ünusual Näme"},
    ]
    return [
        spec_less,
        *({**base, "spec": spec} for spec in specs),
        *({**base, "metadata": {"name": "sample", "annotations": _places(), **each}} for each in metadatas),
    ]


def _places() -> JsonObject:
    return {MANAGED_BY_LOCATION: AT, MANAGED_BY_ORIGIN_LOCATION: AT}
