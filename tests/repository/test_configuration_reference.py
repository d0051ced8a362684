import re
from pathlib import Path

from callboard import settings

PAGE = Path(__file__).parents[2] / "docs/reference/configuration.md"

REFRESH = "from callboard import settings; print(settings.describe(), end='')"


def test_the_page_says_what_the_settings_say() -> None:
    assert PAGE.read_text("utf-8") == settings.describe(), f'make it anew: python -c "{REFRESH}" > {PAGE.name}'


def test_every_entry_has_words_of_its_own() -> None:
    entries = re.split(r"^###? ", settings.describe(), flags=re.MULTILINE)[1:]

    silent = [entry.splitlines()[0] for entry in entries if len(entry.strip().splitlines()) < 3]

    assert silent == []


def test_the_keys_that_backstage_knows_are_there() -> None:
    page = settings.describe()

    for key in (
        "app.title",
        "organization.name",
        "catalog.rules[].allow[].spec.type",
        "catalog.locations[].target",
        "catalog.orphanProviderStrategy",
        "catalog.processorOptions.<name>.priority",
        "catalog.providerOptions.<name>.disabled",
        "catalog.stitchingStrategy.stitchTimeout",
        "catalog.defaultLocationConflictStrategy",
        "backend.listen",
        "backend.database.connection",
        "backend.reading.allow[].host",
        "callboard.reading.maxBytes",
        "callboard.stream.ringSize",
    ):
        assert f"### `{key}`" in page
