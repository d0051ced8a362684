"""Schemas: the attributes of users and groups (RFC 7643, sections 4 and 8.7), and how the server describes itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callboard.api.parameters import LARGEST_BODY
from callboard.model.json import JsonObject

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_CORE = "urn:ietf:params:scim:schemas:core:2.0"

MOST_RESULTS = 1_000
MOST_OPERATIONS = 500
"""In one bulk request: each is a transaction, and takes some milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a resource, or of an attribute that has several."""

    name: str
    type: str = "string"
    multiple: bool = False
    required: bool = False
    exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    choices: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    attributes: "Mapping[str, Attribute]" = field(default_factory=dict)
    """By lower-case name."""

    @property
    def described(self) -> JsonObject:
        """As a schema has it."""
        told: JsonObject = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multiple,
            "required": self.required,
            "caseExact": self.exact,
            "mutability": self.mutability,
            "returned": self.returned,
            "uniqueness": self.uniqueness,
        }
        if self.choices:
            told["canonicalValues"] = [*self.choices]
        if self.refers_to:
            told["referenceTypes"] = [*self.refers_to]
        if self.attributes:
            told["subAttributes"] = [each.described for each in self.attributes.values()]
        return told


@dataclass(frozen=True, slots=True)
class ResourceType:
    """Users, or groups."""

    name: str
    endpoint: str
    schema: str
    attributes: Mapping[str, Attribute]
    """By lower-case name."""
    extensions: Mapping[str, Mapping[str, Attribute]] = field(default_factory=dict)
    """The attributes of each, by the URN of the extension."""


def _by_name(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    return {attribute.name.lower(): attribute for attribute in attributes}


def _texts(*names: str) -> list[Attribute]:
    return [Attribute(name=name) for name in names]


def _complex(name: str, *attributes: Attribute, multiple: bool = False, mutability: str = "readWrite") -> Attribute:
    return Attribute(
        name=name, type="complex", multiple=multiple, mutability=mutability, attributes=_by_name(attributes)
    )


def _values(name: str, *choices: str, value: Attribute | None = None) -> Attribute:
    """An attribute with several values, each of a type, one of them the primary one."""
    return _complex(
        name,
        value or Attribute(name="value"),
        Attribute(name="display"),
        Attribute(name="type", choices=choices),
        Attribute(name="primary", type="boolean"),
        multiple=True,
    )


def _reference(name: str, *refers_to: str, mutability: str = "readWrite") -> Attribute:
    return Attribute(name=name, type="reference", exact=True, refers_to=refers_to, mutability=mutability)


_PLACES = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")

_USER_ATTRIBUTES = [
    Attribute(name="userName", required=True, uniqueness="server"),
    _complex(
        "name",
        *_texts("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"),
    ),
    *_texts("displayName", "nickName"),
    _reference("profileUrl", "external"),
    *_texts("title", "userType", "preferredLanguage", "locale", "timezone"),
    Attribute(name="active", type="boolean"),
    Attribute(name="password", exact=True, mutability="writeOnly", returned="never"),
    _values("emails", "work", "home", "other"),
    _values("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other"),
    _values("ims", "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
    _values("photos", "photo", "thumbnail", value=_reference("value", "external")),
    _complex(
        "addresses",
        *_texts(*_PLACES),
        Attribute(name="type", choices=("work", "home", "other")),
        Attribute(name="primary", type="boolean"),
        multiple=True,
    ),
    _complex(
        "groups",
        Attribute(name="value", exact=True, mutability="readOnly"),
        _reference("$ref", "Group", mutability="readOnly"),
        Attribute(name="display", mutability="readOnly"),
        Attribute(name="type", choices=("direct",), mutability="readOnly"),
        multiple=True,
        mutability="readOnly",
    ),
    _values("entitlements"),
    _values("roles"),
    _values("x509Certificates", value=Attribute(name="value", type="binary", exact=True)),
]

_ENTERPRISE_ATTRIBUTES = [
    *_texts("employeeNumber", "costCenter", "organization", "division", "department"),
    _complex(
        "manager",
        Attribute(name="value", exact=True),
        _reference("$ref", "User"),
        Attribute(name="displayName", mutability="readOnly"),
    ),
]

_GROUP_ATTRIBUTES = [
    Attribute(name="displayName", required=True, uniqueness="server"),
    _complex(
        "members",
        Attribute(name="value", exact=True, mutability="immutable"),
        _reference("$ref", "User", "Group", mutability="immutable"),
        Attribute(name="display", mutability="immutable"),
        Attribute(name="type", choices=("User", "Group"), mutability="immutable"),
        multiple=True,
    ),
]

_COMMON = [Attribute(name="externalId", exact=True)]

USERS = ResourceType(
    "User",
    "/Users",
    USER,
    _by_name([*_COMMON, *_USER_ATTRIBUTES]),
    {ENTERPRISE: _by_name(_ENTERPRISE_ATTRIBUTES)},
)
GROUPS = ResourceType("Group", "/Groups", GROUP, _by_name([*_COMMON, *_GROUP_ATTRIBUTES]))

TYPES = {"User": USERS, "Group": GROUPS}


def described_schemas(base: str) -> list[JsonObject]:
    """What `/Schemas` says at a server whose addresses begin with *base*."""
    found = ((USER, "User", _USER_ATTRIBUTES), (GROUP, "Group", _GROUP_ATTRIBUTES))
    extension = (ENTERPRISE, "EnterpriseUser", _ENTERPRISE_ATTRIBUTES)
    return [
        {
            "schemas": [f"{_CORE}:Schema"],
            "id": urn,
            "name": name,
            "description": name,
            "attributes": [attribute.described for attribute in attributes],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{urn}"},
        }
        for urn, name, attributes in (*found, extension)
    ]


def described_types(base: str) -> list[JsonObject]:
    """What `/ResourceTypes` says."""
    return [
        {
            "schemas": [f"{_CORE}:ResourceType"],
            "id": each.name,
            "name": each.name,
            "description": each.name,
            "endpoint": each.endpoint,
            "schema": each.schema,
            "schemaExtensions": [{"schema": urn, "required": False} for urn in each.extensions],
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{each.name}"},
        }
        for each in TYPES.values()
    ]


def described_service(base: str) -> JsonObject:
    """What `/ServiceProviderConfig` says."""
    return {
        "schemas": [f"{_CORE}:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": MOST_OPERATIONS, "maxPayloadSize": LARGEST_BODY},
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A static token of backend.auth.externalAccess, or one that the installation accepts",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }
