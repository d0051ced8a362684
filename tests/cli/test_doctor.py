"""`callboard doctor` finds each kind of damage, says how to put it right, and puts it right where it can."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from callboard.cli.doctor import Finding, Patient, Verdict, examine
from callboard.extend import Delta, Full
from callboard.model.refs import EntityRef
from callboard.store import soundness
from callboard.store.database import Database
from tests.audit import audit
from tests.cli.conftest import Run, Server
from tests.harness import Catalog, component, offered

A, B = "component:default/a", "component:default/b"

REPAIRABLE = {
    "claims_of_nothing": f"delete from entities where ref = '{A}'",
    "claims_by_nobody": (
        "insert into claims (source, target_ref, location_key, content, content_hash, changed)"
        f" select 'entity:location:default/gone', target_ref, 'url:https://gone', content, content_hash, 0 from claims"
        f" where target_ref = '{A}'"
    ),
    "winners_without_claim": f"update entities set location_key = 'url:https://elsewhere' where ref = '{A}'",
    "claimed_without_winner": f"update entities set source = null, location_key = null where ref = '{A}'",
    "due_and_not_there": (
        "insert into schedule (ref, priority, due_at, ticket) values ('component:default/gone', 1, now(), 1)"
    ),
    "relations_by_nobody": (
        f"insert into relations values ('component:default/gone', '{A}', 'dependsOn', 'component:default/gone')"
    ),
    "keys_of_nobody": "insert into refresh_keys values ('component:default/gone', 'file:gone')",
    "never_processed": (
        f"update entities set processed = null, result_hash = null where ref = '{B}';"
        f" delete from schedule where ref = '{B}'"
    ),
    "beyond_the_head": "update stream set head = head - 1",
    "missing_partitions": "select extend_history(65537, 65536); drop table history_65537",
    "visible_and_not_there": f"delete from claims where target_ref = '{A}'; delete from entities where ref = '{A}'",
}

BEYOND_REPAIR = {
    "half_tombstones": f"update final_entities set removed_at = now() where ref = '{A}'",
    "missing_offsets": """delete from history where "offset" = 1""",
    "without_event": (
        "update stream set history_floor = head;"
        f""" delete from history where "offset" = (select last_offset from final_entities where ref = '{A}')"""
    ),
    "other_than_told": f"update final_entities set body = replace(body, 'team', 'others') where ref = '{A}'",
}


@pytest.fixture
async def filled(catalog: Catalog) -> Catalog:
    """A catalog with two components, one of which depends on the other."""
    await catalog.provide("ci", Full(offered(component("a"), component("b", dependsOn=["component:a"]))))
    await catalog.settle()
    return catalog


async def damage(database: Database, statements: str) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(statements)


async def examined(database: Database, *, repair: bool = False) -> list[Finding]:
    return [finding async for finding in examine(database, Patient({}, repair=repair))]


def verdicts(findings: Sequence[Finding]) -> dict[str, Verdict]:
    """Of all checks that are not in order."""
    return {finding.check: finding.verdict for finding in findings if finding.verdict is not Verdict.OK}


async def test_a_sound_database_has_nothing_wrong(filled: Catalog) -> None:
    found = verdicts(await examined(filled.database))

    # The tests' PostgreSQL is fast and forgets everything when the machine fails.
    assert found == {"database": Verdict.WARNING}


@pytest.mark.parametrize("check", REPAIRABLE)
async def test_damage_is_told_and_put_right_when_asked_for(filled: Catalog, check: str) -> None:
    await damage(filled.database, REPAIRABLE[check])

    told = verdicts(await examined(filled.database))
    again = verdicts(await examined(filled.database))
    repaired = verdicts(await examined(filled.database, repair=True))
    await filled.settle()
    afterwards = verdicts(await examined(filled.database))

    assert told[check] is Verdict.ERROR
    assert again == told
    assert repaired[check] is Verdict.REPAIRED
    assert Verdict.ERROR not in afterwards.values()
    await audit(filled.database.url)


async def test_relations_that_nobody_emits_leave_those_who_show_them(filled: Catalog) -> None:
    planted = f"insert into relations values ('component:default/gone', '{A}', 'partOf', 'component:default/gone');"
    await damage(
        filled.database, f"{planted} insert into stitch_queue (ref, due_at, ticket) values ('{A}', 'epoch', 1)"
    )
    await filled.stitch()
    await filled.look()
    shown = filled.entity(A)["relations"]

    repaired = verdicts(await examined(filled.database, repair=True))
    await filled.settle()

    assert repaired["relations_by_nobody"] is Verdict.REPAIRED
    assert {"type": "partOf", "targetRef": "component:default/gone"} in cast("list[object]", shown)
    assert "gone" not in str(filled.entity(A)["relations"])


async def test_the_next_change_after_a_repaired_counter_is_published(filled: Catalog) -> None:
    await damage(filled.database, "update stream set head = 0")
    await examined(filled.database, repair=True)

    await filled.provide("ci", Delta(offered(component("c"))))
    await filled.settle()

    assert "component:default/c" in filled.refs()


async def test_the_next_change_is_published_when_its_part_of_the_history_was_gone(filled: Catalog) -> None:
    await damage(
        filled.database, "update stream set head = 65536, history_floor = 65536; select extend_history(65537, 65536)"
    )
    await damage(filled.database, "drop table history_65537; delete from history_partitions where starts_at = 65537")

    repaired = verdicts(await examined(filled.database, repair=True))
    await filled.provide("ci", Delta(offered(component("c"))))
    await filled.settle()

    assert repaired["missing_partitions"] is Verdict.REPAIRED
    assert "component:default/c" in filled.refs()


async def test_a_part_of_the_history_that_is_only_detached_is_left_to_a_hand(filled: Catalog) -> None:
    await damage(filled.database, "alter table history detach partition history_1")

    told = verdicts(await examined(filled.database, repair=True))
    await damage(filled.database, "alter table history attach partition history_1 for values from (1) to (65537)")

    assert told["missing_partitions"] is Verdict.ERROR
    assert verdicts(await examined(filled.database)) == {"database": Verdict.WARNING}


async def test_what_was_removed_after_a_server_has_answered_is_not_held_against_it(filled: Catalog) -> None:
    shown = filled.entity(B)["metadata"]
    assert isinstance(shown, dict)
    async with filled.database.transaction() as tx:
        _, before = await soundness.visible(tx)
    await filled.provide("ci", Delta(removed=[EntityRef.parse(B)]))
    await filled.settle()

    async with filled.database.transaction() as tx:
        _, after = await soundness.visible(tx)
        at_the_time = await soundness.wrong_etags(tx, {B: str(shown["etag"])}, before)
        afterwards = await soundness.wrong_etags(tx, {B: str(shown["etag"])}, after)

    assert (at_the_time, afterwards) == ([], [B])


async def test_leases_of_engines_that_are_gone_are_a_warning_and_let_go(filled: Catalog) -> None:
    await damage(
        filled.database,
        "insert into stitch_queue (ref, due_at, ticket, lease, leased_until)"
        f" values ('{B}', now(), 1, 1, now() - interval '1 hour');"
        f" update schedule set lease = 1, leased_until = now() - interval '1 hour' where ref = '{A}'",
    )

    told = verdicts(await examined(filled.database))
    repaired = verdicts(await examined(filled.database, repair=True))

    assert told["expired_leases"] is Verdict.WARNING
    assert repaired["expired_leases"] is Verdict.REPAIRED
    assert "expired_leases" not in verdicts(await examined(filled.database))


async def test_etags_are_compared_also_where_a_text_has_a_nul(filled: Catalog) -> None:
    odd = component("odd")
    metadata = odd["metadata"]
    assert isinstance(metadata, dict)
    metadata["description"] = "a\0b"
    await filled.provide("ci", Delta(offered(odd)))
    await filled.settle()
    shown = filled.entity("component:default/odd")["metadata"]
    assert isinstance(shown, dict)

    async with filled.database.transaction() as tx:
        right = await soundness.wrong_etags(tx, {"component:default/odd": str(shown["etag"])}, 9)
        wrong = await soundness.wrong_etags(tx, {"component:default/odd": "another"}, 9)

    assert (right, wrong) == ([], ["component:default/odd"])


async def test_what_was_never_stitched_becomes_visible(filled: Catalog) -> None:
    await filled.provide("ci", Delta(offered(component("c"))))
    await filled.process()
    await damage(filled.database, "delete from stitch_queue")

    repaired = verdicts(await examined(filled.database, repair=True))
    await filled.settle()

    assert repaired["never_stitched"] is Verdict.REPAIRED
    assert "component:default/c" in filled.refs()


@pytest.mark.parametrize("check", BEYOND_REPAIR)
async def test_what_nobody_can_know_is_told_and_left_as_it_is(filled: Catalog, check: str) -> None:
    await damage(filled.database, BEYOND_REPAIR[check])

    told = await examined(filled.database, repair=True)

    assert verdicts(told)[check] is Verdict.ERROR
    assert all(finding.advice for finding in told if finding.check == check)
    assert verdicts(await examined(filled.database))[check] is Verdict.ERROR


async def test_what_nobody_works_on_is_a_warning(filled: Catalog) -> None:
    await filled.provide("ci", Delta(offered(component("c"))))
    filled.clock.advance(3600)

    (finding,) = [each for each in await examined(filled.database) if each.check == "waiting_for_engines"]

    assert (finding.verdict, finding.found.startswith("1 entities that have been due")) == (Verdict.WARNING, True)


@pytest.mark.slow
def test_a_running_server_is_compared_with_its_tables(callboard: Run, server: Server) -> None:
    flags = ("--data-dir", server.data_dir)

    sound = callboard("doctor", *flags, "--ask", server.url, "--json")

    findings = {each["check"]: each for each in json.loads(sound.stdout)}
    assert sound.returncode == 0, sound.stdout
    assert findings["view"]["verdict"] == "ok"
    assert findings["view"]["found"].startswith("shows ")


@pytest.mark.slow
def test_a_database_that_is_away_is_an_error(callboard: Run, tmp_path: Path) -> None:
    config = tmp_path / "app-config.yaml"
    config.write_text("backend:\n  database:\n    client: pg\n    connection: postgresql://x@127.0.0.1:1/x\n")

    ended = callboard("doctor", "--config", config)

    assert ended.returncode == 1
    assert "error     database" in ended.stdout
    assert "can't be reached" in ended.stdout
