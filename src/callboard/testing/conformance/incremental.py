"""The cases of incremental providers."""

from collections.abc import Sequence

from callboard.extend import IncrementalEntityProvider, JsonValue, Offered, Page
from callboard.model import json
from callboard.testing.conformance.offers import OfferCases, differing
from callboard.testing.conformance.verdicts import fail, must, must_be_async, not_json


class IncrementalProviderCases(OfferCases):
    """What an `IncrementalEntityProvider` must do. Override `make`."""

    most_pages: int = 1000
    """The pages of a round; one that has more does not end, as far as the cases are concerned."""

    def make(self) -> IncrementalEntityProvider:
        """A new provider over a source that stands still, with more than one page if possible."""
        raise NotImplementedError("make must return a new incremental provider")

    async def offers(self) -> Sequence[Offered]:
        """What one round brings."""
        return [each for _, page in await self._round(self.make()) for each in page.entities]

    def test_its_pauses_are_seconds(self) -> None:
        """Numbers from 0 on."""

        async def case() -> None:
            provider = self.make()
            for field in ("rest_seconds", "page_pause"):
                value: object = getattr(provider, field)
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                must(is_number and float(str(value)) >= 0, f"{field} must be a number of seconds, got {value!r}")

        self.run_case(case())

    def test_a_round_ends(self) -> None:
        """With `done`; until then nothing is withdrawn that the source has no more."""

        async def case() -> None:
            await self._round(self.make())

        self.run_case(case())

    def test_its_cursors_are_json(self) -> None:
        """They are stored, so that another engine can go on. None stands for the beginning."""

        async def case() -> None:
            for _, page in await self._round(self.make()):
                if reason := not_json(page.cursor):
                    fail(f"the cursor {page.cursor!r} is not JSON: {reason}")

        self.run_case(case())

    def test_another_engine_can_go_on_anywhere(self) -> None:
        """All that it is given is the cursor, as it comes out of the database."""

        async def case() -> None:
            for cursor, page in await self._round(self.make()):
                other = self.make()
                async with other.around():
                    stored = json.decode(json.encode(cursor))
                    again = await self.in_time(other.next(stored), f"next({stored!r})")
                self._must_equal(page, again, f"a new provider, asked for the page at {stored!r}")

        self.run_case(case())

    def test_a_page_that_is_asked_for_twice_is_the_same(self) -> None:
        """A page comes again after a crash: reading changes nothing, neither there nor here."""

        async def case() -> None:
            provider = self.make()
            async with provider.around():
                first = await self.in_time(provider.next(None), "next(None)")
                self._must_equal(
                    first, await self.in_time(provider.next(None), "next(None)"), "a second time, next(None)"
                )

        self.run_case(case())

    def test_rounds_follow_one_another(self) -> None:
        """`around` is entered again for each, and the second one brings the same from a source that stands still."""

        async def case() -> None:
            provider = self.make()
            one, other = await self._round(provider), await self._round(provider)
            first, second = ([each for _, page in pages for each in page.entities] for pages in (one, other))
            different = differing(first, second)
            must(
                not different,
                f"the second round brings another {', '.join(different[:3])}: nothing in an entity may depend on time,"
                " chance or the process",
            )

        self.run_case(case())

    async def _round(self, provider: IncrementalEntityProvider) -> list[tuple[JsonValue, Page]]:
        """The pages of one round, each with the cursor that it was asked for with."""
        must_be_async(provider, "next")
        pages: list[tuple[JsonValue, Page]] = []
        cursor: JsonValue = None
        async with provider.around():
            while len(pages) < self.most_pages:
                page: object = await self.in_time(provider.next(cursor), f"next({cursor!r})")
                if not isinstance(page, Page):
                    fail(f"next({cursor!r}) must return a Page, got {page!r}")
                pages.append((cursor, page))
                if page.done:
                    return pages
                must(page.cursor is not None, f"the page at {cursor!r} is not the last one and has no cursor")
                must(
                    all(page.cursor != seen for seen, _ in pages),
                    f"the page at {cursor!r} leads to {page.cursor!r}, where the round has been: it would never end",
                )
                cursor = page.cursor
        return fail(f"the round was not done after {self.most_pages} pages; raise most_pages if it really has more")

    @staticmethod
    def _must_equal(page: Page, again: Page, what: str) -> None:
        different = differing(page.entities, again.entities)
        must(not different, f"{what} brings another {', '.join(different[:3])} than the first time")
        told = (again.cursor, again.done)
        must(told == (page.cursor, page.done), f"{what} ends in another place: {told}, not {(page.cursor, page.done)}")
