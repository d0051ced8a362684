"""What a code host tells of pushes, told over HTTP, with two engines; its files lie on the web host."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from callboard.model import json
from callboard.model.json import JsonObject
from tests import payloads
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

PAYMENTS, ORDERS = "component:default/payments", "component:default/orders"
WAIT = 60.0

_CONFIGURATION: JsonObject = {
    "events": {
        "modules": {
            system: {"webhookSecret": payloads.SECRET} for system in ("github", "gitlab", "bitbucketCloud", "gitea")
        }
    }
}


@pytest.fixture(scope="module")
def server_with_secrets(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the secrets of the code hosts."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, _CONFIGURATION) as server:
        yield server


@pytest.fixture
async def story(server_with_secrets: Server) -> AsyncIterator[Story]:
    """A story on that server."""
    async with stories.story(server_with_secrets) as story:
        yield story
        await story.clear()


@dataclass(frozen=True, slots=True)
class Host:
    """A code host: where it has the files of the branch `main`, and how it tells of a push there."""

    folder: str
    payload: Callable[..., dict[str, Any]]

    def file(self, name: str) -> str:
        """The name under which the web host has a file of the repository."""
        return f"org/repo/{self.folder}/main/{name}"


GITEA = Host("raw/branch", payloads.gitea)
NAMING: Mapping[str, Host] = {
    "github": Host("raw", payloads.github),
    "gitlab": Host("-/raw", payloads.gitlab),
    "gitea": GITEA,
}
"""Those that name the files of a push."""


async def tell(story: Story, system: str, payload: dict[str, Any], secret: str = payloads.SECRET) -> httpx2.Response:
    """Let a code host tell of a push."""
    body = json.encode(payload)
    headers = {"content-type": "application/json", **payloads.proofs(system, body, secret)}
    return await story.http.post(f"{story.server.url}/api/events/http/{system}", content=body, headers=headers)


@pytest.mark.parametrize("system", NAMING)
async def test_a_push_reads_again_what_it_has_touched_and_nothing_else(story: Story, system: str) -> None:
    host = NAMING[system]
    a, b = host.file("a.yaml"), host.file("b.yaml")
    touched = await story.register(story.host.put(a, component_yaml("payments")))
    await story.register(story.host.put(b, component_yaml("orders")))
    await story.until_visible(PAYMENTS, ORDERS)

    story.host.put(a, component_yaml("payments", owner="others"))
    push = host.payload(payloads.commit(modified=["a.yaml"]), url=story.host.url("org/repo"))
    answer = await tell(story, system, push)
    await story.catalog.location_status(touched.id, wait=WAIT)

    assert (answer.status_code, answer.json()["refreshed"]) == (202, 1)
    assert await story.owner(PAYMENTS) == "others"
    assert story.host.requests == {a: 2, b: 1}


async def test_where_a_push_names_no_files_all_of_its_branch_are_read_again(story: Story) -> None:
    names = ["org/repo/raw/main/a.yaml", "org/repo/raw/main/b.yaml", "org/repo/raw/other/c.yaml"]
    for name, entity in zip(names, ("payments", "orders", "billing"), strict=True):
        await story.register(story.host.put(name, component_yaml(entity)))
    await story.until_visible(PAYMENTS, ORDERS, "component:default/billing")

    answer = await tell(story, "bitbucketCloud", payloads.bitbucket("main", url=story.host.url("org/repo")))
    await story.quiet()

    assert answer.json()["refreshed"] == 2
    assert story.host.requests == dict(zip(names, (2, 2, 1), strict=True))


async def test_a_deleted_file_is_an_error_on_its_location_and_takes_nothing_away(story: Story) -> None:
    name = GITEA.file("a.yaml")
    location = await story.register(story.host.put(name, component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    story.host.remove(name)
    await tell(story, "gitea", payloads.gitea(payloads.commit(removed=["a.yaml"]), url=story.host.url("org/repo")))
    status = await story.catalog.location_status(location.id, wait=WAIT)

    [failure] = status.failures
    assert (failure.ref, failure.visible) == (location.entity_ref, True)
    assert "404" in failure.errors[0].message
    assert await story.refs() == {PAYMENTS}
    assert await story.orphans() == set()


async def test_a_location_follows_its_file_and_its_entity_stays_the_same(story: Story) -> None:
    old, new = GITEA.file("a.yaml"), GITEA.file("catalog/payments.yaml")
    location = await story.register(story.host.put(old, component_yaml("payments")))
    await story.until_visible(PAYMENTS)
    uid = await story.uid(PAYMENTS)

    story.host.remove(old)
    url = story.host.put(new, component_yaml("payments", owner="others"))
    renamed = payloads.commit(removed=["a.yaml"], added=["catalog/payments.yaml"])
    answer = await tell(story, "gitea", payloads.gitea(renamed, url=story.host.url("org/repo")))
    status = await story.catalog.location_status(location.id, wait=WAIT)

    assert answer.json()["moved"] == [{"from": location.target, "to": url}]
    assert (await story.catalog.get_location_by_id(location.id)).target == url
    assert (status.state, status.failed) == ("settled", 0)
    assert (await story.uid(PAYMENTS), await story.owner(PAYMENTS)) == (uid, "others")


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_what_nobody_has_signed_is_refused_and_reads_nothing(story: Story, secret: str) -> None:
    name = GITEA.file("a.yaml")
    await story.register(story.host.put(name, component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    push = payloads.gitea(payloads.commit(modified=["a.yaml"]), url=story.host.url("org/repo"))
    if secret:
        answer = await tell(story, "gitea", push, secret)
    else:
        answer = await story.http.post(
            f"{story.server.url}/api/events/http/gitea", json=push, headers={"x-gitea-event": "push"}
        )
    await story.quiet()

    assert answer.status_code == 403
    assert story.host.requests == {name: 1}


async def test_what_a_push_has_touched_says_so_when_it_is_asked_why_it_was_read(story: Story) -> None:
    name = GITEA.file("a.yaml")
    location = await story.register(story.host.put(name, component_yaml("payments")))
    await story.until_visible(PAYMENTS)

    push = payloads.gitea(payloads.commit(modified=["a.yaml"]), url=story.host.url("org/repo"))
    await tell(story, "gitea", push)
    await story.catalog.location_status(location.id, wait=WAIT)
    told = await story.catalog.explain_entity(str(location.entity_ref))

    assert told.processing.last is not None
    assert str(told.processing.last.because).startswith("webhook gitea")
