"""Documents: resources as they come in, and as they go out."""

from collections.abc import Iterable, Mapping, Sequence

from callboard.api.scim.filters import Attribute as Place
from callboard.api.scim.filters import member
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import Attribute, ResourceType
from callboard.model.json import JsonObject, JsonValue

_TRUTHS = {"true": True, "false": False}


def canonical(kind: ResourceType, document: JsonObject) -> JsonObject:
    """*document* with the names of the schema, and nothing that clients can't write. Raises Refused.

    Passwords are read by nobody here, so that they are not kept either.
    """
    found: JsonObject = {}
    for name, value in document.items():
        extension = next((urn for urn in kind.extensions if urn.lower() == name.lower()), None)
        if extension is not None:
            found |= _some(extension, _members(kind.extensions[extension], value, extension))
        elif name.lower().startswith("urn:"):
            # Of an extension that only the client knows.
            found |= _some(name, value)
        elif (attribute := kind.attributes.get(name.lower())) is not None:
            found |= _some(attribute.name, _attribute(attribute, value, attribute.name))
    return found


def complete(kind: ResourceType, document: JsonObject) -> None:
    """Raise Refused when a canonical *document* lacks what must be there."""
    for attribute in kind.attributes.values():
        if attribute.required and not str(document.get(attribute.name) or "").strip():
            raise Refused("invalidValue", f"{attribute.name} must be there, and not empty")


def _attribute(attribute: Attribute, value: JsonValue, at: str) -> JsonValue:
    if value is None or attribute.mutability == "readOnly" or attribute.returned == "never":
        return None
    if not attribute.multiple:
        return _value(attribute, value, at)
    values = value if isinstance(value, list) else [value]
    found = [_value(attribute, each, f"{at}[{index}]") for index, each in enumerate(values)]
    return _one_primary([each for each in found if each not in (None, {})])


def _one_primary(values: list[JsonValue]) -> list[JsonValue]:
    """*values*, of which one at most is the primary one: the last that says so, for that was set last."""
    primary = [index for index, each in enumerate(values) if isinstance(each, dict) and each.get("primary") is True]
    for index in primary[:-1]:
        each = values[index]
        assert isinstance(each, dict)
        values[index] = {**each, "primary": False}
    return values


def _value(attribute: Attribute, value: JsonValue, at: str) -> JsonValue:
    match attribute.type:
        case "complex":
            # Some write the value alone.
            whole: JsonValue = value
            if isinstance(value, str) and "value" in attribute.attributes:
                whole = {"value": value}
            return _members(attribute.attributes, whole, at)
        case "boolean":
            # Entra ID writes booleans as texts.
            truth = _TRUTHS.get(value.lower()) if isinstance(value, str) else value
            if not isinstance(truth, bool):
                raise Refused("invalidValue", f"{at} must be true or false")
            return truth
        case _:
            if not isinstance(value, str) or "\0" in value:
                raise Refused("invalidValue", f"{at} must be a text")
            return value


def _members(attributes: Mapping[str, Attribute], value: JsonValue, at: str) -> JsonValue:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refused("invalidValue", f"{at} must be an object")
    found: JsonObject = {}
    for name, inner in value.items():
        attribute = attributes.get(name.lower())
        if attribute is not None:
            found |= _some(attribute.name, _attribute(attribute, inner, f"{at}.{attribute.name}"))
    return found


def _some(name: str, value: JsonValue) -> JsonObject:
    """Nothing, an empty list and an empty object are all the same: not there (RFC 7643, section 2.5)."""
    return {} if value in (None, [], {}) else {name: value}


def whole(kind: ResourceType, document: JsonObject, *, id_: str, meta: JsonObject) -> JsonObject:
    """A canonical *document* as clients see it."""
    extensions: list[JsonValue] = [name for name in document if name.lower().startswith("urn:")]
    return {"schemas": [kind.schema, *extensions], "id": id_, **document, "meta": meta}


_ALWAYS = ("schemas", "id")


def selected(resource: JsonObject, wanted: Sequence[Place], unwanted: Sequence[Place]) -> JsonObject:
    """*resource* with the *wanted* attributes only, if there are any, and without the *unwanted* ones."""
    if wanted:
        found: JsonObject = {name: resource[name] for name in _ALWAYS if name in resource}
        for place in wanted:
            _copy(place, resource, found)
        return found
    left = dict(resource)
    for place in unwanted:
        _drop(place, left)
    return left


def _copy(place: Place, source: JsonObject, target: JsonObject) -> None:
    if place.schema is not None:
        inner, into = source.get(place.schema), target.setdefault(place.schema, {})
        if isinstance(inner, dict) and isinstance(into, dict):
            _copy(Place(place.name, place.within), inner, into)
        if not into:
            del target[place.schema]
        return
    name = _named(source, place.name)
    if name is None:
        return
    value = source[name]
    if place.within is None:
        target[name] = value
    elif isinstance(value, dict):
        target[name] = {**_part(target.get(name)), **_only(value, place.within)}
    elif isinstance(value, list):
        before = target.get(name)
        parts = before if isinstance(before, list) else [{} for _ in value]
        pairs = zip(value, parts, strict=True)
        target[name] = [{**_part(part), **_only(_part(each), place.within)} for each, part in pairs]


def _drop(place: Place, target: JsonObject) -> None:
    if place.schema is not None:
        inner = dict(_part(target.get(place.schema)))
        _drop(Place(place.name, place.within), inner)
        if place.schema in target:
            target[place.schema] = inner
        return
    name = _named(target, place.name)
    if name is None or name in _ALWAYS:
        return
    value = target[name]
    if place.within is None:
        del target[name]
    elif isinstance(value, dict):
        target[name] = _without(value, place.within)
    elif isinstance(value, list):
        target[name] = [_without(_part(each), place.within) for each in value]


def _named(place: Iterable[str], name: str) -> str | None:
    return next((key for key in place if key.lower() == name.lower()), None)


def _only(value: JsonObject, name: str) -> JsonObject:
    found = member(value, name)
    return {} if found is None else {_named(value, name) or name: found}


def _without(value: JsonObject, name: str) -> JsonObject:
    return {key: inner for key, inner in value.items() if key.lower() != name.lower()}


def _part(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
