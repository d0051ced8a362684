"""Entities: what Graph says of users, groups and the tenant, as Users and Groups, in the form of Backstage."""

from callboard.builtin.organisations import names, pictures
from callboard.extend import JsonObject, JsonValue

USER_ID = "graph.microsoft.com/user-id"
GROUP_ID = "graph.microsoft.com/group-id"
TENANT_ID = "graph.microsoft.com/tenant-id"
EMAIL = "microsoft.com/email"


def user_of(said: JsonObject, photo: bytes | None) -> JsonObject:
    """The User that Graph speaks of; without a name if it has no mail, which Users are named by."""
    mail = _text(said, "mail")
    annotations: JsonObject = {USER_ID: str(said["id"])}
    profile: JsonObject = {}
    if mail:
        annotations[EMAIL] = profile["email"] = mail
    if display_name := _text(said, "displayName"):
        profile["displayName"] = display_name
    if photo is not None and (picture := pictures.data_url(photo)) is not None:
        profile["picture"] = picture
    name = names.normalized(mail) if mail and display_name else ""
    return _entity("User", name, annotations, {"profile": profile, "memberOf": []})


def group_of(said: JsonObject) -> JsonObject:
    """The Group that Graph speaks of. Security groups are named as people see them, others as mail knows them."""
    display_name = _text(said, "displayName")
    nickname = None if said.get("securityEnabled") is True else _text(said, "mailNickname")
    profile: JsonObject = {}
    if display_name:
        profile["displayName"] = display_name
    if mail := _text(said, "mail"):
        profile["email"] = mail
    name = names.normalized(nickname or display_name or "") if display_name else ""
    entity = _entity("Group", name, {GROUP_ID: str(said["id"])}, {"type": "team", "profile": profile, "children": []})
    return _described(entity, _text(said, "description"))


def root_of(said: JsonObject) -> JsonObject:
    """The Group that stands for the whole tenant."""
    display_name = _text(said, "displayName")
    profile: JsonObject = {"displayName": display_name} if display_name else {}
    spec: JsonObject = {"type": "root", "profile": profile, "children": []}
    name = names.normalized(display_name or "")
    return _described(_entity("Group", name, {TENANT_ID: str(said["id"])}, spec), display_name)


def _entity(kind: str, name: str, annotations: JsonObject, spec: JsonObject) -> JsonObject:
    metadata: JsonObject = {"name": name, "annotations": annotations}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _described(entity: JsonObject, description: str | None) -> JsonObject:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    if description:
        metadata["description"] = description
    return entity


def _text(said: JsonObject, name: str) -> str | None:
    value: JsonValue = said.get(name)
    return value if isinstance(value, str) and value else None
