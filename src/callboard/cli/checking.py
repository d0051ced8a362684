"""Checking: all that the catalog would find wrong with a file, each problem at its line.

The rules are those of ingestion and processing, taken from where they are: documents, the placeholder processor, the
default policies, the built-in kinds. Only they are asked further: for everything, where the catalog stops at the first
thing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from callboard.builtin.bundling import BundlingResolver
from callboard.builtin.placeholders import DEFAULT_RESOLVERS, PlaceholderProcessor
from callboard.builtin.policies import Explains, SchemaPolicy, default_policies, last_policies
from callboard.builtin.readers.files import FileReader
from callboard.errors import InvalidDocument, InvalidEntity, LocationNotFound, Unreadable
from callboard.extend import Content, Files, NotModified, Policy, Run
from callboard.model import json, kinds
from callboard.model.documents import locate, parse_documents
from callboard.model.entities import check_envelope, entity_ref
from callboard.model.json import JsonObject, JsonValue
from callboard.model.kinds import Kinds, builtin
from callboard.model.refs import EntityRef, LocationRef
from callboard.model.schemas import Violation

_LOCATED = 100
"""To find a line, the file is parsed again. Beyond this many problems of one file, that of the document must do."""

_PLACEHOLDERS = 100
"""So many broken placeholders of one entity are told."""

_UNREAD = "(not read)"
"""Stands for content that is not known, and is not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that the catalog would refuse."""

    line: int
    entity: str
    """The ref of the entity, or which document it is. Empty when the file can't be read as documents at all."""
    field: str
    """The dotted path of what is wrong; empty for the whole entity."""
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file."""

    entities: int
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True)
class Rules:
    """What entities are held to."""

    kinds: Kinds = field(default_factory=builtin)
    policies: Sequence[Policy] = field(default_factory=lambda: [*default_policies(), *last_policies()])


async def check(data: bytes, location: LocationRef, rules: Rules) -> Checked:
    """Check what was read at a location of the type `file`; placeholders are looked up beside it."""
    try:
        documents = parse_documents(data)
    except InvalidDocument as error:
        return Checked(0, [Problem(line=error.line or 1, entity="", field="", reason=error.reason)])
    problems: list[Problem] = []
    for index, document in enumerate(documents):
        name = _name(document.value) or f"document {index + 1}"
        for violation in await _violations(document.value, location, rules):
            exact = len(problems) < _LOCATED
            problems.append(
                Problem(
                    line=locate(data, index, violation.pointer)[0] if exact else document.line,
                    entity=name,
                    field=".".join(_parts(violation.pointer)),
                    reason=_reason(violation),
                )
            )
    problems.sort(key=lambda problem: problem.line)
    return Checked(sum(document.value is not None for document in documents), problems)


async def _violations(value: JsonValue, location: LocationRef, rules: Rules) -> list[Violation]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [Violation("", "is not an object, and so not an entity", "")]
    try:
        check_envelope(value)
    except InvalidEntity as error:
        # What can't be named is not looked at any further.
        return SchemaPolicy().violations(value) or [_of_error(error)]
    ref = entity_ref(value)
    broken = await _replace_placeholders(value, Run(ref=ref, location=location, origin=location))
    found = [*_policy_violations(value, rules.policies), *_kind_violations(value, ref, rules.kinds)]
    return [*broken, *(violation for violation in found if _at(value, violation.pointer) != _UNREAD)]


class _Beside(FileReader):
    """Reads the files that placeholders name. Whether a URL can be read, and whether a file further up may be embedded,
    depends on where the catalog will find the entity; both are taken on trust.
    """

    def resolve(self, base: str, relative: str) -> str:
        return relative if "://" in relative else super().resolve(base, relative)

    def contains(self, base: str, target: str) -> bool:
        return True

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        if "://" in target:
            return Content(target, json.encode(_UNREAD))
        try:
            return await super().read(target, version=version)
        except Unreadable as error:
            # It may work later, but here and now is what was asked for.
            raise LocationNotFound(str(error)) from error


class _Bundling(BundlingResolver):
    """Bundles what can be read here."""

    async def follow(self, data: bytes, target: str, files: Files) -> JsonValue:
        return _UNREAD if "://" in target else await super().follow(data, target, files)


async def _replace_placeholders(entity: JsonObject, run: Run) -> list[Violation]:
    """Put the content of placeholders into *entity*, and a text where there is none; says where that was."""
    resolvers = [*DEFAULT_RESOLVERS, _Bundling("openapi"), _Bundling("asyncapi")]
    processor = PlaceholderProcessor({"file": _Beside()}, resolvers)
    found: list[Violation] = []
    for _ in range(_PLACEHOLDERS):
        try:
            await processor.pre_process(entity, run)
            break
        except InvalidEntity as error:
            violation = _of_error(error)
            found.append(violation)
            _put(entity, violation.pointer, _UNREAD)
    return found


def _put(entity: JsonObject, pointer: str, text: str) -> None:
    container, _, last = pointer.rpartition("/")
    node = _at(entity, container)
    if isinstance(node, list):
        node[int(last)] = text
    elif isinstance(node, dict):
        node[_parts(f"/{last}")[0]] = text


def _at(entity: JsonObject, pointer: str) -> JsonValue:
    node: JsonValue = entity
    for part in _parts(pointer):
        node = node[int(part)] if isinstance(node, list) else node.get(part) if isinstance(node, dict) else None
    return node


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _policy_violations(entity: JsonObject, policies: Sequence[Policy]) -> Iterator[Violation]:
    for policy in policies:
        try:
            policy.enforce(entity)
        except InvalidEntity as error:
            yield from policy.violations(entity) if isinstance(policy, Explains) else [_of_error(error)]
            if isinstance(policy, SchemaPolicy):
                # The policies after it take the types of the fields for granted.
                return


def _kind_violations(entity: JsonObject, ref: EntityRef, known: Kinds) -> Iterator[Violation]:
    definition = known.find(entity)
    if definition is None:
        yield Violation("/kind", f"no kind {entity['kind']!r} is known with apiVersion {entity['apiVersion']!r}", "")
        return
    violations = definition.violations(entity)
    yield from violations
    broken = {violation.pointer.split("/")[2] for violation in violations if violation.pointer.startswith("/spec/")}
    for named in definition.fields_of(entity):
        if named.path[0] in broken:
            continue
        try:
            # One field at a time, since the first text that is not a ref ends it.
            list(kinds.targets(entity, named, ref.namespace))
        except InvalidEntity as error:
            yield _of_error(error)


def _of_error(error: InvalidEntity) -> Violation:
    return Violation(error.pointer or "", error.reason, "")


def _reason(violation: Violation) -> str:
    """The words of a violation, and its parameter where they don't say it already."""
    value = violation.parameter.partition(": ")[2]
    return violation.text if value in violation.text else f"{violation.text} ({violation.parameter})"


def _name(value: JsonValue) -> str | None:
    """The ref of an entity, None for what can't be named."""
    try:
        check_envelope(value)
    except InvalidEntity:
        return None
    assert isinstance(value, dict)
    return str(entity_ref(value))
