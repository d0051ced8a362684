"""Registering: a URL, what would come in with it, and how that settles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

from starlette.responses import Response

from callboard.access.permissions import LOCATION_ANALYZE, LOCATION_CREATE
from callboard.errors import InvalidInput
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from callboard.model.json import JsonObject, JsonValue
from callboard.model.notation import as_yaml
from callboard.ui import problems
from callboard.ui.asking import Refused, path_of
from callboard.ui.presenting import ref_of, title_of, with_query
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_SHOWN = 200
"""Entities in a preview, and in what has arrived; what is beyond is counted."""

_LONGEST_URL = 2_000
_FILES = (".yaml", ".yml", ".json")


async def start(visit: Visit) -> Response:
    """The form, and what would come in with the URL that it has sent, or that another page names as `path`."""
    given = (visit.text("url") or visit.text("path")).strip()
    if not given:
        return await _page(visit, "register/start.html")
    try:
        url = _checked(given)
    except InvalidInput as error:
        return await _page(visit, "register/start.html", 400, given=_repeatable(given), problem=str(error))
    if _names_a_file(url) or visit.text("as") == "file":
        return await _preview(visit, given)
    return await _analyzed(visit, given)


async def register(visit: Visit) -> Response:
    """Register the URL of the form, and lead to where that can be watched."""
    given = visit.form.get("url", "").strip()
    try:
        _checked(given)
        made = await visit.catalog.post_object("/locations", {"type": "url", "target": given}, onConflict="reject")
    except InvalidInput as error:
        return await _page(visit, "register/start.html", 400, given=_repeatable(given), problem=str(error))
    except Refused as refused:
        if refused.status != 409:
            raise
        return visit.go(with_query("/catalog-import", {"url": given, "as": "file"}), "It is registered already.")
    return visit.go("/catalog-import" + path_of("settling", str(mapping(made["location"])["id"])))


def _checked(text: str) -> SplitResult:
    """*text* as a URL that can be asked for. Raises InvalidInput."""
    try:
        url = urlsplit(text)
        host, has_credentials = url.hostname, url.username is not None or url.password is not None
    except ValueError:
        raise InvalidInput("This is not a URL.") from None
    if url.scheme.lower() == "ssh":
        # Everybody signs in under one name there, `git` as a rule, and what proves it is a key.
        has_credentials = url.password is not None
    if url.scheme.lower() not in ("http", "https", "ssh") or not host:
        raise InvalidInput("A URL begins with https:// and names a host, like https://github.com/acme/shop/….")
    if has_credentials:
        raise InvalidInput(
            "This URL has a user name or a password in it, which everybody would see who looks at the catalog."
            " Give it without them: how a host is logged in at stands in the server's configuration, as an integration."
        )
    if len(text) > _LONGEST_URL or not text.isprintable() or " " in text:
        raise InvalidInput("This is not a URL: it is too long, or has spaces in it.")
    return url


def _repeatable(text: str) -> str:
    """*text* for the form to show again, unless there may be a password in it."""
    return "" if "@" in text else text


def _names_a_file(url: SplitResult) -> bool:
    """Whether its path ends like a file of entities, or a parameter named `path`, as on Azure DevOps, does."""
    named = [url.path, *(value for name, value in parse_qsl(url.query) if name == "path")]
    return any(path.lower().endswith(_FILES) for path in named)


async def _page(visit: Visit, template: str, status: int = 200, **values: object) -> Response:
    return visit.page(
        template,
        status,
        **{
            "given": "",
            "problem": "",
            "may_register": await visit.may(LOCATION_CREATE),
            "readonly": visit.context.settings.catalog.readonly,
            **values,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entity that would come in."""

    ref: str
    title: str
    owner: str
    state: str
    """`new`; `known` from the same file; an `orphan` that is taken over; or `taken` by another source."""
    other: str = ""
    """Where it comes from now, if that is somewhere else."""


@dataclass(slots=True, kw_only=True)
class File:
    """What would come in out of one file."""

    location: str
    rows: list[Row] = field(default_factory=list[Row])

    @property
    def size(self) -> int:
        """How many entities these are."""
        return len(self.rows)


async def _preview(visit: Visit, url: str) -> Response:
    try:
        found = await visit.catalog.post_object("/locations", {"type": "url", "target": url}, dryRun="true")
    except Refused as refused:
        if refused.status == 403:
            return await _page(visit, "register/start.html", 403, given=url, problem=refused.message)
        if refused.status != 400:
            raise
        told = [(str(each.get("entityRef") or ""), problems.of_error(each)) for each in _errors(refused)]
        count = refused.error.get("errorCount", len(told))
        return await _page(visit, "register/wrong.html", given=url, problems=told, count=count)
    location = mapping(found["location"])
    # The first one only stands for the registration.
    entities = mappings(found["entities"])[1:]
    rows = await _rows(visit, entities)
    states = [row.state for row in rows]
    counts = {state: states.count(state) for state in ("new", "known", "orphan", "taken")}
    files = _by_file(entities, rows)
    return await _page(
        visit,
        "register/preview.html",
        given=url,
        exists=found["exists"] is True,
        location=location,
        files=_cut(files),
        file_count=len(files),
        total=len(rows),
        counts=counts,
    )


def _errors(refused: Refused) -> list[JsonObject]:
    """What is wrong: with the entities, one by one, or with all of it."""
    if found := mappings(refused.error.get("errors")):
        return found
    message = refused.message
    if message.startswith("Duplicate nested entity"):
        message += ". Two files, or one of them twice, have an entity of that name; or a Location leads to itself."
    return [{"name": refused.name, "message": message}]


async def _rows(visit: Visit, entities: Sequence[JsonObject]) -> list[Row]:
    """The rows for *entities*, with what the catalog has under their names already."""
    refs = [ref_of(_complete(entity)) for entity in entities]
    present = await visit.catalog.by_refs(refs, ["metadata.annotations"])
    return [
        _row(ref, entity, None if there is None else _annotations(there))
        for ref, entity, there in zip(refs, entities, present, strict=True)
    ]


def _row(ref: str, entity: JsonObject, there: JsonObject | None) -> Row:
    owner = mapping(entity.get("spec")).get("owner")
    here, other = _annotations(entity).get(MANAGED_BY_LOCATION), ""
    if there is None:
        state = "new"
    elif there.get(ORPHAN) == "true":
        state = "orphan"
    elif there.get(MANAGED_BY_LOCATION) == here:
        state = "known"
    else:
        state, other = "taken", str(there.get(MANAGED_BY_LOCATION) or "another source")
    return Row(ref=ref, title=title_of(entity), owner=owner if isinstance(owner, str) else "", state=state, other=other)


def _complete(entity: JsonObject) -> JsonObject:
    """*entity* with its namespace, which processing does not put in."""
    return {**entity, "metadata": {"namespace": "default", **mapping(entity.get("metadata"))}}


def _by_file(entities: Sequence[JsonObject], rows: Sequence[Row]) -> list[File]:
    files: dict[str, File] = {}
    for entity, row in zip(entities, rows, strict=True):
        location = str(_annotations(entity).get(MANAGED_BY_LOCATION) or "")
        files.setdefault(location, File(location=location)).rows.append(row)
    return list(files.values())


def _cut(files: Iterable[File]) -> list[File]:
    """As many files, and rows in them, as a page has room for."""
    kept: list[File] = []
    room = _SHOWN
    for each in files:
        if room <= 0:
            break
        kept.append(File(location=each.location, rows=each.rows[:room]))
        room -= len(each.rows)
    return kept


async def _analyzed(visit: Visit, url: str) -> Response:
    """What the catalog has from a repository, or an entity to begin with."""
    if not await visit.may(LOCATION_ANALYZE):
        return await _page(visit, "register/start.html", given=url, problem="Give the URL of a file: it ends in .yaml.")
    asked: JsonObject = {"location": {"type": "url", "target": url}}
    try:
        found = await visit.catalog.post_object("/analyze-location", asked)
    except Refused as refused:
        if refused.status not in (400, 503):
            raise
        return await _page(visit, "register/start.html", 400, given=_repeatable(url), problem=refused.message)
    existing = mappings(found["existingEntityFiles"])
    generated = [as_yaml(mapping(each["entity"])) for each in mappings(found["generateEntities"])]
    known, new = _files_of(existing, is_known=True), _files_of(existing, is_known=False)
    return await _page(
        visit,
        "register/repository.html",
        given=url,
        known=known[:_SHOWN],
        known_count=len(known),
        new=new[:_SHOWN],
        new_count=len(new),
        generated=generated,
    )


def _files_of(existing: Sequence[JsonObject], *, is_known: bool) -> list[tuple[str, list[str]]]:
    """The files of a repository that the catalog knows, or does not, with what is in them."""
    files: dict[str, list[str]] = {}
    for each in existing:
        if (each["isRegistered"] is True) == is_known:
            target = str(mapping(each["location"])["target"])
            files.setdefault(target, []).append(_ref_or_nothing(mapping(each["entity"])))
    return [*files.items()]


def _ref_or_nothing(entity: JsonObject) -> str:
    """The ref of an entity that nobody has checked yet; empty when it has no usable name."""
    kind, name = entity.get("kind"), mapping(entity.get("metadata")).get("name")
    return ref_of(_complete(entity)) if isinstance(kind, str) and isinstance(name, str) else ""


async def settling(visit: Visit) -> Response:
    """How far a registered location has come, and what has arrived."""
    location_id = visit.request.path_params["id"]
    location = await visit.catalog.get_object(path_of("locations", location_id))
    status = await visit.catalog.get_object(path_of("locations", location_id, "status"))
    arrived = await visit.catalog.post_object(
        "/entities/by-query",
        {
            "query": _arrived_from(location),
            "fields": ["kind", "metadata.name", "metadata.namespace"],
            "orderBy": [{"field": "kind", "order": "asc"}],
            "limit": _SHOWN,
        },
    )
    failures = [(str(each["entityRef"]), each) for each in mappings(status["failures"])]
    # The Location entity itself is among those that have settled, or failed.
    settled = _number(status["settled"]) - (location["entityRef"] not in dict(failures))
    count = _number(arrived["totalItems"])
    return visit.page(
        "register/settling.html",
        location=location,
        status=status,
        refs=sorted(ref_of(entity) for entity in mappings(arrived["items"])),
        count=count,
        elsewhere=max(settled - count, 0),
        problems=[(ref, problems.of_error(error)) for ref, each in failures for error in mappings(each["errors"])],
    )


def _arrived_from(location: JsonObject) -> JsonObject:
    """What holds for the entities whose chain begins at a location, but for the one that stands for it."""
    origin, own = f"{location['type']}:{location['target']}", str(location["entityRef"]).partition("/")[2]
    key = f"metadata.annotations.{MANAGED_BY_ORIGIN_LOCATION}"
    return {"$all": [{key: origin}, {"$not": {"kind": "location", "metadata.name": own}}]}


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _annotations(entity: JsonObject) -> JsonObject:
    return mapping(mapping(entity.get("metadata")).get("annotations"))
