"""The processor that replaces placeholders, `{"$text": "./openapi.yaml"}`, by what they name."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError

from callboard.builtin.bundling import BundlingResolver
from callboard.errors import CallboardError, InvalidDocument, InvalidEntity, NotAllowed, Unreadable
from callboard.extend import Content, Processor, Reader, Run
from callboard.extend.processors import Readers, Resolver
from callboard.model.documents import parse_documents
from callboard.model.json import JsonObject, JsonValue, decode, encode
from callboard.model.refs import LocationRef


class TextResolver:
    """`$text`: the content as it is."""

    key = "text"

    def resolve(self, data: bytes, target: str) -> JsonValue:
        """The text of *data*, which must be UTF-8."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            broken = InvalidDocument(f"{target} is not UTF-8 text: {error.reason} at byte {error.start}")
            broken.line = data.count(b"\n", 0, error.start) + 1
            raise broken from error


class JsonResolver:
    """`$json`: the value that the content says."""

    key = "json"

    def resolve(self, data: bytes, target: str) -> JsonValue:
        """The JSON value of *data*."""
        try:
            return decode(data)
        except ValueError as error:
            broken = InvalidDocument(f"{target} is not JSON: {error}")
            if isinstance(error, JSONDecodeError):
                broken.line, broken.column = error.lineno, error.colno
            raise broken from error


class YamlResolver:
    """`$yaml`: the value of the one document in the content. Merge keys stay what they are."""

    key = "yaml"

    def resolve(self, data: bytes, target: str) -> JsonValue:
        """The value of *data*."""
        documents = parse_documents(data, merge_keys=False)
        if len(documents) != 1:
            raise InvalidDocument(f"{target} holds {len(documents)} YAML documents instead of one")
        return documents[0].value


DEFAULT_RESOLVERS: Sequence[Resolver] = (
    TextResolver(),
    JsonResolver(),
    YamlResolver(),
    BundlingResolver("openapi"),
    BundlingResolver("asyncapi"),
)

_MOST_FILES = 200
_MOST_BYTES = 20 * 1024 * 1024
"""What a definition may be put together from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A placeholder at its place: the value under *key* of *container*."""

    container: JsonObject | list[JsonValue]
    key: str | int
    pointer: str
    placeholder: str
    argument: JsonValue

    def put(self, value: JsonValue) -> None:
        """Replace the placeholder."""
        # Key and container fit each other; the type checker can't know.
        if isinstance(self.container, dict):
            self.container[str(self.key)] = value
        else:
            self.container[int(self.key)] = value

    def refuse(self, reason: str) -> InvalidEntity:
        """An error that says where."""
        return InvalidEntity(f"Placeholder {self.placeholder} at {self.pointer} {reason}", pointer=self.pointer)


class PlaceholderProcessor(Processor):
    """Replaces every object whose only key is a known `$key` by the content at the target that it names.

    Targets are relative to the entity's location and must belong to the same repository or folder tree.
    """

    name = "placeholder"
    version = "2"

    def __init__(self, readers: Readers, resolvers: Sequence[Resolver] = DEFAULT_RESOLVERS) -> None:
        self._readers = readers
        self._resolvers = {f"${resolver.key}": resolver for resolver in resolvers}

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Replace the placeholders in *entity*, in place."""
        if not _may_have_placeholders(entity):
            return entity
        sites = list(_find(entity, "", self._resolvers))
        if not sites:
            return entity
        run.depend_on_outside()
        targets = [self._target(site, run.location) for site in sites]
        for target in targets:
            run.emit_refresh_key(f"{run.location.type}:{target}")
        contents = await _read_all(self._readers[run.location.type], targets)
        for site, target in zip(sites, targets, strict=True):
            site.put(await self._value(site, LocationRef(run.location.type, target), contents[target], run))
        return entity

    def _target(self, site: Site, location: LocationRef) -> str:
        """What *site* names, if the entity may embed it."""
        if not isinstance(site.argument, str):
            raise site.refuse("needs a text that names its target")
        reader = self._readers.get(location.type)
        if reader is None:
            raise site.refuse(f"can't be replaced: nothing reads locations of the type '{location.type}'")
        try:
            target = reader.resolve(location.target, site.argument)
        except CallboardError as error:
            raise site.refuse(f"names no target: {error}") from error
        if not reader.contains(location.target, target):
            raise site.refuse(f"is not allowed to embed {target}: it is outside of what {location} belongs to")
        return target

    async def _value(self, site: Site, target: LocationRef, content: Content | CallboardError, run: Run) -> JsonValue:
        if isinstance(content, CallboardError):
            raise _unread(site, content) from content.at(str(target))
        resolver = self._resolvers[site.placeholder]
        try:
            # Both kinds have a key; what tells them apart is the method.
            if hasattr(resolver, "follow"):
                files = _Files(self._readers[target.type], run)
                return await resolver.follow(content.data, target.target, files)
            return resolver.resolve(content.data, target.target)
        except InvalidDocument as error:
            raise site.refuse(f"could not use {site.argument}: {error}") from error.at(str(target))
        except CallboardError as error:
            raise _unread(site, error) from error


class _Files:
    """What one placeholder may read (an `extend.Files`)."""

    def __init__(self, reader: Reader, run: Run) -> None:
        self._reader = reader
        self._run = run
        self._contents: dict[str, bytes] = {}

    async def read(self, relative: str, base: str) -> tuple[str, bytes]:
        """The content of a file of the same repository or folder tree, read once."""
        location = self._run.location
        target = self._reader.resolve(base, relative)
        if not self._reader.contains(location.target, target):
            raise NotAllowed(f"{target}, which {base} refers to, is outside of what {location} belongs to")
        if target not in self._contents:
            if len(self._contents) >= _MOST_FILES:
                raise InvalidDocument(f"{base} refers to more than {_MOST_FILES} files")
            self._run.emit_refresh_key(f"{location.type}:{target}")
            content = await _read(self._reader, target)
            if isinstance(content, CallboardError):
                raise content.at(f"{location.type}:{target}")
            self._contents[target] = content.data
            if sum(map(len, self._contents.values())) > _MOST_BYTES:
                raise InvalidDocument(f"{base} refers to files of more than {_MOST_BYTES} bytes together")
        return target, self._contents[target]


def _unread(site: Site, error: CallboardError) -> CallboardError:
    if not isinstance(error, Unreadable):
        return site.refuse(f"could not read {site.argument}: {error}")
    unreadable = Unreadable(f"Placeholder {site.placeholder} at {site.pointer} could not read {site.argument}: {error}")
    unreadable.pointer = site.pointer
    return unreadable


def _may_have_placeholders(entity: JsonObject) -> bool:
    # Writing the entity down and searching the text takes a tenth of the time of walking through it.
    try:
        return b'{"$' in encode(entity)
    except TypeError:
        return True  # it holds something that can't be written down; others will say so


def _find(value: JsonValue, pointer: str, known: Mapping[str, object]) -> Iterator[Site]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _look_at(value, key, child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", known)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _look_at(value, index, child, f"{pointer}/{index}", known)


def _look_at(
    container: JsonObject | list[JsonValue], key: str | int, child: JsonValue, pointer: str, known: Mapping[str, object]
) -> Iterator[Site]:
    if isinstance(child, dict) and len(child) == 1:
        ((name, argument),) = child.items()
        if name in known:
            yield Site(container=container, key=key, pointer=pointer, placeholder=name, argument=argument)
            return
    yield from _find(child, pointer, known)


async def _read_all(reader: Reader, targets: Sequence[str]) -> dict[str, Content | CallboardError]:
    """The content of each target, read once however many placeholders name it."""
    distinct = list(dict.fromkeys(targets))
    contents = await asyncio.gather(*(_read(reader, target) for target in distinct))
    return dict(zip(distinct, contents, strict=True))


async def _read(reader: Reader, target: str) -> Content | CallboardError:
    try:
        content = await reader.read(target)
    except CallboardError as error:
        return error
    assert isinstance(content, Content), "without a version, there is nothing to compare with"
    return content
