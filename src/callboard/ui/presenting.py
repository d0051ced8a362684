"""Presenting: how what the catalog says is written for people."""

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from markdown_it import MarkdownIt
from markupsafe import Markup

from callboard.errors import InvalidRef
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.ui.shapes import mapping

KINDS: Final = (
    "component", "api", "resource", "system", "domain", "group", "user", "template", "location",
)  # fmt: skip
"""The kinds that have a picture and a place of their own, in the order in which people look for them."""

_NAMES: Final = {"api": "API"}
_LARGEST_STEPS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def page_of(ref: str, tab: str = "") -> str:
    """The address of the page of an entity, in Backstage's form, and of one of its tabs.

    >>> page_of("component:default/shop", "history")
    '/catalog/default/component/shop/history'
    """
    try:
        parsed = EntityRef.parse(ref)
    except InvalidRef:
        # A plugin may have made a relation to anything.
        return with_query("/search", {"q": ref})
    parts = (parsed.namespace, parsed.kind, parsed.name, *([tab] if tab else []))
    return "/catalog/" + "/".join(quote(part, safe="") for part in parts)


def ref_of(entity: JsonObject) -> str:
    """The ref of an entity as the catalog serves it."""
    metadata = mapping(entity.get("metadata"))
    return str(EntityRef(*(str(part).lower() for part in (entity["kind"], metadata["namespace"], metadata["name"]))))


def short(ref: str, default_kind: str | None = None) -> str:
    """A ref for people: without the usual namespace, and without its kind where *default_kind* says what is expected.

    >>> short("group:default/shop-team", "group"), short("user:people/ada")
    ('shop-team', 'user:people/ada')
    """
    try:
        parsed = EntityRef.parse(ref)
    except InvalidRef:
        return ref
    name = parsed.name if parsed.namespace == "default" else f"{parsed.namespace}/{parsed.name}"
    return name if default_kind is not None and parsed.kind == default_kind.lower() else f"{parsed.kind}:{name}"


def kind_of(ref: str) -> str:
    """The kind in a ref, in lower case."""
    return ref.partition(":")[0].lower()


def kind_name(kind: str, count: int = 1) -> str:
    """A kind as a heading has it.

    >>> kind_name("api", 2), kind_name("component"), kind_name("library", 2)
    ('APIs', 'Component', 'Libraries')
    """
    name = _NAMES.get(kind.lower(), kind[:1].upper() + kind[1:])
    if count == 1:
        return name
    return name[:-1] + "ies" if name.endswith("y") else name + ("es" if name.endswith("s") else "s")


def title_of(entity: JsonObject) -> str:
    """What an entity is called: a person's or group's display name, its title, or its name."""
    metadata, profile = mapping(entity.get("metadata")), mapping(mapping(entity.get("spec")).get("profile"))
    return str(profile.get("displayName") or metadata.get("title") or metadata.get("name") or "")


def related(entity: JsonObject, *types: str) -> list[str]:
    """The refs that an entity has a relation of one of *types* to; without types, of any."""
    relations = entity.get("relations")
    return [
        str(each["targetRef"])
        for each in (relations if isinstance(relations, list) else ())
        if isinstance(each, dict) and (not types or each.get("type") in types)
    ]


def as_ref(text: JsonValue, kind: str, namespace: str) -> str | None:
    """The canonical ref that *text* in an entity of *namespace* means; None when it means none."""
    if not isinstance(text, str):
        return None
    try:
        return str(EntityRef.parse(text, default_kind=kind, default_namespace=namespace))
    except InvalidRef:
        return None


def levels_of(entity: JsonObject) -> list[str]:
    """What the status says is wrong with an entity, each once: `error`, `warning`."""
    items = mapping(entity.get("status")).get("items")
    levels = [str(each.get("level")) for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    return [level for level in ("error", "warning") if level in levels]


def tags_of(entity: JsonObject) -> list[str]:
    """The tags of an entity."""
    tags = mapping(entity.get("metadata")).get("tags")
    return [str(each) for each in tags] if isinstance(tags, list) else []


def targets_of(entity: JsonObject) -> list[str]:
    """What a Location names."""
    spec = mapping(entity.get("spec"))
    many = spec.get("targets")
    return [str(each) for each in [spec.get("target"), *(many if isinstance(many, list) else [])] if each]


def shown(value: str, kind: str = "") -> str:
    """A value of a facet for people: a ref without what is usual."""
    ref = as_ref(value, kind, "default") if kind else None
    return value if ref is None else short(ref, kind)


def with_query(path: str, parameters: Mapping[str, JsonValue]) -> str:
    """An address with those of *parameters* that say something; lists are repeated parameters."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, list):
            pairs += [(name, str(each)) for each in value]
        elif value not in (None, ""):
            pairs.append((name, str(value)))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def duration(seconds: float) -> str:
    """A length of time in one unit.

    >>> duration(0.2), duration(75), duration(200_000)
    ('0 s', '1 min', '2 d')
    """
    size, unit = next((step for step in _LARGEST_STEPS if seconds >= step[0]), _LARGEST_STEPS[-1])
    return f"{int(seconds // size)} {unit}"


def moment(text: str | None, now: dt.datetime) -> Markup:
    """A time as it is seen from *now*, with the exact one behind it."""
    if not text:
        return Markup("–")
    at = dt.datetime.fromisoformat(text)
    away = (now - at).total_seconds()
    words = f"{duration(away)} ago" if away >= 0 else f"in {duration(-away)}"
    exact = at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{0}" title="{1}">{2}</time>').format(at.isoformat(), exact, words)


def number(value: JsonValue) -> str:
    """A count with spaces between its thousands, which cannot be broken apart.

    >>> number(50_000)
    '50\\u202f000'
    """
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else str(value)


def markdown(text: str) -> Markup:
    """Markdown as HTML. HTML in it is shown as it was written, and a link can't be a script."""
    return Markup(_markdown().render(text))  # noqa: S704 - the renderer escapes what it was given


def first_line(text: str, longest: int = 160) -> str:
    """The beginning of a text, for a list."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= longest else line[: longest - 1] + "…"


def initials(name: str) -> str:
    """What stands in the circle of a person.

    >>> initials("Ada Lovelace"), initials("ada")
    ('AL', 'A')
    """
    words = name.replace("-", " ").replace(".", " ").split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


@functools.cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
