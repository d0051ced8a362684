"""Entities of any kind, as a provider delivers them."""

from callboard.extend import Full
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue
from tests.harness import Catalog, offered

PLACE = "url:https://host/a.yaml"


def entity(kind: str, name: str, spec: JsonValue = None, **metadata: JsonValue) -> JsonObject:
    """An entity of any kind, as a provider delivers it."""
    annotations: JsonObject = {MANAGED_BY_LOCATION: PLACE, MANAGED_BY_ORIGIN_LOCATION: PLACE}
    own = metadata.pop("annotations", {})
    assert isinstance(own, dict)
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **metadata, "annotations": {**annotations, **own}},
        **({} if spec is None else {"spec": spec}),
    }


async def fill(catalog: Catalog, *entities: JsonObject, provider: str = "p") -> None:
    """Let these be all that *provider* has."""
    await catalog.provide(provider, Full(offered(*entities, key=provider)))
    await catalog.settle()
