import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from callboard.access.key_sets import KeySet, KeySets
from callboard.access.tokens import Refused
from callboard.errors import Unavailable
from callboard.testing import FakeClock, FakeHost
from tests.access.issuing import OUTSIDE_KEYS, Issuer, outside


@pytest.fixture
def issuer(host: FakeHost) -> Issuer:
    return outside(host)


@pytest.fixture
async def key_set(issuer: Issuer, clock: FakeClock) -> AsyncIterator[KeySet]:
    async with httpx2.AsyncClient(transport=issuer.host.transport) as client:
        yield KeySets(client, clock).at(OUTSIDE_KEYS)


async def found(key_set: KeySet, key_id: str | None) -> list[str | None]:
    return [key.kid for key in await key_set.find(key_id)]


async def test_keys_are_read_once(key_set: KeySet, issuer: Issuer) -> None:
    for _ in range(3):
        assert await found(key_set, "outside") == ["outside"]

    assert issuer.host.requests[OUTSIDE_KEYS] == 1


async def test_callers_who_come_together_cause_one_reading(key_set: KeySet, issuer: Issuer) -> None:
    results = await asyncio.gather(*(found(key_set, "outside") for _ in range(50)))

    assert results == [["outside"]] * 50
    assert issuer.host.requests[OUTSIDE_KEYS] == 1


async def test_a_new_key_is_found_when_a_token_names_it(key_set: KeySet, issuer: Issuer, clock: FakeClock) -> None:
    await key_set.find("outside")
    issuer.rotate("second")
    clock.advance(5)

    assert await found(key_set, "second") == ["second"]


async def test_made_up_keys_cause_one_reading_every_few_seconds(
    key_set: KeySet, issuer: Issuer, clock: FakeClock
) -> None:
    await key_set.find("outside")

    for _ in range(10):
        clock.advance(1)
        for number in range(10):
            with pytest.raises(Refused, match="has no key"):
                await key_set.find(f"made-up-{number}")

    assert issuer.host.requests[OUTSIDE_KEYS] == 3


async def test_a_key_that_its_issuer_has_taken_back_is_forgotten(
    key_set: KeySet, issuer: Issuer, clock: FakeClock
) -> None:
    await key_set.find("outside")
    issuer.rotate("second")
    clock.advance(600)

    with pytest.raises(Refused):
        await key_set.find("outside")


async def test_keys_are_kept_while_their_issuer_is_away(key_set: KeySet, issuer: Issuer, clock: FakeClock) -> None:
    await key_set.find("outside")
    issuer.host.down = True
    clock.advance(601)

    for _ in range(10):
        clock.advance(1)
        assert await found(key_set, "outside") == ["outside"]

    assert issuer.host.requests[OUTSIDE_KEYS] == 2


async def test_a_key_that_only_an_absent_issuer_could_know_is_a_matter_of_waiting(
    key_set: KeySet, issuer: Issuer, clock: FakeClock
) -> None:
    await key_set.find("outside")
    issuer.host.down = True
    clock.advance(5)
    with pytest.raises(Unavailable):
        await key_set.find("second")

    issuer.host.down = False
    issuer.rotate("second")
    clock.advance(5)

    assert await found(key_set, "second") == ["second"]


@pytest.mark.parametrize("content", ["", "<html>", "[]", "{}", '{"keys": 7}', '{"keys": {}}', "\xff"])
async def test_an_answer_that_is_no_key_set_counts_as_none(key_set: KeySet, issuer: Issuer, content: str) -> None:
    issuer.host.put(OUTSIDE_KEYS, content)

    with pytest.raises(Unavailable):
        await key_set.find("outside")


async def test_where_nothing_is_published_nobody_signs(key_set: KeySet, issuer: Issuer) -> None:
    issuer.host.remove(OUTSIDE_KEYS)

    with pytest.raises(Refused):
        await key_set.find("outside")


async def test_keys_that_can_not_be_used_are_passed_over(key_set: KeySet, issuer: Issuer) -> None:
    usable = issuer.host.files[OUTSIDE_KEYS].decode()[len('{"keys":[') : -2]
    unusable = [
        "7",
        "{}",
        '{"kty": "oct", "k": "c2VjcmV0", "kid": "outside"}',
        '{"kty": "AKP", "alg": "ML-DSA-44", "kid": "outside"}',
        '{"kty": "EC", "kid": "outside"}',
        '{"kty": "EC", "crv": "P-257", "x": "AA", "y": "AA", "kid": "outside"}',
        '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "outside"}',
        '{"kty": "RSA", "n": 7, "e": "AQAB", "kid": "outside"}',
        '{"kty": "RSA", "n": "", "e": "", "kid": "outside"}',
        '{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "outside"}',
        usable.replace('"sig"', '"enc"'),
        usable.replace('"outside"', "7"),
    ]
    issuer.host.put(OUTSIDE_KEYS, f'{{"keys": [{", ".join([*unusable, usable])}]}}')

    assert await found(key_set, None) == ["outside"]


async def test_a_caller_who_hangs_up_does_not_take_the_others_along(clock: FakeClock, issuer: Issuer) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: httpx2.Request) -> httpx2.Response:
        asked.set()
        await answer.wait()
        return httpx2.Response(200, content=issuer.host.files[OUTSIDE_KEYS])

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(slow)) as client:
        key_set = KeySets(client, clock).at(OUTSIDE_KEYS)
        first = asyncio.create_task(found(key_set, "outside"))
        second = asyncio.create_task(found(key_set, "outside"))
        await asked.wait()

        first.cancel()
        answer.set()

        assert await second == ["outside"]
