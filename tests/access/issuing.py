"""Those who issue tokens: keys, what they publish at a fake host, and what they sign."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from joserfc import jws
from joserfc.jwk import ECKey, KeyParameters, OctKey, OKPKey, RSAKey

from callboard.model import json
from callboard.model.json import JsonObject
from callboard.testing import FakeHost

BACKSTAGE = "http://backstage:7007"
USERS_KEYS = f"{BACKSTAGE}/api/auth/.well-known/jwks.json"
SCAFFOLDERS_KEYS = f"{BACKSTAGE}/api/scaffolder/.backstage/auth/v1/jwks.json"
OUTSIDE_KEYS = "https://issuer.example.com/keys"

NOW = 1_767_225_600
"""The start of the fake clock, 2026-01-01."""

SignatureKey = ECKey | RSAKey | OKPKey | OctKey

LOCAL_KEYS: dict[str, SignatureKey] = {}
"""Keys by their ids, made once: an RSA key takes a while."""


def key_named(key_id: str, algorithm: str = "ES256") -> SignatureKey:
    """A private key, the same for the same name and algorithm."""
    name = f"{algorithm}-{key_id}"
    if name not in LOCAL_KEYS:
        LOCAL_KEYS[name] = _made(algorithm, key_id)
    return LOCAL_KEYS[name]


def _made(algorithm: str, key_id: str) -> SignatureKey:
    parameters: KeyParameters = {"kid": key_id, "use": "sig"}
    if algorithm.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, parameters)
    if algorithm == "Ed25519":
        return OKPKey.generate_key("Ed25519", parameters)
    return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm], parameters)


def signed(header: JsonObject, claims: Mapping[str, object], key: SignatureKey | None) -> str:
    """A JWT with exactly this header and these claims."""
    registry = jws.JWSRegistry(algorithms=[str(header["alg"])], strict_check_header=False)
    with warnings.catch_warnings():
        # The library does not like `none` either.
        warnings.simplefilter("ignore")
        return jws.serialize_compact(header, json.encode(dict(claims)), key, registry=registry)


@dataclass
class Issuer:
    """Issues tokens under one key, which it publishes at *url*."""

    host: FakeHost
    url: str
    kind: str | None = None
    key_id: str = "first"
    algorithm: str = "ES256"
    usual: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.publish(self.key)

    @property
    def key(self) -> SignatureKey:
        return key_named(self.key_id, self.algorithm)

    def publish(self, *keys: SignatureKey) -> None:
        self.host.put(self.url, json.encode({"keys": [key.as_dict(private=False) for key in keys]}).decode())

    def rotate(self, key_id: str) -> None:
        self.key_id = key_id
        self.publish(self.key)

    def token(self, header: JsonObject | None = None, key: SignatureKey | None = None, /, **claims: object) -> str:
        """A token with the usual claims and header but for what is given; None leaves something out."""
        usual: JsonObject = {"typ": self.kind, "alg": self.algorithm, "kid": self.key_id} | (header or {})
        said = {"iat": NOW, "exp": NOW + 3600, **self.usual, **claims}
        return signed(_without_none(usual), {k: v for k, v in said.items() if v is not None}, key or self.key)


def _without_none(header: JsonObject) -> JsonObject:
    return {name: value for name, value in header.items() if value is not None}


def users(host: FakeHost) -> Issuer:
    """The plugin `auth`, which gives tokens to users."""
    usual: JsonObject = {
        "sub": "user:default/jane",
        "aud": "backstage",
        "ent": ["user:default/jane", "group:default/a"],
    }
    return Issuer(host, USERS_KEYS, "vnd.backstage.user", usual=usual)


def scaffolder(host: FakeHost) -> Issuer:
    """A plugin that calls the catalog."""
    return Issuer(
        host, SCAFFOLDERS_KEYS, "vnd.backstage.plugin", "plugin", usual={"sub": "scaffolder", "aud": "catalog"}
    )


def outside(host: FakeHost, algorithm: str = "ES256") -> Issuer:
    """An issuer that knows nothing of Backstage."""
    usual: JsonObject = {"sub": "ci", "iss": "https://issuer.example.com", "aud": "callboard"}
    return Issuer(host, OUTSIDE_KEYS, "JWT", "outside", algorithm, usual)


def limited(issuer: Issuer, **claims: object) -> str:
    """What Backstage makes out of a user token for plugins that call on behalf of the user: subject and times only."""
    said = {"sub": "user:default/jane", "iat": NOW, "exp": NOW + 3600} | claims
    header: JsonObject = {"typ": "vnd.backstage.limited-user", "alg": issuer.algorithm, "kid": issuer.key_id}
    return signed(header, said, issuer.key)
