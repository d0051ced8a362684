"""Entries: what a directory knows of somebody, as a User or a Group."""

import copy
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callboard.builtin.organisations import names, pictures
from callboard.builtin.organisations.ldap.connecting import Entry
from callboard.builtin.organisations.ldap.options import Groups, UserMap, Users, Vendor
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonObject, JsonValue

DN = "backstage.io/ldap-dn"
RDN = "backstage.io/ldap-rdn"
UUID = "backstage.io/ldap-uuid"

_STEP = re.compile(r"""\[(?:"([^"]*)"|'([^']*)'|([^\]]*))\]|([^.\[\]]+)""")


@dataclass(frozen=True, slots=True)
class Attributes:
    """Where a server keeps what every entry has."""

    dn: str
    uuid: str
    is_guid: bool = False
    """Whether the latter is in the form of Active Directory: 16 bytes, some of them in reverse."""

    @classmethod
    def of(cls, about: Entry | None, said: Vendor) -> "Attributes":
        """Those of the server that says this *about* itself, unless the configuration has *said* something else."""
        usual = next((found for sign, found in _KNOWN.items() if about is not None and about.values(sign)), _USUAL)
        return cls(said.dn_attribute_name or usual.dn, said.uuid_attribute_name or usual.uuid, usual.is_guid)


_USUAL = Attributes("entryDN", "entryUUID")
_KNOWN = {
    "forestFunctionality": Attributes("distinguishedName", "objectGUID", is_guid=True),
    "ipaDomainLevel": Attributes("dn", "ipaUniqueID"),
    "aeRoot": Attributes("dn", "entryUUID"),
}


def user_of(entry: Entry, users: Users, attributes: Attributes) -> JsonObject:
    """The User that *entry* stands for, without a name if it has none. Who is in which group is not said yet."""
    spec: JsonObject = {"profile": {}, "memberOf": []}
    return _filled(_entity("User", spec, users.fixed), entry, users.fields, attributes)


def group_of(entry: Entry, groups: Groups, attributes: Attributes) -> JsonObject:
    """The Group that *entry* stands for, without a name if it has none."""
    spec: JsonObject = {"type": "unknown", "profile": {}, "children": []}
    entity = _filled(_entity("Group", spec, groups.fixed), entry, groups.fields, attributes)
    _put(entity, ("spec", "type"), entry.text(groups.fields.type))
    return entity


def check_fixed(fixed: Mapping[str, JsonValue], at: str) -> None:
    """Raise InvalidConfiguration, which names the key *at*, for a path that leads nowhere in an entity."""
    for path in fixed:
        if len(_steps(path)) < 2 or _steps(path)[0] not in ("metadata", "spec"):
            raise InvalidConfiguration(f"{at}: expected paths such as metadata.namespace or spec.type, got {path!r}")


def _entity(kind: str, spec: JsonObject, fixed: Mapping[str, JsonValue]) -> JsonObject:
    metadata: JsonObject = {"name": "", "annotations": {}}
    entity: JsonObject = {"apiVersion": "backstage.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
    for path, value in fixed.items():
        _put(entity, _steps(path), copy.deepcopy(value))
    return entity


def _filled(entity: JsonObject, entry: Entry, fields: UserMap, attributes: Attributes) -> JsonObject:
    annotations = ("metadata", "annotations")
    _put(entity, ("metadata", "name"), _name(entry.text(fields.name)))
    _put(entity, ("metadata", "description"), entry.text(fields.description))
    _put(entity, (*annotations, RDN), entry.text(fields.rdn))
    _put(entity, (*annotations, UUID), uuid_of(entry, attributes))
    _put(entity, (*annotations, DN), entry.text(attributes.dn) or entry.dn)
    _put(entity, ("spec", "profile", "displayName"), entry.text(fields.display_name))
    _put(entity, ("spec", "profile", "email"), entry.text(fields.email))
    _put(entity, ("spec", "profile", "picture"), _picture(entry.values(fields.picture)))
    return entity


def uuid_of(entry: Entry, attributes: Attributes) -> str | None:
    """What stays the same when an entry gets another name."""
    value = next(iter(entry.values(attributes.uuid)), b"")
    if len(value) == 16 and (attributes.is_guid or entry.text(attributes.uuid) is None):
        return str(uuid.UUID(bytes_le=value) if attributes.is_guid else uuid.UUID(bytes=value))
    return entry.text(attributes.uuid)


def _name(text: str | None) -> str | None:
    """A name as it is if entities may have it, and normalised if not."""
    return text if text is None or names.is_name(text) else names.normalized(text)


def _picture(values: Sequence[bytes]) -> str | None:
    """An address as it is; a picture itself as an address that holds it."""
    for value in values:
        if (found := pictures.data_url(value)) is not None:
            return found
        if value.startswith((b"https:", b"http:", b"data:")):
            return value.decode("utf-8", "replace")
    return None


def _put(entity: JsonObject, path: Sequence[str], value: JsonValue) -> None:
    """Set what is at *path*; None changes nothing."""
    if value is None:
        return
    place = entity
    for step in path[:-1]:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = place[step] = {}
        place = inner
    place[path[-1]] = value


def _steps(path: str) -> tuple[str, ...]:
    """The keys of a path such as `metadata.annotations["example.com/team"]`."""
    return tuple(next(part for part in match.groups() if part is not None) for match in _STEP.finditer(path))
