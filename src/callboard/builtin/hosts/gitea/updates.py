"""Updates: which repositories of a Gitea something has happened to, told by one list of all that it has.

Gitea can't be asked where many branches are. But it lists repositories by the time of their last update, which every
push sets; so whoever is not among the latest, has its branches where they were when they were asked for last. What was
found out about that, and what follows:

- The time is set just after the push, and after its webhook. A push that is missed for that is seen at the next look,
  since the time is later than this one. So a few branches alone, as after a webhook, are always asked for themselves.
- A mirror has the time of its latest commit and not that of its latest look elsewhere. Mirrors are never trusted.
- Who is renamed is listed under another name, and who is deleted not at all. The number of repositories tells that
  some are gone; and each branch is asked for itself once in half an hour, or in an hour.
"""

import datetime as dt
import email.utils
import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from callboard.builtin.hosts.asking import Answer, Api
from callboard.builtin.hosts.looking import list_at, text_at
from callboard.builtin.hosts.repositories import Head
from callboard.errors import CallboardError, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import JsonObject

FEW = 4
"""So many branches are not worth a list."""
_PAGE = 50
_MOST_PAGES = 3
_MOST_MIRRORS = 1_000
_MARGIN = dt.timedelta(minutes=1)
"""Times have seconds, and the clocks of several servers differ."""
_TRUST = (1_800.0, 3_600.0)
"""Seconds between two questions for one branch; not the same for all, so that they don't all come at once."""
_MIRRORS_TRUST = dt.timedelta(hours=1)
_MOST_LOOKS = 50_000


@dataclass(frozen=True, slots=True)
class _Look:
    """Where a branch was."""

    commit: str
    at: dt.datetime
    """When it still was there, on the clock of the host."""
    first_at: dt.datetime
    """When it was asked for."""
    until: dt.datetime
    """When it is asked for again, whatever the list says."""


@dataclass(frozen=True, slots=True)
class Unmoved:
    """Branches that are where they were."""

    commits: Mapping[Head, str]
    listed_at: dt.datetime | None
    """When that was so, on the clock of the host; None when it has told nothing."""


@dataclass(slots=True)
class Updates:
    """What is known of the branches of one installation."""

    api: Api
    _looks: OrderedDict[Head, _Look] = field(default_factory=OrderedDict)
    _last: "_Recent | None" = None
    """The last list."""
    _mirrors: frozenset[str] = frozenset()
    _mirrors_at: dt.datetime | None = None

    async def unmoved(self, wanted: Sequence[Head]) -> Unmoved:
        """Those of the branches that are where they were. The others have to be asked."""
        try:
            return await self._unmoved(wanted)
        except Unreadable as error:
            if error.retry_at is not None:
                raise
        except (LocationNotFound, NotAllowed):
            pass
        return Unmoved({}, None)

    def note(self, found: Mapping[Head, str | CallboardError], at: dt.datetime | None) -> None:
        """Remember what was asked for after the list that was made *at* that time, on the clock of the host."""
        for head, commit in found.items():
            self._looks.pop(head, None)
            # Which branch is the default one may change with no push; a tag has no business with pushes at all.
            if at is not None and isinstance(commit, str) and head.ref is not None and "/tags/" not in head.ref:
                until = at + dt.timedelta(seconds=random.uniform(*_TRUST))  # noqa: S311 - no secret depends on it
                self._looks[head] = _Look(commit, at, at, until)
        while len(self._looks) > _MOST_LOOKS:
            self._looks.popitem(last=False)

    async def _unmoved(self, wanted: Sequence[Head]) -> Unmoved:
        known = [head for head in wanted if head in self._looks]
        since = min((self._looks[head].at for head in known), default=None)
        recent = await self._recent(None if since is None else since - _MARGIN)
        now = recent.at
        await self._look_for_mirrors(now)
        found: dict[Head, str] = {}
        for head in known:
            look = self._looks.get(head)
            if look is not None and now < look.until and self._is_unmoved(head, look, recent):
                found[head] = look.commit
                self._looks[head] = _Look(look.commit, now, look.first_at, look.until)
        return Unmoved(found, now)

    def _is_unmoved(self, head: Head, look: _Look, recent: "_Recent") -> bool:
        name, before = head.repository.lower(), look.at - _MARGIN
        if name in self._mirrors or self._mirrors_at is None or self._mirrors_at < look.first_at:
            return False
        updated = recent.updated.get(name)
        return before > recent.whole_since if updated is None else updated < before

    async def _recent(self, since: dt.datetime | None) -> "_Recent":
        """What was updated since then, and perhaps before. Forgets all looks when repositories are gone."""
        answers = [await self._page(1)]
        recent = _recent(answers[0])
        while since is not None and recent.whole_since >= since and len(answers) < _MOST_PAGES:
            answers.append(await self._page(len(answers) + 1))
            recent = recent.with_page(answers[-1])
        if self._last is None or self._last.count + recent.new_since(self._last) != recent.count:
            self._looks.clear()
        self._last = recent
        return recent

    async def _page(self, number: int) -> Answer:
        params: dict[str, str | int] = {"sort": "updated", "order": "desc", "limit": _PAGE, "page": number}
        return await self.api.get("repos/search", params=params)

    async def _look_for_mirrors(self, now: dt.datetime) -> None:
        if self._mirrors_at is not None and now < self._mirrors_at + _MIRRORS_TRUST:
            return
        found: set[str] = set()
        for number in range(1, _MOST_MIRRORS // _PAGE + 1):
            params: dict[str, str | int] = {"mode": "mirror", "limit": _PAGE, "page": number}
            answer = await self.api.get("repos/search", params=params)
            found.update(_name(each) for each in list_at(answer.object(), "data"))
            if answer.next is None:
                self._mirrors, self._mirrors_at = frozenset(found), now
                return
        # Too many to be told apart: then nobody is trusted.
        self._mirrors_at = None


@dataclass(frozen=True, slots=True)
class _Recent:
    """The repositories that were updated last."""

    at: dt.datetime
    """When they were listed, on the clock of the host."""
    count: int
    """Of all that there are."""
    updated: Mapping[str, dt.datetime]
    created: Mapping[str, dt.datetime]
    whole_since: dt.datetime
    """Who was updated later is among them."""

    def new_since(self, last: "_Recent") -> int:
        """How many of them were not there when *last* was listed, in the same second perhaps."""
        return sum(created >= last.at and name not in last.created for name, created in self.created.items())

    def with_page(self, answer: Answer) -> "_Recent":
        """These, and those of another page."""
        more = _recent(answer)
        updated, created = {**more.updated, **self.updated}, {**more.created, **self.created}
        return _Recent(self.at, more.count, updated, created, more.whole_since)


def _recent(answer: Answer) -> _Recent:
    """A page of the list. Raises Unreadable when it lacks what is needed."""
    entries = list_at(answer.object(), "data")
    updated = {_name(each): _moment(each, "updated_at") for each in entries}
    created = {_name(each): _moment(each, "created_at") for each in entries}
    try:
        at = email.utils.parsedate_to_datetime(answer.headers.get("date", ""))
        count = int(answer.headers.get("x-total-count", ""))
    except ValueError as error:
        raise Unreadable(f"{answer.url.host} does not say when it has listed how many repositories") from error
    is_last = answer.next is None
    beginning = dt.datetime.min.replace(tzinfo=dt.UTC)
    whole_since = beginning if is_last else min(updated.values(), default=beginning)
    return _Recent(at if at.tzinfo else at.replace(tzinfo=dt.UTC), count, updated, created, whole_since)


def _name(repository: JsonObject) -> str:
    return (text_at(repository, "full_name") or "").lower()


def _moment(repository: JsonObject, key: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text_at(repository, key) or "")
    except ValueError as error:
        raise Unreadable(f"expected {key} of a repository to be a time, got {repository.get(key)!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
