"""Patching: a resource with the operations of a PATCH applied to it (RFC 7644, section 3.5.2).

Identity providers have dialects: Entra ID begins operations with a capital letter, names paths as members of a value,
and expects that a value comes into being which a filter of equations describes.
"""

import copy
from collections.abc import Sequence

from callboard.api.scim.documents import canonical
from callboard.api.scim.filters import Attribute as Place
from callboard.api.scim.filters import Compare, Every, Filter, Path, member, parse_path
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import Attribute, ResourceType
from callboard.model.json import JsonObject, JsonValue

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_OPERATIONS = ("add", "replace", "remove")
_NOT_WRITTEN = ("id", "schemas", "meta")


def patched(kind: ResourceType, document: JsonObject, body: JsonObject) -> JsonObject:
    """A canonical *document*, canonical again, after all operations of *body*. Raises Refused, and then none counts."""
    operations = member(body, "Operations")
    if not isinstance(operations, list) or not operations:
        raise Refused("invalidSyntax", "Operations must be a list that is not empty")
    changed = copy.deepcopy(document)
    for index, operation in enumerate(operations):
        try:
            _apply(kind, changed, operation)
        except Refused as refusal:
            raise Refused(refusal.kind, f"Operations[{index}]: {refusal}") from None
    return canonical(kind, changed)


def _apply(kind: ResourceType, document: JsonObject, operation: JsonValue) -> None:
    if not isinstance(operation, dict):
        raise Refused("invalidSyntax", "must be an object")
    name, path, value = (member(operation, key) for key in ("op", "path", "value"))
    verb = name.lower() if isinstance(name, str) else ""
    if verb not in _OPERATIONS:
        raise Refused("invalidSyntax", f"op must be add, replace or remove, got {name!r}")
    if path is None or path == "":
        _apply_all(kind, document, verb, value)
    elif isinstance(path, str):
        _apply_at(kind, document, verb, path, value)
    else:
        raise Refused("invalidPath", "path must be a text")


def _apply_all(kind: ResourceType, document: JsonObject, verb: str, value: JsonValue) -> None:
    """An operation without a path: each member of its value is one with a path."""
    if verb == "remove":
        raise Refused("noTarget", "remove must have a path")
    if not isinstance(value, dict):
        raise Refused("invalidValue", "without a path, value must be an object")
    for name, inner in value.items():
        if name.lower() not in _NOT_WRITTEN:
            _apply_at(kind, document, verb, name, inner)


def _apply_at(kind: ResourceType, document: JsonObject, verb: str, text: str, value: JsonValue) -> None:
    extension = next((urn for urn in kind.extensions if urn.lower() == text.lower()), None)
    if extension is not None:
        _change_extension(kind, document, verb, extension, value)
        return
    path = parse_path(text, [kind.schema, *kind.extensions])
    place, attributes = document, kind.attributes
    if (schema := path.attribute.schema) is not None:
        attributes = kind.extensions.get(schema, {})
        inner = document.setdefault(schema, {})
        place = inner if isinstance(inner, dict) else {}
    attribute = attributes.get(path.attribute.name.lower())
    if path.attribute.name.lower() in _NOT_WRITTEN or (attribute and attribute.mutability == "readOnly"):
        raise Refused("mutability", f"{text} can't be written")
    if attribute is None:
        if schema is None or schema in kind.extensions:
            raise Refused("invalidPath", f"there is no attribute {text}")
        attribute = Attribute(name=path.attribute.name)
    _change(attribute, place, verb, path, value)


def _change_extension(kind: ResourceType, document: JsonObject, verb: str, urn: str, value: JsonValue) -> None:
    if verb == "remove":
        document.pop(urn, None)
        return
    if not isinstance(value, dict):
        raise Refused("invalidValue", f"the value of {urn} must be an object")
    if verb == "replace":
        document.pop(urn, None)
    for name, inner in value.items():
        if name.lower() not in _NOT_WRITTEN:
            _apply_at(kind, document, verb, f"{urn}:{name}", inner)


def _change(attribute: Attribute, place: JsonObject, verb: str, path: Path, value: JsonValue) -> None:
    name, within = attribute.name, path.attribute.within
    if within is not None:
        within = _written(attribute, within)
    if path.filter is not None:
        _change_some(attribute, place, verb, path.filter, within, value)
    elif within is not None:
        _change_within(attribute, place, verb, within, value)
    elif verb == "remove":
        _remove(attribute, place, value)
    elif attribute.multiple:
        _put(attribute, place, verb, value)
    elif attribute.type == "complex" and isinstance(value, dict) and isinstance(place.get(name), dict):
        before = place[name]
        assert isinstance(before, dict)
        # A complex value that is replaced keeps what is not said anew.
        place[name] = {**before, **{_written(attribute, key): inner for key, inner in value.items()}}
    else:
        place[name] = value


def _put(attribute: Attribute, place: JsonObject, verb: str, value: JsonValue) -> None:
    """Add values to those that are there, but for those that are there already, or take their place."""
    new = value if isinstance(value, list) else [] if value is None else [value]
    before = _values(place, attribute.name) if verb == "add" else []
    known = {_key(each) for each in before}
    added: list[JsonValue] = []
    for each in new:
        if _key(each) not in known:
            known.add(_key(each))
            added.append(each)
    kept = [_not_primary(each) for each in before] if any(_is_primary(each) for each in added) else before
    place[attribute.name] = [*kept, *added]


def _remove(attribute: Attribute, place: JsonObject, value: JsonValue) -> None:
    """Remove an attribute; or, as Entra ID means it, only those of its values that are named."""
    if not attribute.multiple or value in (None, [], {}):
        place.pop(attribute.name, None)
        return
    named = {_key(each) for each in (value if isinstance(value, list) else [value])}
    place[attribute.name] = [each for each in _values(place, attribute.name) if _key(each) not in named]


def _change_within(attribute: Attribute, place: JsonObject, verb: str, within: str, value: JsonValue) -> None:
    """Change one attribute of a complex one; of each of its values, if there are several."""
    targets = _values(place, attribute.name) if attribute.multiple else [place.setdefault(attribute.name, {})]
    if attribute.multiple and not targets and verb != "remove":
        targets = [{}]
        place[attribute.name] = targets
    for target in targets:
        if isinstance(target, dict):
            _set(target, verb, within, value)


def _change_some(
    attribute: Attribute, place: JsonObject, verb: str, filter_: Filter, within: str | None, value: JsonValue
) -> None:
    """Change those values that *filter_* is true of."""
    values = _values(place, attribute.name)
    meant = [each for each in values if isinstance(each, dict) and filter_.matches(each)]
    if verb == "remove":
        if within is None:
            place[attribute.name] = [each for each in values if not any(each is other for other in meant)]
        for each in meant if within is not None else ():
            each.pop(within or "", None)
        return
    if not meant:
        meant = [_described_by(attribute, filter_)]
        values.append(meant[0])
        place[attribute.name] = values
    if _primary_comes(within, value):
        for other in values:
            if isinstance(other, dict) and not any(other is each for each in meant) and other.get("primary"):
                other["primary"] = False
    for each in meant:
        if within is not None:
            _set(each, verb, within, value)
        elif isinstance(value, dict):
            each.update({_written(attribute, key): inner for key, inner in value.items()})
        else:
            raise Refused("invalidValue", f"the value of {attribute.name} must be an object")


def _set(target: JsonObject, verb: str, within: str, value: JsonValue) -> None:
    if verb == "remove":
        target.pop(within, None)
    else:
        target[within] = value


def _described_by(attribute: Attribute, filter_: Filter) -> JsonObject:
    """The value that a filter of equations describes. Raises Refused for others: they mean what is there."""
    equations: Sequence[Filter] = filter_.filters if isinstance(filter_, Every) else [filter_]
    found: JsonObject = {}
    for each in equations:
        if not isinstance(each, Compare) or each.operator != "eq" or each.attribute.within is not None:
            raise Refused("noTarget", f"{attribute.name} has no value that the filter is true of")
        found[_written(attribute, each.attribute.name)] = each.value
    return found


def _written(attribute: Attribute, name: str) -> str:
    known = attribute.attributes.get(name.lower())
    if known is None and attribute.attributes:
        raise Refused("invalidPath", f"{attribute.name} has no attribute {name}")
    return known.name if known else name


def _values(place: JsonObject, name: str) -> list[JsonValue]:
    found = place.get(name)
    return found if isinstance(found, list) else []


def _key(value: JsonValue) -> object:
    """What makes two values of an attribute the same one: members by their id, others altogether."""
    if isinstance(value, dict):
        inner, type_ = member(value, "value"), member(value, "type")
        if isinstance(inner, str):
            return inner, type_ if isinstance(type_, str) and type_ not in ("User", "Group") else None
        return repr(sorted(value.items(), key=lambda item: item[0]))
    return (value, None) if isinstance(value, str) else repr(value)


def _is_primary(value: JsonValue) -> bool:
    return isinstance(value, dict) and member(value, "primary") in (True, "true", "True")


def _not_primary(value: JsonValue) -> JsonValue:
    return {**value, "primary": False} if isinstance(value, dict) and value.get("primary") is True else value


def _primary_comes(within: str | None, value: JsonValue) -> bool:
    return _is_primary(value) or (within == "primary" and value in (True, "true", "True"))


def place_of(text: str, kind: ResourceType) -> Place:
    """The attribute that *text* names, in a list of wanted ones. Raises Refused."""
    path = parse_path(text.strip(), [kind.schema, *kind.extensions])
    if path.filter is not None:
        raise Refused("invalidPath", f"expected the name of an attribute, found {text}")
    return path.attribute
