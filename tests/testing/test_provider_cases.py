"""The cases of providers tell each that is wrong what it is."""

import asyncio
import datetime as dt
import itertools
from typing import Any

import pytest

from callboard.extend import (
    Delta,
    Full,
    Offered,
    ProviderConnection,
    Webhook,
)
from callboard.testing.conformance import (
    ProviderCases,
)
from tests.harness import component, offered
from tests.testing.verdicts import verdicts


class Boards:
    """A provider as it should be; each of those below is wrong in one thing."""

    name = "boards"

    async def connect(self, connection: ProviderConnection) -> None:
        await connection.apply(self.delivery())

    def delivery(self) -> Full | Delta:
        return Full(offered(component("main"), component("growth"), key="url:https://host/boards"))


class BoardCases(ProviderCases):
    patience = 0.2
    kind: type[Any] = Boards

    def make(self) -> Any:
        return self.kind()


def test_a_provider_as_it_should_be_passes() -> None:
    assert verdicts(BoardCases()) == {}


class NamedByChance(Boards):
    numbers = itertools.count()

    def __init__(self) -> None:
        self.name = f"boards-{next(self.numbers)}"


class WithASlash(Boards):
    name = "boards/main"


class NeverReturning(Boards):
    async def connect(self, connection: ProviderConnection) -> None:
        await super().connect(connection)
        await asyncio.Event().wait()


class Silent(Boards):
    async def connect(self, connection: ProviderConnection) -> None: ...


class Dated(Boards):
    def delivery(self) -> Full:
        return Full(offered(component("main", since=dt.date(2026, 1, 1))))  # type: ignore[arg-type]


class Nameless(Boards):
    def delivery(self) -> Full:
        return Full(offered({**component("main"), "metadata": {"title": "Main"}}))


class FromNowhere(Boards):
    def delivery(self) -> Full:
        return Full(offered({**component("main"), "metadata": {"name": "main"}}))


class Ownerless(Boards):
    def delivery(self) -> Full:
        return Full(offered({**component("main"), "spec": {"type": "service"}}))


class Repeating(Boards):
    def delivery(self) -> Full:
        return Full(offered(component("main"), component("Main", owner="other")))


class Counting(Boards):
    numbers = itertools.count()

    def delivery(self) -> Full:
        return Full(offered(component("main", number=next(self.numbers))))


class KeyedByNumber(Boards):
    def delivery(self) -> Full:
        return Full([Offered(component("main"), 5)])  # type: ignore[arg-type]


class OnlyOnce(Boards):
    def __init__(self) -> None:
        self.connected = False

    async def connect(self, connection: ProviderConnection) -> None:
        if not self.connected:
            self.connected = True
            await super().connect(connection)


class Hearing(Boards):
    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        await connection.apply(self.delivery())


class Stumbling(Boards):
    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        webhook.body["repository"]["full_name"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (NamedByChance, "its_name_is_fit_and_always_the_same", "name must be the same for every object"),
        (WithASlash, "its_name_is_fit_and_always_the_same", "letters, digits, dots, colons, underscores and hyphens"),
        (NeverReturning, "connect_returns", "connect was not through after 0.2 s: long-running work belongs in a task"),
        (Silent, "it_delivers_after_connect", "the first delivery after connect was not through after 0.2 s"),
        (Dated, "its_entities_are_json", "/spec/since is datetime.date(2026, 1, 1), of the type date"),
        (Nameless, "its_entities_have_kind_and_name", "the catalog would leave out the entity with the kind 'Compon"),
        (FromNowhere, "its_entities_say_where_they_come_from", "annotation backstage.io/managed-by-location; it says"),
        (Ownerless, "its_entities_keep_to_policies_and_kinds", "the name 'main' is not valid: "),
        (Repeating, "no_set_has_an_entity_twice", "component:default/main is offered 2 times in one mutation"),
        (Counting, "every_engine_delivers_the_same", "offers another component:default/main: nothing in an entity may"),
        (KeyedByNumber, "its_location_keys_are_texts", "expected a text as location_key, got 5"),
        (Hearing, "webhooks_of_other_systems_change_nothing", "on_webhook applied something for a webhook of an un"),
        (Stumbling, "webhooks_of_other_systems_change_nothing", "on_webhook raised KeyError for a webhook of an unkn"),
        (OnlyOnce, "connect_can_be_called_again_after_a_failure", "the first delivery after connect was not through"),
    ],
)
def test_a_provider_that_is_wrong_is_told_what(kind: type[Any], case: str, words: str) -> None:
    cases = BoardCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
