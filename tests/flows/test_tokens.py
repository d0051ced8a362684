"""Who may change the catalog, told over HTTP, with two engines."""

from pathlib import Path

import pytest

from callboard.errors import NotAllowed, Unauthenticated
from callboard.model.json import JsonObject
from tests.flows import stories
from tests.flows.started import started
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

CI, READER = "token-of-ci", "token-of-reader"
PAYMENTS = "component:default/payments"

WITH_TOKENS: JsonObject = {
    "backend": {
        "auth": {
            "externalAccess": [
                {"type": "static", "options": {"token": CI, "subject": "ci"}},
                {
                    "type": "static",
                    "options": {"token": READER, "subject": "reader"},
                    "accessRestrictions": [{"plugin": "catalog", "permission": "catalog.entity.read"}],
                },
            ]
        }
    }
}


async def test_only_who_may_do_it_takes_something_out_of_the_catalog(tmp_path: Path, database_url: str) -> None:
    with started(tmp_path, database_url, WITH_TOKENS) as server:
        async with stories.story(server, token=CI) as story:
            location = await story.register(story.host.put("a.yaml", component_yaml("payments")))
            await story.until_visible(PAYMENTS)

            async with story.told_by(None) as stranger:
                with pytest.raises(Unauthenticated):
                    await stranger.unregister(location)
            async with story.told_by(READER) as reader:
                with pytest.raises(NotAllowed):
                    await reader.unregister(location)
                assert await reader.refs() == {PAYMENTS}
            await story.unregister(location)

            assert await story.refs() == set()
