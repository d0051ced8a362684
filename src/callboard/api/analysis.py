"""Analysis: what the catalog has from a repository already, or else an entity to begin with."""

import re
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import LOCATION_ANALYZE
from callboard.api import answers, context, finding
from callboard.api.context import Reading
from callboard.api.parameters import Body, body_of, query_of
from callboard.builtin.readers import urls
from callboard.errors import CallboardError, InvalidEntity, InvalidInput
from callboard.extend import CodeHost
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION
from callboard.model.entities import entity_ref, location_of
from callboard.model.json import JsonObject
from callboard.model.predicates import AnyOf, HasPrefix
from callboard.settings import Settings
from callboard.view.listings import list_entities

_log = structlog.get_logger(__name__)

_HOSTS = {"azure": "dev.azure.com", "bitbucketCloud": "bitbucket.org", "github": "github.com", "gitlab": "gitlab.com"}
"""The code hosts whose repositories have a slug: the public host of each system, which names the annotation too."""

_URL = re.compile(r"(?:https?|ssh)://[^\s\x00-\x20/?#]+[^\x00-\x20]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Repository:
    """What a URL belongs to."""

    name: str
    root: str
    """The URL that the URLs of all its files begin with."""
    annotation: str | None = None
    slug: str | None = None


async def analyze(request: Request) -> Response:
    """`POST /analyze-location`."""
    parameters = query_of(request, {})
    body = await body_of(request)
    asked = Body(body.required_object("location"))
    target, _ = asked.required_text("target", of="location/"), asked.required_text("type", of="location/")
    filename = body.text("catalogFilename")
    await context.permit(request, LOCATION_ANALYZE)
    here = context.of(request)
    host = urls.host_of(here.read_side.added.code_hosts, target)
    repository = repository_of(target, here.settings, host)
    existing = list(_existing(await context.reading(request, parameters), repository, filename))
    if host is not None and host.repository(target) is not None:
        existing += await _unregistered(host, target, filename or finding.USUAL_NAME, existing)
    made = [] if existing else [{"entity": _generated(repository), "fields": []}]
    return answers.value({"existingEntityFiles": existing, "generateEntities": made})


async def _unregistered(
    host: CodeHost, target: str, filename: str, registered: Sequence[JsonObject]
) -> list[JsonObject]:
    """What else is in the files of the repository. Raises InvalidInput or Unavailable, unless something is known."""
    known = {str(location["target"]) for each in registered if isinstance(location := each["location"], dict)}
    try:
        files = await finding.files(host, target, filename, known=known)
    except CallboardError as error:
        if not registered:
            raise
        _log.warning("analysis.incomplete", host=host.name, reason=str(error))
        return []
    found: list[JsonObject] = [
        {"location": {"type": "url", "target": file.target}, "isRegistered": False, "entity": entity}
        for file in files
        for entity in file.entities
    ]
    broken = next((file for file in files if file.problem is not None), None)
    if broken is not None and not found and not registered:
        raise InvalidInput(f"The file {broken.target} is there, and can't be used: {broken.problem}")
    return found


def repository_of(target: str, settings: Settings, known: CodeHost | None = None) -> Repository:
    """The repository that the URL *target* belongs to; on an unknown host that is the target itself.

    The code host that is *known* to cover it knows best. Raises InvalidInput when it is not a URL.
    """
    found = known.repository(target) if known is not None else None
    if found is not None:
        return Repository(found.name, found.url, found.annotation if found.slug else None, found.slug)
    try:
        url = urllib.parse.urlsplit(target if _URL.fullmatch(target) else "")
        host = url.hostname
    except ValueError:
        host = None
    if not host:
        raise InvalidInput("The given location.target is not a URL")
    segments = [segment for segment in url.path.split("/") if segment]
    system = _system(host, url.netloc.rpartition("@")[2].lower(), settings)
    length = _root_length(system, segments)
    path = "".join(f"/{segment}" for segment in segments[:length])
    root = f"{url.scheme}://{url.netloc}{path}"
    parts = [urllib.parse.unquote(segment) for segment in segments[:length] if segment != "_git"]
    name = parts[-1].removesuffix(".git") if parts else host
    if system is None or len(parts) < 2:
        return Repository(name, root)
    owner = parts[-2] if system == "azure" else "/".join(parts[:-1])
    return Repository(name, root, f"{_HOSTS[system]}/project-slug", f"{owner}/{name}")


def _system(host: str, netloc: str, settings: Settings) -> str | None:
    """The system behind a host: one of the public ones, or what `integrations` says."""
    for system, public in _HOSTS.items():
        entries = settings.integrations.raw.get(system)
        own = [entry.get("host") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        if host == public or host in own or netloc in own:
            return system
    return None


def _root_length(system: str | None, segments: list[str]) -> int:
    """How many segments of a path name the repository; the others a place in it."""
    if system in ("github", "bitbucketCloud"):
        return 2
    if system == "azure" and "_git" in segments:
        return segments.index("_git") + 2
    if system == "gitlab":
        # Groups can be nested; older URLs lack the dash between the project and what is in it.
        ends = [at for at, segment in enumerate(segments) if at >= 2 and segment in ("-", "blob", "tree", "raw")]
        return ends[0] if ends else len(segments)
    return len(segments)


def _existing(reading: Reading, repository: Repository, filename: str | None) -> Iterator[JsonObject]:
    """The entities that were read from files of the repository, those of this name if there is one."""
    key = f"metadata.annotations.{MANAGED_BY_LOCATION}"
    below = AnyOf(tuple(HasPrefix(key, f"url:{repository.root}{separator}") for separator in "/?"))
    named = re.compile(rf"/{re.escape(filename)}(?:[?&#]|$)") if filename else None
    for body in list_entities(reading.view, below, visible=reading.visible).bodies:
        entity = json.decode(body)
        assert isinstance(entity, dict)
        location = _file_of(entity)
        if location is not None and (named is None or named.search(location)):
            yield {"location": {"type": "url", "target": location}, "isRegistered": True, "entity": entity}


def _file_of(entity: JsonObject) -> str | None:
    ref = entity_ref(entity)
    if ref.kind == "location" and ref.name.startswith("generated-"):
        # It stands for a registration, and in no file.
        return None
    try:
        return location_of(entity).target
    except InvalidEntity:
        return None


def _generated(repository: Repository) -> JsonObject:
    metadata: JsonObject = {"name": repository.name}
    if repository.annotation is not None:
        metadata["annotations"] = {repository.annotation: repository.slug}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
