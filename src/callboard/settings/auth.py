"""The sections `backend.auth` and `callboard.auth`: whose tokens are accepted."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from callboard.settings import forms
from callboard.settings.forms import Adjusted, Form
from callboard.settings.substitution import joined
from callboard.settings.values import Value

ALGORITHMS: Final = (
    *("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("Ed25519", "EdDSA"),
)
"""The ways to sign with a private key. Secrets that both sides know have no place where keys are published."""

_ACTIONS = ("create", "read", "update", "delete")
_SHORTEST_TOKEN = 8
_SHORTEST_SECRET = 14
_SEPARATORS = re.compile(r"[\s,]+")
_KEYS = {
    "": ("type", "options", "accessRestrictions"),
    "options": ("token", "secret", "subject", "url", "issuer", "audience", "algorithm", "subjectPrefix"),
    "accessRestrictions": ("plugin", "permission", "permissionAttribute"),
    "accessRestrictions.permissionAttribute": ("action",),
}


class AccessType(StrEnum):
    """How an external caller proves who it is."""

    STATIC = "static"
    LEGACY = "legacy"
    JWKS = "jwks"


def _word(value: Value) -> str:
    text = forms.text_of(value)
    if not re.fullmatch(r"\S+", text):
        raise forms.Refused
    return text


def _token(value: Value) -> str:
    text = _word(value)
    if len(text) < _SHORTEST_TOKEN:
        raise forms.Refused
    return text


def _secret(value: Value) -> bytes:
    text = _word(value).replace("-", "+").replace("_", "/").rstrip("=")
    secret = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    # Shorter ones can be guessed from a single token.
    if len(secret) < _SHORTEST_SECRET:
        raise forms.Refused
    return secret


def _address(value: Value) -> str:
    forms.WEB_ADDRESS.parse(value)
    # Unlike in a base URL, a slash at the end means something here.
    return _word(value)


def _words(value: Value) -> tuple[str, ...]:
    texts = value.content if isinstance(value.content, list) else [value]
    words = [word for text in texts for word in _SEPARATORS.split(forms.text_of(text)) if word]
    # An empty list would read like "nobody", and mean "everybody".
    if not words:
        raise forms.Refused
    return tuple(dict.fromkeys(words))


def _words_of(allowed: tuple[str, ...]) -> Form:
    def parse(value: Value) -> tuple[str, ...]:
        words = _words(value)
        if not set(words) <= set(allowed):
            raise forms.Refused
        return words

    return Form(f"one or more of {', '.join(allowed)}", parse)


_WORD: Final = Form("a text without blanks", _word)
_WORDS: Final = Form("a text, or a list of texts", _words)
_TOKEN: Final = Form(f"a text without blanks, at least {_SHORTEST_TOKEN} characters", _token, secret=True)
_SECRET: Final = Form(f"at least {_SHORTEST_SECRET} bytes in base64", _secret, secret=True)
_URL: Final = Form("an http or https URL", _address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalOptions:
    """How one external caller, or one issuer of tokens, is known."""

    token: Annotated[str | None, _TOKEN] = field(default=None, repr=False)
    """For `static`: what the caller sends, at least 8 characters without blanks."""

    secret: Annotated[bytes | None, _SECRET] = field(default=None, repr=False)
    """For `legacy`: what both sides know, in base64, at least 14 bytes. The caller signs a JWT with it (HS256) whose
    `sub` is `backstage-server`."""

    subject: Annotated[str | None, _WORD] = None
    """For `static` and `legacy`: what the caller is called; permissions and logs see `external:<subject>`."""

    url: Annotated[str | None, _URL] = None
    """For `jwks`: where the issuer publishes its keys."""

    issuer: Annotated[tuple[str, ...] | None, _WORDS] = None
    """For `jwks`: what the `iss` of a token may be. Without it, anything."""

    audience: Annotated[tuple[str, ...] | None, _WORDS] = None
    """For `jwks`: what the `aud` of a token may be, one of them is enough. Without it, anything: every token of that
    issuer is accepted, also one that was made for another program."""

    algorithm: Annotated[tuple[str, ...], _words_of(ALGORITHMS)] = ALGORITHMS
    """For `jwks`: how a token may be signed. By default in any way that the issuer's key is made for."""

    subject_prefix: Annotated[str | None, _WORD] = None
    """For `jwks`: tells issuers apart. The caller is called `external:<prefix>:<sub>`, without it `external:<sub>`."""


@dataclass(frozen=True, slots=True)
class PermissionAttributeSetting:
    """The kind of permission that a caller is limited to."""

    action: Annotated[tuple[str, ...] | None, _words_of(_ACTIONS)] = None
    """The actions that the caller may take. Without them, all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRestriction:
    """What an external caller may do in one plugin."""

    plugin: Annotated[str, _WORD]
    """The id of the plugin. Entries for others than `catalog` say nothing to Callboard, except that the caller has no
    business here when there is none for `catalog`."""

    permission: Annotated[tuple[str, ...] | None, _WORDS] = None
    """The permissions that the caller has, as a list or with commas between them. Without them, all."""

    permission_attribute: PermissionAttributeSetting = PermissionAttributeSetting()
    """The kind of permissions that the caller has, in addition to their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAccess:
    """A caller that is no part of the Backstage installation."""

    type: AccessType
    """`static` is a token that is sent as it is, `legacy` a secret that signs tokens, and `jwks` an issuer of tokens
    that publishes its keys."""

    options: ExternalOptions
    """What the type needs: `static` a token and a subject, `legacy` a secret and a subject, `jwks` a URL."""

    access_restrictions: tuple[AccessRestriction, ...] | None = None
    """All that the caller may do. Without them, everything."""

    def __post_init__(self) -> None:
        given = self.options
        needed: dict[AccessType, dict[str, object]] = {
            AccessType.STATIC: {"token": given.token, "subject": given.subject},
            AccessType.LEGACY: {"secret": given.secret, "subject": given.subject},
            AccessType.JWKS: {"url": given.url},
        }
        missing = [f"options.{name}" for name, value in needed[self.type].items() if value is None]
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be given for the type {self.type}")


def _strict(access: ExternalAccess, value: Value, warn: Callable[[Value, str], None]) -> ExternalAccess:
    # What is misspelt here would open more than it should.
    stranger = next(_strangers(value, ""), None)
    if stranger is not None:
        raise forms.Refused(f"has the unknown key {stranger!r}")
    if "accessRestrictions" in value.entries() and not access.access_restrictions:
        raise forms.Refused("has accessRestrictions without an entry; leave them out to allow everything")
    if access.type is AccessType.JWKS and access.options.audience is None:
        host = urlsplit(access.options.url or "").netloc
        warn(value, f"accepts every token that {host} has made, for whomever; say options.audience")
    return access


def _strangers(value: Value, path: str) -> Iterator[str]:
    if isinstance(value.content, list):
        for item in value.content:
            yield from _strangers(item, path)
        return
    for key, entry in value.entries().items():
        if key not in _KEYS[path]:
            yield joined(path, key)
        elif joined(path, key) in _KEYS:
            yield from _strangers(entry, joined(path, key))


@dataclass(frozen=True, slots=True)
class LegacyKey:
    """A secret of Backstage's former authentication between plugins."""

    secret: Annotated[bytes, _SECRET] = field(repr=False)
    """What both sides know, in base64. As the type `legacy`, with the subject `backstage-plugin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may call, in Backstage's notation."""

    external_access: tuple[Annotated[ExternalAccess, Adjusted(_strict)], ...] = ()
    """Callers that are no part of the Backstage installation: scripts, CI jobs, other programs."""

    keys: tuple[LegacyKey, ...] = field(default=(), repr=False)
    """Secrets of Backstage's former authentication between plugins; `externalAccess` has replaced them."""

    dangerously_disable_default_auth_policy: bool = False
    """Lets everybody call and do everything, as if no authentication were configured."""


@dataclass(frozen=True, slots=True)
class BackstageSettings:
    """The Backstage installation whose users and plugins may call."""

    backstage_url: Annotated[str | None, forms.WEB_ADDRESS] = None
    """The base URL of its backend, such as `http://backstage:7007`; the plugin `auth` is then at
    `http://backstage:7007/api/auth`. What `discovery.endpoints` says about a plugin goes before it. Without either,
    tokens of users and plugins are not accepted."""
