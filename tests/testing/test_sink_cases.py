"""The cases of kinds of sinks tell each that is wrong what it is."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from callboard.errors import InvalidInput, Unavailable
from callboard.extend import (
    Event,
    JsonObject,
    SinkTarget,
)
from callboard.testing.conformance import (
    SinkCases,
)
from tests.testing.verdicts import verdicts


class Loft:
    """Where pigeons arrive."""

    def __init__(self) -> None:
        self.events: list[str] = []


class Pigeon:
    """A sink as it should be."""

    def __init__(self, loft: Loft, to: str) -> None:
        self.loft, self.to = loft, to

    async def deliver(self, batch: Sequence[Event]) -> None:
        if self.to != "home":
            raise Unavailable("no pigeon came back")
        self.loft.events += [event.id for event in batch]

    async def close(self) -> None: ...


class Pigeons:
    """The kind of it."""

    type = "pigeon"
    options: Sequence[str] = ("loft",)
    makes: Any = Pigeon

    def __init__(self, loft: Loft) -> None:
        self.loft = loft

    def check(self, target: SinkTarget) -> None:
        if target.options.get("loft") not in ("home", "away"):
            raise InvalidInput("expected loft to be home or away")

    def open(self, target: SinkTarget) -> Any:
        return self.makes(self.loft, str(target.options["loft"]))


class PigeonCases(SinkCases):
    patience = 0.2
    kind: type[Any] = Pigeons

    def __init__(self) -> None:
        self.loft = Loft()

    def make(self) -> Any:
        return self.kind(self.loft)

    def options(self) -> JsonObject:
        return {"loft": "home"}

    def unreachable(self) -> JsonObject:
        return {"loft": "away"}

    async def received(self) -> Sequence[str]:
        return self.loft.events


def test_a_sink_as_it_should_be_passes() -> None:
    assert verdicts(PigeonCases()) == {}


class Lossy(Pigeons):
    class Sink(Pigeon):
        async def deliver(self, batch: Sequence[Event]) -> None:
            await super().deliver([event for event in batch if event.entity is not None])

    makes = Sink


class Swallowing(Pigeons):
    class Sink(Pigeon):
        async def deliver(self, batch: Sequence[Event]) -> None:
            if self.to == "home":
                await super().deliver(batch)

    makes = Sink


class Shuffling(Pigeons):
    class Sink(Pigeon):
        async def deliver(self, batch: Sequence[Event]) -> None:
            await super().deliver([*reversed(batch)])

    makes = Sink


class Gossip(Pigeons):
    def check(self, target: SinkTarget) -> None:
        if target.options.get("loft") != "home":
            raise InvalidInput(f"no loft for {target.secrets}")


class Crashing(Pigeons):
    def check(self, target: SinkTarget) -> None:
        target.options["loft"].strip()  # type: ignore[union-attr]


class Secretive(Pigeons):
    options = ("cote",)


class OneText(Pigeons):
    options = "loft"


class NotToClose(Pigeons):
    class Sink(Pigeon):
        async def close(self) -> None:
            await asyncio.Event().wait()

    makes = Sink


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (
            Lossy,
            "all_kinds_of_events_are_delivered",
            "lacks ['conformance.14', 'conformance.15']",
        ),
        (Shuffling, "all_kinds_of_events_are_delivered", "events of one entity arrived in the order [15, 13, 11]"),
        (Swallowing, "what_nobody_takes_is_not_delivered", "deliver returned although nobody has taken the batch"),
        (Gossip, "secrets_are_never_said", "check tells a secret: with loft ="),
        (Crashing, "odd_options_pass_or_are_refused", "check with loft = None raised AttributeError"),
        (Secretive, "its_type_and_options_are_fit", "the options lack ['loft']"),
        (OneText, "its_type_and_options_are_fit", "options must be a list of texts, got 'loft'"),
        (NotToClose, "a_sink_can_be_closed_without_having_delivered", "close was not through after 0.2 s"),
    ],
)
def test_a_sink_that_is_wrong_is_told_what(kind: type[Any], case: str, words: str) -> None:
    cases = PigeonCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
