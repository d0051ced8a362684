"""Offers: what must hold for the entities that a provider delivers, be it at once or page by page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from callboard.builtin.kinds import BuiltinKindsProcessor
from callboard.builtin.policies import default_policies
from callboard.errors import CallboardError, InvalidEntity, InvalidInput
from callboard.extend import (
    EntityProvider,
    HearsWebhooks,
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Offered,
    Run,
    Webhook,
)
from callboard.extend.providers import NAME
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_of
from callboard.testing.conformance.verdicts import Cases, fail, must, must_be_name, not_json
from callboard.testing.connections import FakeConnection

_BODIES: tuple[JsonObject, ...] = (
    {},
    {"ref": None, "repository": 5, "commits": "none"},
    {"ref": "refs/heads/main", "repository": {"full_name": "acme/till"}, "commits": [{"added": [None]}]},
)
_ODD: tuple[JsonValue, ...] = (None, 5, [], {})


class OfferCases(Cases):
    """The cases of all that offers entities."""

    webhooks: Sequence[Webhook] = ()
    """What the source of `make` tells, for a provider that hears it: with what a `Webhook` must have."""

    def make(self) -> EntityProvider | IncrementalEntityProvider:
        """A new provider, connected with nothing, over a source that stands still."""
        raise NotImplementedError("make must return a new provider")

    async def offers(self) -> Sequence[Offered]:
        """All that a new object offers."""
        raise NotImplementedError

    def test_its_name_is_fit_and_always_the_same(self) -> None:
        """The name is stored with everything that the provider delivers."""

        async def case() -> None:
            provider, again = self.make(), self.make()
            must_be_name(provider, again)
            must(
                NAME.fullmatch(provider.name),
                "the name of a provider is of letters, digits, dots, colons, underscores and hyphens, at most 63;"
                f" got {provider.name!r}",
            )

        self.run_case(case())

    def test_its_entities_are_json(self) -> None:
        """No dates, sets or objects: an entity is stored, hashed and sent as JSON."""

        async def case() -> None:
            for each in await self.offers():
                must(isinstance(each, Offered), f"expected Offered(entity), got {each!r}")
                must(isinstance(each.entity, dict), f"expected an entity to be a dict, got {each.entity!r}")
                if reason := not_json(each.entity):
                    fail(f"{_named(each.entity)} is not JSON: {reason}")

        self.run_case(case())

    def test_its_entities_have_kind_and_name(self) -> None:
        """What has not is left out by the catalog."""

        async def case() -> None:
            for each in await self.offers():
                _envelope(each.entity)

        self.run_case(case())

    def test_its_entities_say_where_they_come_from(self) -> None:
        """Both annotations, or the entity is never processed."""

        async def case() -> None:
            for each in await self.offers():
                _envelope(each.entity)
                try:
                    _ = location_of(each.entity), origin_of(each.entity)
                except InvalidEntity as error:
                    fail(
                        f"{error}; it says where the entity comes from, such as url:https://cmdb.example/rows/1", error
                    )

        self.run_case(case())

    def test_its_entities_keep_to_policies_and_kinds(self) -> None:
        """What does not is never shown. Kinds that Callboard does not know are not looked at."""

        async def case() -> None:
            kinds, policies = BuiltinKindsProcessor(), default_policies()
            for each in await self.offers():
                _envelope(each.entity)
                entity = json.decode(json.encode(each.entity))
                assert isinstance(entity, dict)
                try:
                    for policy in policies:
                        entity = policy.enforce(entity)
                    await kinds.validate_kind(entity, _run(entity))
                except InvalidInput as error:
                    fail(f"{_named(each.entity)} is not valid: {error}", error)

        self.run_case(case())

    def test_its_location_keys_are_texts(self) -> None:
        """Or None, for entities that yield to others."""

        async def case() -> None:
            for each in await self.offers():
                key = each.location_key
                must(key is None or (isinstance(key, str) and key), f"expected a text as location_key, got {key!r}")

        self.run_case(case())

    def test_webhooks_of_other_systems_change_nothing(self) -> None:
        """A provider that hears webhooks is told of all of them, whatever they hold."""

        async def case() -> None:
            for body in _BODIES:
                provider, connection = self.make(), FakeConnection()
                if not isinstance(provider, HearsWebhooks):
                    return
                webhook = Webhook(system="conformance", event="unknown", body=body)
                try:
                    await self.in_time(provider.on_webhook(webhook, connection), "on_webhook")
                except AssertionError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    fail(f"on_webhook raised {type(error).__name__} for a webhook of an unknown system: {error}", error)
                must(
                    not connection.mutations and not connection.refreshed,
                    "on_webhook applied something for a webhook of an unknown system: look at webhook.system",
                )

        self.run_case(case())

    def test_webhooks_may_come_twice(self) -> None:
        """A host that got no answer sends them again."""

        async def case() -> None:
            for webhook in self.webhooks:
                once, twice = await self._heard([webhook]), await self._heard([webhook, webhook])
                must(
                    once.offered.keys() == twice.offered.keys(),
                    f"on_webhook did something else when {webhook.event} came twice:"
                    f" {sorted(once.offered)}, and then {sorted(twice.offered)}",
                )

        self.run_case(case())

    def test_webhooks_may_lack_anything(self) -> None:
        """Whoever sends them may be of another version."""

        async def case() -> None:
            for webhook in self.webhooks:
                for name in webhook.body:
                    for value in _ODD:
                        await self._heard([replace(webhook, body={**webhook.body, name: value}, pushes=())])

        self.run_case(case())

    async def _heard(self, webhooks: Iterable[Webhook]) -> FakeConnection:
        provider, connection = self.make(), FakeConnection()
        if not isinstance(provider, HearsWebhooks):
            fail("webhooks are said for a provider without on_webhook")
        for webhook in webhooks:
            try:
                await self.in_time(provider.on_webhook(webhook, connection), "on_webhook")
            except CallboardError:
                continue
            except AssertionError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                told = f"on_webhook raised {type(error).__name__} for {webhook.event} with {webhook.body}: {error}"
                fail(f"{told}; expected a CallboardError, or nothing", error)
        return connection


def by_ref(offered: Iterable[Offered]) -> dict[str, tuple[bytes, str | None]]:
    """What is offered, to be compared."""
    found = {}
    for each in offered:
        _envelope(each.entity)
        found[str(entity_ref(each.entity))] = (json.encode_sorted(each.entity), each.location_key)
    return found


def differing(one: Iterable[Offered], other: Iterable[Offered]) -> list[str]:
    """The refs of what is not the same in both."""
    first, second = by_ref(one), by_ref(other)
    return sorted(ref for ref in first.keys() | second.keys() if first.get(ref) != second.get(ref))


def _envelope(entity: JsonObject) -> None:
    try:
        check_envelope(entity)
    except InvalidEntity as error:
        fail(f"the catalog would leave out {_named(entity)}: {error}", error)


def _named(entity: JsonObject) -> str:
    metadata = entity.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"the entity with the kind {entity.get('kind')!r} and the name {name!r}"


def _run(entity: JsonObject) -> Run:
    return Run(ref=entity_ref(entity), location=location_of(entity), origin=origin_of(entity))
