"""Transforming: functions of the installation change what resources become.

They are code of somebody else, so they run outside of transactions. Inside, what they have said is looked up; what they
have not been asked yet ends the transaction, they are asked, and it begins again.
"""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from callboard.api.scim import entities
from callboard.builtin.organisations import scim
from callboard.builtin.organisations.scim import Scim
from callboard.builtin.organisations.transformers import Transformer
from callboard.errors import Conflict, InvalidInput, Unreadable
from callboard.ingestion.resources import Forms, Inside, NotYet, Question, Shape
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject, JsonValue

T = TypeVar("T")

_MOST_TRIES = 10
_MEMBERSHIPS = ("members", "children")


@dataclass(slots=True)
class Transforming:
    """How resources become entities, with the last word of a function on each type that has one."""

    options: Scim
    by_type: Mapping[str, Transformer]
    known: dict[bytes, JsonObject | None] = field(default_factory=dict)
    """What the functions have said, by what they were asked."""

    @classmethod
    def of(cls, options: Scim, id_: str) -> "Transforming":
        """What the configuration of the identity provider *id_* says."""
        found = scim.transformers_of(options, id_)
        return cls(options, {type_: each for type_, each in found.items() if each is not None})

    @property
    def forms(self) -> Forms:
        """For the work in a transaction, which may raise NotYet."""
        return Forms(self.shape, self.entity)

    async def working(self, work: Callable[[Forms], Awaitable[T]]) -> T:
        """The result of *work*, which is begun again when a function has to be asked first. Raises Unreadable."""
        for _ in range(_MOST_TRIES):
            try:
                return await work(self.forms)
            except NotYet as error:
                for question in error.questions:
                    # The function may change what it is given.
                    made = await self.by_type[question.type].apply(*copy.deepcopy((question.entity, question.document)))
                    self.known[_key(question)] = made
        raise Conflict("the resources have changed again and again while they were transformed; try again")

    def shape(self, type_: str, id_: str, document: JsonObject) -> Shape:
        """The shape of the entity as the function wants it."""
        shape = entities.shape_of(self.options, type_, document)
        if type_ not in self.by_type:
            return shape
        made = self._made(type_, id_, shape, document)
        if made is None:
            return replace(shape, shown=False)
        try:
            ref = entity_ref({"apiVersion": "v1", **made})
        except InvalidInput as error:
            raise Unreadable(f"the transformer {self.by_type[type_].name} returned no entity: {error}") from error
        if (ref.kind, ref.namespace) != (shape.ref.kind, shape.ref.namespace):
            name = self.by_type[type_].name
            raise Unreadable(f"expected the transformer {name} to leave kind and namespace of {shape.ref}, got {ref}")
        metadata = made["metadata"]
        assert isinstance(metadata, dict)
        return replace(shape, ref=ref, entity_name=str(metadata["name"]))

    def entity(self, type_: str, id_: str, shape: Shape, document: JsonObject, inside: Sequence[Inside]) -> JsonObject:
        """The entity with those *inside*, called as it is stored: another name holds from the next version on."""
        whole = entities.entity_of(self.options, type_, id_, shape, document, inside)
        if type_ not in self.by_type:
            return whole
        try:
            before = entities.shape_of(self.options, type_, document)
        except InvalidInput:
            before = shape
        made = self._made(type_, id_, before, document)
        if made is None:
            return whole
        metadata = made["metadata"]
        assert isinstance(metadata, dict)
        named = {**made, "metadata": {**metadata, "name": shape.entity_name}}
        return _with_memberships(named, whole)

    def _made(self, type_: str, id_: str, shape: Shape, document: JsonObject) -> JsonObject | None:
        entity = entities.entity_of(self.options, type_, id_, shape, document, ())
        said = {name: value for name, value in document.items() if name != "members"}
        question = Question(type_, {"id": id_, **said}, entity)
        key = _key(question)
        if key not in self.known:
            raise NotYet([question])
        return self.known[key]


def _with_memberships(made: JsonObject, whole: JsonObject) -> JsonObject:
    """*made*, and all who are inside: what the function says of them counts as well."""
    spec, own = made.get("spec"), whole["spec"]
    said = dict(spec) if isinstance(spec, dict) else {}
    assert isinstance(own, dict)
    for name in _MEMBERSHIPS:
        refs, more = own.get(name), said.get(name)
        if isinstance(refs, list):
            named: list[JsonValue] = more if isinstance(more, list) else []
            said[name] = [*named, *(ref for ref in refs if ref not in named)]
    return {**made, "spec": said}


def _key(question: Question) -> bytes:
    return json.encode_sorted([question.type, question.document, question.entity])
