"""The processor that takes the owner of an entity from the CODEOWNERS file of its repository."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from callboard.clock import Clock
from callboard.errors import LocationNotFound
from callboard.extend import CodeHost, Content, JsonObject, Processor, Reader, Run

_KINDS = frozenset(("api", "component", "domain", "resource", "system", "template"))
_PLACES = (
    "CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", ".bitbucket/CODEOWNERS", "docs/CODEOWNERS",
)  # fmt: skip
_FRESH = 300.0
"""Seconds for which a file, or that there is none, is not looked at again for other entities of the repository."""
_MOST_KEPT = 10_000
_SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>.*)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the file: who owns what the pattern matches. Nobody may."""

    pattern: "re.Pattern[str]"
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found in a repository, and when."""

    rules: Sequence[Rule]
    target: str | None
    version: str | None
    at: float


class CodeOwnersProcessor(Processor):
    """Fills `spec.owner` where it is missing. The last rule that matches the file of the entity says who it is."""

    name = "CodeOwnersProcessor"

    def __init__(self, reader: Reader, hosts: Sequence[CodeHost], clock: Clock) -> None:
        self._reader = reader
        self._hosts = hosts
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Put in the owner, if the entity is of a kind that has one. Raises Unreadable when the host can't be asked."""
        spec = entity.get("spec")
        if run.ref.kind not in _KINDS or not isinstance(spec, dict) or spec.get("owner") is not None:
            return entity
        host = next((host for host in self._hosts if host.covers(run.location.target)), None)
        if run.location.type != "url" or host is None:
            return entity
        run.depend_on_outside()
        targets = [host.resolve(run.location.target, f"/{place}") for place in _PLACES]
        for target in targets:
            run.emit_refresh_key(f"url:{target}")
        path = path_of(run.location.target, targets[0])
        owner = owner_of(await self._rules(targets), path)
        if owner is not None:
            spec["owner"] = owner
        return entity

    async def _rules(self, targets: Sequence[str]) -> Sequence[Rule]:
        """The rules of a repository, which many entities ask for at the same time."""
        root = targets[0]
        async with self._locks.setdefault(root, asyncio.Lock()):
            known = self._known.get(root)
            if known is None or self._clock.monotonic() - known.at > _FRESH:
                known = await self._look(targets, known)
                self._known[root] = known
                self._known.move_to_end(root)
                if len(self._known) > _MOST_KEPT:
                    forgotten, _ = self._known.popitem(last=False)
                    self._locks.pop(forgotten, None)
            return known.rules

    async def _look(self, targets: Sequence[str], known: _Known | None) -> _Known:
        now = self._clock.monotonic()
        # Where it was, it still is as a rule; and one place is one request.
        ordered = sorted(targets, key=lambda target: known is None or target != known.target)
        for target in ordered:
            version = known.version if known is not None and target == known.target else None
            try:
                read = await self._reader.read(target, version=version)
            except LocationNotFound:
                continue
            if isinstance(read, Content):
                return _Known(parse(read.data.decode(errors="replace")), target, read.version, now)
            assert known is not None, "without a version, there is nothing to compare with"
            return _Known(known.rules, target, read.version, now)
        return _Known((), None, None, now)


def parse(text: str) -> list[Rule]:
    """The rules of a CODEOWNERS file, as GitHub, GitLab and Bitbucket have it. What can't be understood is left out."""
    rules: list[Rule] = []
    usual: tuple[str, ...] = ()
    for each in text.splitlines():
        line = re.sub(r"(?:^|(?<=\s))#.*", "", each).strip()
        if section := _SECTION.fullmatch(line):
            usual = tuple(section["owners"].split())
            continue
        words = re.findall(r"(?:\\.|\S)+", line)
        # `!` stands for exceptions, which have no owners.
        if words and not words[0].startswith("!"):
            rules.append(Rule(_expression(re.sub(r"\\(.)", r"\1", words[0])), tuple(words[1:]) or usual))
    return rules


def owner_of(rules: Sequence[Rule], path: str | None) -> str | None:
    """The first owner of the last rule that matches *path*; None when there is no such rule, or no owner.

    Of a *path* that is not known, only rules for everything can say something.
    """
    for rule in reversed(rules):
        if rule.pattern.fullmatch("\0" if path is None else path):
            return normal(rule.owners[0]) if rule.owners else None
    return None


def normal(owner: str) -> str:
    """The ref of an *owner*, as Backstage's module writes it: a team, a user, or who has an e-mail address."""
    if owner.startswith("@"):
        name = owner[1:]
        return name.rpartition("/")[2] if "/" in name else f"User:{name}"
    return owner.partition("@")[0] if _EMAIL.fullmatch(owner) else owner


def path_of(target: str, file_at_root: str) -> str | None:
    """The path of *target* in its repository, by the URL of a file at the root; None when these are too different."""
    prefix, name, suffix = file_at_root.rpartition(_PLACES[0])
    if not name or not target.startswith(prefix) or not target.endswith(suffix):
        return None
    return unquote(target[len(prefix) : len(target) - len(suffix)]).lstrip("/")


def _expression(pattern: str) -> "re.Pattern[str]":
    """The regular expression for a pattern like those of `.gitignore`; a folder stands for what is in it."""
    anchored = "/" in pattern.rstrip("/") or pattern.startswith("/")
    stem = pattern.strip("/")
    parts = re.split(r"(\*\*/|/\*\*$|\*\*|\*|\?)", stem)
    translated = {"**/": r"(?:[^/]+/)*", "/**": r"/.+", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    body = "".join(translated.get(part, re.escape(part)) for part in parts)
    if pattern.endswith("/"):
        end = r"/.*"
    elif pattern.endswith("/*"):
        # `docs/*` has no part in the folders of docs.
        end = ""
    else:
        end = r"(?:/.*)?"
    start = "" if anchored else r"(?:.*/)?"
    return re.compile(f"{start}{body}{end}", re.DOTALL)
