"""Whose a provider is, told over HTTP with tokens, with two engines."""

from collections.abc import AsyncIterator, Iterator

import pytest

from callboard.errors import NotAllowed, RemovalRefused, Unauthenticated
from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.harness import plain

pytestmark = pytest.mark.slow

CI, OTHER, OPERATOR = "token-of-ci", "token-of-other", "token-of-operator"
PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
WAIT = 60.0

_WRITERS = ("catalog.entity.create", "catalog.entity.read", "catalog.ingestion.read")


def _static(token: str, subject: str, *permissions: str) -> JsonObject:
    restrictions: list[JsonObject] = [{"plugin": "catalog", "permission": [*permissions]}] if permissions else []
    options: JsonObject = {"token": token, "subject": subject}
    return {"type": "static", "options": options, **({"accessRestrictions": [*restrictions]} if restrictions else {})}


_CONFIGURATION: JsonObject = {
    "backend": {
        "auth": {
            "externalAccess": [
                _static(CI, "ci", *_WRITERS),
                _static(OTHER, "other", *_WRITERS),
                _static(OPERATOR, "operator"),
            ]
        }
    },
    "catalog": {"providerOptions": {"cmdb": {"maxRemovalPercent": 50}}},
}


@pytest.fixture(scope="module")
def server_with_tokens(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server to which two may write, and an operator may do everything."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, _CONFIGURATION) as server:
        yield server


@pytest.fixture
async def story(server_with_tokens: Server) -> AsyncIterator[Story]:
    """A story told by the operator, in which `ci` has written a provider."""
    async with stories.story(server_with_tokens, token=OPERATOR) as story:
        async with story.told_by(CI) as owner:
            await owner.catalog.push_entities("cmdb", [plain("payments"), plain("orders")], wait=WAIT)
        yield story
        await story.clear()


async def test_a_provider_belongs_to_the_token_that_wrote_it_first(story: Story) -> None:
    provider = await story.catalog.get_provider("cmdb")
    async with story.told_by(CI) as owner:
        pushed = await owner.catalog.push_delta("cmdb", [plain("payments", "others")], wait=WAIT)

    assert provider.owner is not None
    assert "ci" in provider.owner
    assert pushed.changed == 1
    assert await story.owner(PAYMENTS) == "others"


async def test_another_token_can_not_write_what_is_not_its_own(story: Story) -> None:
    before = await story.quiet()

    async with story.told_by(OTHER) as stranger:
        catalog = stranger.catalog
        for write in (
            catalog.push_entities("cmdb", []),
            catalog.push_entities("cmdb", [], dry_run=True),
            catalog.push_delta("cmdb", [], [PAYMENTS]),
            catalog.put_provider_entity("cmdb", plain("payments", "stranger")),
            catalog.delete_provider_entity("cmdb", PAYMENTS),
            catalog.forget_provider("cmdb"),
        ):
            with pytest.raises(NotAllowed, match="belongs to"):
                await write

    assert (await story.refs(), await story.quiet()) == ({PAYMENTS, ORDERS}, before)


async def test_whoever_has_no_token_can_not_write(story: Story) -> None:
    async with story.told_by(None) as nobody:
        with pytest.raises(Unauthenticated):
            await nobody.catalog.push_entities("theirs", [plain("billing")])

    assert [provider.name for provider in await story.catalog.get_providers() if provider.kind == "http"] == ["cmdb"]


async def test_an_operator_forgets_the_provider_of_somebody_else_and_its_name_is_free_then(story: Story) -> None:
    await story.catalog.forget_provider("cmdb")
    gone = await story.refs()
    async with story.told_by(OTHER) as successor:
        await successor.catalog.push_entities("cmdb", [plain("payments", "successor")], wait=WAIT)

    assert gone == set()
    assert await story.owner(PAYMENTS) == "successor"


async def test_an_operator_and_not_the_owner_lets_a_removal_through(story: Story) -> None:
    async with story.told_by(CI) as owner:
        with pytest.raises(RemovalRefused):
            await owner.catalog.push_entities("cmdb", [])
        with pytest.raises(NotAllowed):
            await owner.catalog.let_removal_through("cmdb")

        await story.catalog.let_removal_through("cmdb")
        await owner.catalog.push_entities("cmdb", [])

    assert await story.refs() == set()
