"""The processor of the built-in kinds: validates them, and emits the relations that their fields declare."""

from callboard.extend import Processor, Relation, Run
from callboard.model import kinds
from callboard.model.json import JsonObject


class BuiltinKindsProcessor(Processor):
    """Component, API, Resource, System, Domain, Group, User, Location and Template."""

    name = "builtin-kinds"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Sort the lists of refs, so that their order can never be a change."""
        kinds.sort_relation_fields(entity)
        return entity

    async def validate_kind(self, entity: JsonObject, run: Run) -> bool:
        """Claim the built-in kinds. Raises InvalidEntity for one that is not valid."""
        definition = kinds.find(entity)
        if definition is None:
            return False
        definition.check(entity)
        return True

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Emit the relations in both directions, whether or not the other end exists."""
        run.relations.update(Relation(*edge) for edge in kinds.relations_of(entity, run.ref))
        return entity
