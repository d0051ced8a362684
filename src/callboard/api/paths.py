"""Paths: routes that find their parameters in the path as it was sent, and decode them afterwards."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from starlette import routing
from starlette.routing import Match
from starlette.types import Scope

from callboard.errors import InvalidInput

_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Route(routing.Route):
    """A route whose parameters may hold anything, a slash (%2F) as well."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route is meant, with the parameters decoded. Raises InvalidInput when they can't be."""
        match, child = super().matches(scope)
        if match is not Match.NONE and "%" in scope["path"]:
            child["path_params"] = decode_parameters(child["path_params"])
        return match, child


def allowed_methods(routes: Sequence[routing.BaseRoute], scope: Scope) -> list[str]:
    """The methods that something is there for at the path of *scope*, reading ones first."""
    found: dict[str, None] = {}
    for route in routes:
        if isinstance(route, routing.Mount):
            match, child = route.matches(scope)
            if match is not Match.NONE:
                found |= dict.fromkeys(allowed_methods(route.routes, {**scope, **child}))
        elif isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            found |= dict.fromkeys(sorted(route.methods or ()))
    return list(found)


def decode_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters as they are meant. Raises InvalidInput when one can't be decoded."""
    return {name: _decode(value) for name, value in parameters.items()}


def _decode(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput(f"Failed to decode param '{text}': it is not UTF-8") from None
    if _NOT_ENCODED.search(text):
        raise InvalidInput(f"Failed to decode param '{text}': a % is followed by two hexadecimal digits")
    return decoded
