"""The section `backend.cors`: which pages of other origins may call."""

from dataclasses import dataclass
from typing import Annotated, Final

from callboard.settings import forms
from callboard.settings.forms import Form
from callboard.settings.values import Value


def _texts(value: Value) -> tuple[str, ...]:
    texts = value.content if isinstance(value.content, list) else [value]
    return tuple(part.strip() for text in texts for part in forms.text_of(text).split(",") if part.strip())


def _origins(value: Value) -> tuple[str, ...]:
    if value.content in (True, False):
        return ("*",) if value.content else ()
    return tuple(origin.rstrip("/") for origin in _texts(value))


_TEXTS: Final = Form("a text, or a list of texts", _texts)
_ORIGINS: Final = Form("an origin such as https://portal.example.com, a list of them, or true for all", _origins)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsSettings:
    """What browsers may do for pages that come from elsewhere, as the front end of a Backstage installation does."""

    origin: Annotated[tuple[str, ...], _ORIGINS] = ()
    """The origins of these pages; `*` or `true` means all. Without any, browsers keep other origins out."""

    methods: Annotated[tuple[str, ...], _TEXTS] = ("GET", "HEAD", "PATCH", "POST", "PUT", "DELETE")
    """The methods that they may use."""

    allowed_headers: Annotated[tuple[str, ...], _TEXTS] = ("*",)
    """The request headers that they may send."""

    exposed_headers: Annotated[tuple[str, ...], _TEXTS] = ("Link", "ETag", "Callboard-Offset", "Callboard-View-Age")
    """The headers of answers that they may see, beyond those that every page may."""

    credentials: bool = False
    """Whether cookies and other credentials of the browser go along."""

    max_age: int = 600
    """For how many seconds a browser may remember what it may do."""
