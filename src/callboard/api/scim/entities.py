"""Entities: the User and the Group that a resource stands for."""

from collections.abc import Sequence

from callboard.api.scim.refusals import Refused
from callboard.builtin.organisations import names
from callboard.builtin.organisations.scim import Scim
from callboard.ingestion.resources import Inside, Shape
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef

ID = "callboard.io/scim-id"
ACTIVE = "callboard.io/scim-active"


def shape_of(options: Scim, type_: str, document: JsonObject) -> Shape:
    """What the catalog has to know of a canonical *document*. Raises Refused when no entity can have its name."""
    attribute = "userName" if type_ == "User" else "displayName"
    said = str(document[attribute])
    external = document.get("externalId")
    short = type_ == "User" and options.user_name == "emailLocalPart"
    name = said.partition("@")[0] if short else said
    name = name if names.is_name(name) and type_ == "Group" else names.normalized(name)
    if not names.is_name(name):
        raise Refused(
            "invalidValue", f"{attribute} {said!r} can't name an entity: {name!r} is no name of 1 to 63 characters"
        )
    return Shape(
        name=said.casefold(),
        external_id=external if isinstance(external, str) else None,
        ref=EntityRef(type_.lower(), options.namespace.lower(), name.lower()),
        entity_name=name,
        shown=document.get("active") is not False or options.inactive_users == "keep",
    )


def entity_of(
    options: Scim, type_: str, id_: str, shape: Shape, document: JsonObject, inside: Sequence[Inside]
) -> JsonObject:
    """The entity that a resource stands for, with those *inside* it if it is a group."""
    annotations: JsonObject = {ID: id_}
    if document.get("active") is False:
        annotations[ACTIVE] = "false"
    metadata: JsonObject = {"name": shape.entity_name, "namespace": options.namespace, "annotations": annotations}
    spec = _user(document) if type_ == "User" else _group(options, document, inside)
    return {"apiVersion": "backstage.io/v1alpha1", "kind": type_, "metadata": metadata, "spec": spec}


def _user(document: JsonObject) -> JsonObject:
    profile: JsonObject = {"displayName": _display_name(document)}
    if email := _primary(document.get("emails")):
        profile["email"] = email
    if picture := _primary(document.get("photos")):
        profile["picture"] = picture
    return {"profile": profile, "memberOf": []}


def _group(options: Scim, document: JsonObject, inside: Sequence[Inside]) -> JsonObject:
    members: list[JsonValue] = [str(each.ref) for each in sorted(inside) if each.ref.kind == "user"]
    children: list[JsonValue] = [str(each.ref) for each in sorted(inside) if each.ref.kind == "group"]
    profile: JsonObject = {"displayName": document["displayName"]}
    return {"type": options.group_type, "profile": profile, "children": children, "members": members}


def _display_name(document: JsonObject) -> JsonValue:
    name = document.get("name")
    parts = name if isinstance(name, dict) else {}
    both = " ".join(str(parts[key]) for key in ("givenName", "familyName") if parts.get(key))
    return document.get("displayName") or parts.get("formatted") or both or document["userName"]


def _primary(values: JsonValue) -> str | None:
    """The primary one of several values, or the first one."""
    found = [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
    found.sort(key=lambda each: each.get("primary") is not True)
    return next((value for each in found if isinstance(value := each.get("value"), str) and value), None)
