"""Sessions: who looks at a page, and that a form comes from a page of ours.

There is nothing of a session on the server, so any API process serves anybody: the browser keeps the token that was
logged in with, in a cookie that scripts can't read and that other sites can't make it send. A form carries a secret
that is in another such cookie as well: a foreign page can have neither.
"""

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from callboard.errors import NotAllowed

TOKEN = "callboard-token"  # noqa: S105 - the name of a cookie
SECRET = "callboard-form"  # noqa: S105 - the name of a cookie
FIELD = "form-secret"
"""The field of a form that repeats what the cookie says."""


def authorization_of(request: Request) -> str | None:
    """The header that proves who looks: as it was sent, or made of the cookie."""
    shown = request.headers.get("authorization")
    token = request.cookies.get(TOKEN)
    return shown if shown is not None or not token else f"Bearer {token}"


def secret_of(request: Request) -> str:
    """What the forms of an answer to *request* carry. The browser's own, or a new one."""
    held = request.cookies.get(SECRET, "")
    return held if len(held) >= 32 else secrets.token_urlsafe(24)


def keep_secret(request: Request, response: Response, secret: str) -> None:
    """Let the browser keep *secret*, if it does not yet."""
    if request.cookies.get(SECRET) != secret:
        _set(request, response, SECRET, secret)


def log_in(request: Request, response: Response, token: str) -> None:
    """Let the browser show *token* from now on."""
    _set(request, response, TOKEN, token)


def log_out(response: Response) -> None:
    """Let the browser forget its token."""
    response.delete_cookie(TOKEN, httponly=True, samesite="strict")


def check_form(request: Request, form: Mapping[str, str]) -> None:
    """Raises NotAllowed unless *form* was sent from a page of this server.

    Two proofs are asked for: the secret of the cookie in the form, and, as browsers say it, the page's own origin. See
    the cheat sheet of OWASP about cross-site request forgery.
    """
    held = request.cookies.get(SECRET, "")
    if len(held) < 32 or not hmac.compare_digest(held.encode(), form.get(FIELD, "").encode()):
        raise NotAllowed("The form did not come from this page, or it is out of date: load the page again")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise NotAllowed(f"The form came from {origin}, and not from this page")


def _set(request: Request, response: Response, name: str, value: str) -> None:
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    # Lax, so that a link in a chat opens the page logged in; no form of another site brings it along.
    response.set_cookie(name, value, httponly=True, samesite="lax", secure=secure)
