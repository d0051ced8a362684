"""The processor of the kinds that data describe: validates them, and emits the relations that their fields declare."""

from callboard.extend import Processor, Relation, Run
from callboard.model import kinds
from callboard.model.json import JsonObject
from callboard.model.kinds import Kinds


class BuiltinKindsProcessor(Processor):
    """Component, API, Resource, System, Domain, Group, User, Location and Template; and what an installation adds."""

    name = "builtin-kinds"

    def __init__(self, known: Kinds | None = None) -> None:
        self._kinds = known or kinds.builtin()
        if known is not None:
            # Other rules, other results: everything is processed once more under them.
            self.version = f"1 {known.version}"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Sort the lists of refs, so that their order can never be a change."""
        self._kinds.sort_relation_fields(entity)
        return entity

    async def validate_kind(self, entity: JsonObject, run: Run) -> bool:
        """Claim the kinds that are known. Raises InvalidEntity for one that is not valid."""
        definition = self._kinds.find(entity)
        if definition is None:
            return False
        definition.check(entity)
        return True

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Emit the relations in both directions, whether or not the other end exists."""
        run.relations.update(Relation(*edge) for edge in self._kinds.relations_of(entity, run.ref))
        return entity
