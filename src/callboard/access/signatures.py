"""Signatures: the proof that a webhook comes from the code host that it names."""

import base64
import hmac
from collections.abc import Mapping

from callboard.errors import NotAllowed, Unauthenticated
from callboard.model.repositories import System

_TOKEN = "x-gitlab-token"  # noqa: S105 - the name of a header
_PREFIX = "sha256="
_HEADERS = {
    System.GITHUB: ("x-hub-signature-256",),
    System.GITLAB: (_TOKEN,),
    System.BITBUCKET_CLOUD: ("x-hub-signature",),
    System.BITBUCKET_SERVER: ("x-hub-signature",),
    System.AZURE_DEVOPS: ("authorization",),
    System.GITEA: ("x-gitea-signature", "x-hub-signature-256"),
    System.GERRIT: ("authorization",),
}
"""Where each system puts its proof; of several headers the first one that is there counts."""


def find(system: System, headers: Mapping[str, str], secret: str | None = None) -> str:
    """The proof that the *headers* of a webhook hold, or the *secret* that its URL names.

    Raises NotAllowed when there is none; for Gerrit Unauthenticated, since it sends the password of a URL when asked.
    """
    for name in _HEADERS[system]:
        if name in headers:
            return headers[name]
    if system is not System.GERRIT:
        raise NotAllowed(f"The webhook proves nothing: it has no header {' or '.join(_HEADERS[system])}")
    if secret is None:
        missing = Unauthenticated("The webhook proves nothing: its URL has no secret, and no password")
        missing.challenge = 'Basic realm="webhooks"'
        raise missing
    return f"Basic {base64.b64encode(b':' + secret.encode()).decode()}"


def check(system: System, proof: str, body: bytes, secret: str) -> None:
    """Raise NotAllowed unless *proof* is what somebody sends along with *body* who knows *secret*."""
    if system is System.GITLAB:
        expected, given = secret.encode(), proof.encode("latin-1")
    elif system in (System.AZURE_DEVOPS, System.GERRIT):
        # They sign nothing, but have a name and a password for each webhook: the password is the secret.
        expected, given = secret.encode(), _password(proof)
    else:
        expected = hmac.digest(secret.encode(), body, "sha256").hex().encode()
        given = proof.removeprefix(_PREFIX).lower().encode("latin-1")
    if not hmac.compare_digest(expected, given):
        raise NotAllowed(f"The webhook was not signed with events.modules.{system}.webhookSecret")


def _password(proof: str) -> bytes:
    """The password of HTTP Basic authentication; empty when *proof* is none."""
    scheme, _, written = proof.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(written.encode("latin-1"), validate=True).partition(b":")[2]
    except ValueError:
        return b""
