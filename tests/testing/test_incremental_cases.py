"""The cases of incremental providers tell each that is wrong what it is."""

from collections.abc import Sequence

import pytest

from callboard.extend import (
    Delta,
    IncrementalEntityProvider,
    JsonValue,
    Page,
    ProviderConnection,
    Webhook,
)
from callboard.testing.conformance import (
    IncrementalProviderCases,
)
from tests.harness import component, offered
from tests.testing.verdicts import verdicts


class Listings(IncrementalEntityProvider):
    """An incremental provider as it should be: five pages."""

    name = "listings"

    async def next(self, cursor: JsonValue) -> Page:
        start = cursor if isinstance(cursor, int) else 0
        return Page(offered(component(f"share-{start}")), cursor=start + 1, done=start == 4)


class ListingCases(IncrementalProviderCases):
    patience = 0.2
    most_pages = 20
    kind: type[IncrementalEntityProvider] = Listings

    def make(self) -> IncrementalEntityProvider:
        return self.kind()


def test_an_incremental_provider_as_it_should_be_passes() -> None:
    assert verdicts(ListingCases()) == {}


class Hearing(Listings):
    """Brings what a webhook names."""

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        name = webhook.body.get("name")
        if webhook.system == "listings" and isinstance(name, str):
            await connection.apply(Delta(offered(component(name))))


class HearingCases(ListingCases):
    kind: type[IncrementalEntityProvider] = Hearing
    webhooks: Sequence[Webhook] = (Webhook(system="listings", event="new", body={"name": "share-9"}),)


class Trusting(Hearing):
    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        if webhook.system == "listings":
            await connection.apply(Delta(offered(component(webhook.body["name"].lower()))))  # type: ignore[union-attr]


class Counting(Hearing):
    def __init__(self) -> None:
        self.heard = 0

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        if webhook.system == "listings":
            self.heard += 1
            await connection.apply(Delta(offered(component(f"share-{self.heard}"))))


def test_a_provider_that_hears_webhooks_as_it_should_passes() -> None:
    assert verdicts(HearingCases()) == {}


@pytest.mark.parametrize(
    ("kind", "case", "told"),
    [
        (Trusting, "webhooks_may_lack_anything", "on_webhook raised AttributeError for new with {'name': None}"),
        (Counting, "webhooks_may_come_twice", "on_webhook did something else when new came twice"),
        (Listings, "webhooks_may_come_twice", "webhooks are said for a provider without on_webhook"),
    ],
)
def test_a_provider_that_hears_webhooks_wrongly_is_told_how(
    kind: type[IncrementalEntityProvider], case: str, told: str
) -> None:
    cases = HearingCases()
    cases.kind = kind

    assert told in verdicts(cases)[case]


class Endless(Listings):
    async def next(self, cursor: JsonValue) -> Page:
        start = cursor if isinstance(cursor, int) else 0
        return Page([], cursor=start + 1)


class Circling(Listings):
    async def next(self, cursor: JsonValue) -> Page:
        start = cursor if isinstance(cursor, int) else 0
        return Page([], cursor=(start + 1) % 3)


class WithoutCursor(Listings):
    async def next(self, cursor: JsonValue) -> Page:
        return Page(offered(component("share")))


class WithItsOwnMemory(Listings):
    def __init__(self) -> None:
        self.page = 0

    async def next(self, cursor: JsonValue) -> Page:
        self.page = 0 if cursor is None else self.page + 1
        return await super().next(self.page)


class Consuming(Listings):
    def __init__(self) -> None:
        self.left = [component("one"), component("two")]

    async def next(self, cursor: JsonValue) -> Page:
        return Page(offered(self.left.pop()), cursor=0, done=True)


class WithTuples(Listings):
    async def next(self, cursor: JsonValue) -> Page:
        return Page([], cursor=("a", 1), done=True)  # type: ignore[arg-type]


class Hasty(Listings):
    page_pause = -1.0


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (Endless, "a_round_ends", "the round was not done after 20 pages"),
        (Circling, "a_round_ends", "the page at 0 leads to 1, where the round has been"),
        (WithoutCursor, "a_round_ends", "the page at None is not the last one and has no cursor"),
        (WithItsOwnMemory, "another_engine_can_go_on_anywhere", "a new provider, asked for the page at 2"),
        (Consuming, "a_page_that_is_asked_for_twice_is_the_same", "brings another component:default/one, component:d"),
        (Consuming, "rounds_follow_one_another", "the second round brings another"),
        (WithTuples, "its_cursors_are_json", "of the type tuple"),
        (Hasty, "its_pauses_are_seconds", "page_pause must be a number of seconds, got -1.0"),
    ],
)
def test_an_incremental_provider_that_is_wrong_is_told_what(
    kind: type[IncrementalEntityProvider], case: str, words: str
) -> None:
    cases = ListingCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
