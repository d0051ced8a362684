"""The cases of kinds of sinks."""

import datetime as dt
import inspect
from collections.abc import Sequence

from callboard.errors import InvalidInput, NotAllowed
from callboard.extend import Event, JsonObject, JsonValue, SinkKind, SinkTarget
from callboard.model import json
from callboard.testing.conformance.verdicts import Cases, allowed, fail, must, must_be_async, must_be_name, skip

_AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
_SECRET = "conformance-secret-1f9c2e"  # noqa: S105 - looked for where it must not be
_ODD: tuple[JsonValue, ...] = (None, "", 5, -1.5, True, [], ["a"], {}, {"a": [1]}, "\0", "x" * 10_000)


class SinkCases(Cases):
    """What a `SinkKind` and its sinks must do. Override `make` and `options`, and what is known of the receiver."""

    secrets: Sequence[str] = ()

    def make(self) -> SinkKind:
        """A new kind of sinks."""
        raise NotImplementedError("make must return a new kind of sinks")

    def options(self) -> JsonObject:
        """What a good subscription says of its sink, beside `type` and `secrets`."""
        raise NotImplementedError("options must return the options of a target that takes everything")

    def unreachable(self) -> JsonObject | None:
        """The options of a target where nobody takes anything."""
        return None

    async def received(self) -> Sequence[str] | None:
        """The ids of the events that the receiver has, in its order; None if it can't be asked."""
        return None

    def test_its_type_and_options_are_fit(self) -> None:
        """They are what a subscription may say."""
        kind = self.make()
        must_be_name(kind, self.make(), "type")
        known: object = kind.options
        if (
            isinstance(known, str)
            or not isinstance(known, Sequence)
            or not all(isinstance(each, str) for each in known)
        ):
            fail(f"options must be a list of texts, got {known!r}")
        unknown = sorted(set(self.options()) - {*known, "type"})
        must(not unknown, f"the options lack {unknown[:1]}, which a good target has: the API would refuse it")

    def test_a_good_target_passes(self) -> None:
        """check asks nobody, so it is a plain function."""
        kind = self.make()
        must(not inspect.iscoroutinefunction(kind.check), "check must be a plain `def`, and is `async def`")
        kind.check(self._target(self.options()))

    def test_odd_options_pass_or_are_refused(self) -> None:
        """With InvalidInput or NotAllowed; anything else is an answer 500 for who wrote them."""
        for name in self.make().options:
            for value in _ODD:
                options = {**self.options(), name: value}
                try:
                    self.make().check(self._target(options))
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    allowed(error, f"check with {name} = {value!r:.40}", InvalidInput, NotAllowed)

    def test_secrets_are_never_said(self) -> None:
        """Neither in what check says of a target, nor in the repr of a sink."""

        async def case() -> None:
            for name in self.make().options:
                for value in (*_ODD, _SECRET[:5]):
                    try:
                        self.make().check(self._target({**self.options(), name: value}, _SECRET))
                    except Exception as error:  # noqa: BLE001 - only its words matter here
                        must(_SECRET not in f"{error}{error!r}", f"check tells a secret: with {name} = {value!r:.40}")
            sink = self.make().open(self._target(self.options(), *(self.secrets or (_SECRET,))))
            shown = repr(sink)
            await self.in_time(sink.close(), "close")
            must(all(secret not in shown for secret in (*self.secrets, _SECRET)), "the repr of a sink tells a secret")

        self.run_case(case())

    def test_a_sink_can_be_closed_without_having_delivered(self) -> None:
        """An engine may lose the subscription to another one right away."""

        async def case() -> None:
            kind = self.make()
            must(not inspect.iscoroutinefunction(kind.open), "open must be a plain `def`: it makes no connection")
            sink = kind.open(self._target(self.options()))
            must_be_async(sink, "deliver")
            must_be_async(sink, "close")
            await self.in_time(sink.close(), "close")

        self.run_case(case())

    def test_all_kinds_of_events_are_delivered(self) -> None:
        """Added, updated, removed, left the filter: in order of the offsets for each entity, and none is lost."""

        async def case() -> None:
            batch, before = _batch(), len(await self.received() or ())
            await self._deliver(batch)
            if (now := await self.received()) is not None:
                # Some receivers get an event twice when an acknowledgement is late.
                received = list(dict.fromkeys(now[before:]))
                lost = [event.id for event in batch if event.id not in received]
                must(not lost, f"deliver returned, and the receiver lacks {lost}")
                offsets = [int(each.rpartition(".")[2]) for each in received if each.endswith((".11", ".13", ".15"))]
                must(offsets == sorted(offsets), f"events of one entity arrived in the order {offsets}")

        self.run_case(case())

    def test_a_batch_may_come_again(self) -> None:
        """It does after a crash, and to a sink that was opened anew."""

        async def case() -> None:
            await self._deliver(_batch())
            await self._deliver(_batch())

        self.run_case(case())

    def test_what_nobody_takes_is_not_delivered(self) -> None:
        """deliver raises then. If it returned, the events would be lost."""

        async def case() -> None:
            options = self.unreachable()
            if options is None:
                skip("say the options of a target that is `unreachable`")
            sink = self.make().open(self._target(options))
            try:
                await self.in_time(sink.deliver(_batch()), "deliver to nobody")
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - any of them has the batch come again
                return
            finally:
                await self.in_time(sink.close(), "close")
            fail("deliver returned although nobody has taken the batch: it must raise, so that it comes again")

        self.run_case(case())

    async def _deliver(self, batch: Sequence[Event]) -> None:
        sink = self.make().open(self._target(self.options()))
        most: object = getattr(sink, "at_once", len(batch))
        must(isinstance(most, int) and most > 0, f"at_once must be a number from 1 on, got {most!r}")
        step = int(str(most))
        try:
            for start in range(0, len(batch), step):
                await self.in_time(sink.deliver(batch[start : start + step]), "deliver")
        finally:
            await self.in_time(sink.close(), "close")

    def _target(self, options: JsonObject, *secrets: str) -> SinkTarget:
        return SinkTarget(subscription="conformance", generation=1, options=options, secrets=secrets or self.secrets)


def _batch() -> list[Event]:
    return [
        _event(11, "cart", "added"),
        _event(12, "till", "added"),
        _event(13, "cart", "updated"),
        _event(14, "till", "removed", left_filter=True),
        _event(15, "cart", "removed"),
    ]


def _event(offset: int, name: str, type_: str, *, left_filter: bool = False) -> Event:
    body = json.encode({"kind": "Component", "metadata": {"name": name, "title": f"Ünïcode \U0001f680 {offset}"}})
    return Event(
        epoch="conformance",
        offset=offset,
        type=type_,
        ref=f"component:default/{name}",
        uid=f"uid-{name}",
        at=_AT,
        entity=None if type_ == "removed" else body,
        cause='{"source":"provider:conformance"}',
        left_filter=left_filter,
    )
