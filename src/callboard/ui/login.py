"""Logging in, where the configuration asks callers who they are: with a token, as any client of the API has one."""

from starlette.responses import Response

from callboard.api import context
from callboard.errors import Unauthenticated
from callboard.ui import sessions
from callboard.ui.visits import Visit


async def login(visit: Visit) -> Response:
    """The form; and what it sends is tried, kept by the browser, and leads to the page that was wanted."""
    back = _within(visit.form.get("next") or visit.text("next"))
    authenticator = context.of(visit.request).read_side.authenticator
    if authenticator is None:
        return visit.go(back)
    problem = ""
    if visit.request.method == "POST":
        token = visit.form.get("token", "").strip()
        try:
            await authenticator.authenticate(f"Bearer {token}")
        except Unauthenticated as error:
            problem = f"This token is not accepted: {error}"
        else:
            response = visit.go(back)
            sessions.log_in(visit.request, response, token)
            return response
    return visit.page("login.html", 401 if problem else 200, next=back, problem=problem)


async def logout(visit: Visit) -> Response:
    """Let the browser forget who it was."""
    response = visit.go("/login", "You are logged out.")
    sessions.log_out(response)
    return response


def _within(address: str) -> str:
    """*address*, if it leads nowhere else."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and address.isprintable() else "/catalog"
