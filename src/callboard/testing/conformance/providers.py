"""The cases of providers."""

from collections import Counter
from collections.abc import Sequence

from callboard.errors import DatabaseUnavailable
from callboard.extend import EntityProvider, Full, Offered
from callboard.model.entities import entity_ref
from callboard.testing.conformance.offers import OfferCases, by_ref, differing
from callboard.testing.conformance.verdicts import fail, must, must_be_async
from callboard.testing.connections import FakeConnection


class ProviderCases(OfferCases):
    """What an `EntityProvider` must do. Override `make`."""

    delivers: bool = True
    """Whether entities come without anything else happening; False for a provider that waits to be told of changes."""

    def make(self) -> EntityProvider:
        """A new provider, connected with nothing, over a source that stands still."""
        raise NotImplementedError("make must return a new provider")

    async def offers(self) -> Sequence[Offered]:
        """What it has after its first delivery, as it was applied."""
        connection = await self._connected()
        return [each for mutation in connection.mutations for each in _brought(mutation)]

    def test_connect_returns(self) -> None:
        """An engine calls it at its start, and not again once it has returned."""

        async def case() -> None:
            provider = self.make()
            must_be_async(provider, "connect")
            result: object = await self.in_time(provider.connect(FakeConnection()), "connect")
            must(result is None, f"connect must return nothing, got {result!r}")

        self.run_case(case())

    def test_it_delivers_after_connect(self) -> None:
        """Otherwise the catalog stays empty."""

        async def case() -> None:
            connection = await self._connected()
            if self.delivers:
                must(
                    connection.mutations, "nothing was applied; a provider that waits to be told says delivers = False"
                )

        self.run_case(case())

    def test_no_set_has_an_entity_twice(self) -> None:
        """It would depend on the order which of the two counts."""

        async def case() -> None:
            for mutation in (await self._connected()).mutations:
                _ = by_ref(_brought(mutation))
                refs = Counter(str(entity_ref(each.entity)) for each in _brought(mutation))
                if twice := [ref for ref, count in refs.items() if count > 1]:
                    fail(
                        f"{twice[0]} is offered {refs[twice[0]]} times in one mutation; the letter case does not count"
                    )

        self.run_case(case())

    def test_every_engine_delivers_the_same(self) -> None:
        """All engines connect a provider of their own: sets that differ would replace one another for ever."""

        async def case() -> None:
            one, other = await self._connected(), await self._connected()
            different = differing(one.offered.values(), other.offered.values())
            must(
                not different,
                f"a second provider over the same source offers another {', '.join(different[:3])}: nothing in an"
                " entity may depend on time, chance or the process",
            )

        self.run_case(case())

    def test_connect_can_be_called_again_after_a_failure(self) -> None:
        """An engine does so when connect raises, which it should when the catalog can't take what it delivers."""

        async def case() -> None:
            provider, connection = self.make(), FakeConnection()
            connection.failure = DatabaseUnavailable("the database is away, for a test")
            try:
                await self.in_time(provider.connect(connection), "connect")
            except DatabaseUnavailable:
                connection.failure = None
                await self.in_time(provider.connect(connection), "the second call of connect")
                await self._first_delivery(connection)
                must(connection.mutations or not self.delivers, "the second call of connect delivered nothing")

        self.run_case(case())

    async def _connected(self) -> FakeConnection:
        connection = FakeConnection()
        await self.in_time(self.make().connect(connection), "connect")
        await self._first_delivery(connection)
        return connection

    async def _first_delivery(self, connection: FakeConnection) -> None:
        if self.delivers:
            await self.in_time(connection.delivered.wait(), "the first delivery after connect")


def _brought(mutation: object) -> Sequence[Offered]:
    return mutation.entities if isinstance(mutation, Full) else getattr(mutation, "added", ())
