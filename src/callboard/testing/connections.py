"""A way into a catalog that only writes down what comes."""

import asyncio
from collections.abc import Sequence

from callboard.extend import Delta, Full, JsonObject, Mutation, Offered
from callboard.model.entities import check_envelope, entity_ref


class FakeConnection:
    """A `ProviderConnection` without a catalog: what a provider applies is in `mutations`, and in `offered` by ref.

    It accepts what the catalog accepts; an entity that the catalog would leave out is in `rejected`. `failure`, while
    it is set, is raised by every `apply`.
    """

    def __init__(self) -> None:
        self.mutations: list[Mutation] = []
        self.offered: dict[str, Offered] = {}
        """What the provider has now."""
        self.rejected: list[tuple[Offered, Exception]] = []
        self.refreshed: list[str] = []
        """The keys that were announced."""
        self.failure: Exception | None = None
        self.delivered = asyncio.Event()
        """Set by the first mutation; clear it to wait for the next one."""

    async def apply(self, mutation: Mutation) -> None:
        """Write the mutation down."""
        # As with a real catalog, others have their turn meanwhile.
        await asyncio.sleep(0)  # noqa: TID251 - no time passes
        if self.failure is not None:
            raise self.failure
        self.mutations.append(mutation)
        match mutation:
            case Full(offered):
                self.offered = self._by_ref(offered)
            case Delta(added, removed):
                self.offered |= self._by_ref(added)
                for ref in removed:
                    self.offered.pop(str(ref), None)
        self.delivered.set()

    async def refresh(self, keys: Sequence[str]) -> int:
        """Write the keys down; no entity holds any of them."""
        self.refreshed += keys
        return 0

    @property
    def entities(self) -> dict[str, JsonObject]:
        """The entities that the provider has now, by ref."""
        return {ref: each.entity for ref, each in self.offered.items()}

    def _by_ref(self, offered: Sequence[Offered]) -> dict[str, Offered]:
        found: dict[str, Offered] = {}
        for each in offered:
            try:
                check_envelope(each.entity)
            except Exception as error:  # noqa: BLE001 - what is rejected is shown, whatever is wrong with it
                self.rejected.append((each, error))
            else:
                found[str(entity_ref(each.entity))] = each
        return found
