"""The life of an entity, as stories."""

from callboard.extend import Delta, Full
from callboard.ingestion import refreshing
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_ORIGIN_LOCATION
from callboard.model.changes import ChangeType
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from tests.harness import Catalog, component, component_yaml, location_yaml, offered


def metadata_of(catalog: Catalog, ref: str) -> JsonObject:
    """The metadata of an entity as readers see it."""
    metadata = catalog.entity(ref)["metadata"]
    assert isinstance(metadata, dict)
    return metadata


async def test_a_registered_file_brings_its_entities_into_the_catalog(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))

    await catalog.register("https://host/a.yaml")
    await catalog.settle()

    assert catalog.refs() == ["component:default/payments"]
    assert catalog.entity("component:default/payments")["relations"] == [
        {"type": "ownedBy", "targetRef": "group:default/team"}
    ]


async def test_an_edited_file_changes_its_entity_and_only_that(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments") + "---\n" + component_yaml("orders"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    before = len(await catalog.history())

    catalog.host.put("https://host/a.yaml", component_yaml("payments", "x") + "---\n" + component_yaml("orders"))
    await catalog.refresh("component:default/payments")

    news = (await catalog.history())[before:]
    assert [(change.type, change.ref) for change in news] == [(ChangeType.UPDATED, "component:default/payments")]


async def test_a_broken_file_keeps_what_was_there_and_says_why(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()

    catalog.host.put("https://host/a.yaml", "kind: [")
    await catalog.refresh("component:default/payments")

    assert catalog.refs() == ["component:default/payments"]
    assert "YAML" in catalog.status(location.entity_ref)[0]


async def test_a_repaired_file_takes_the_error_away(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()
    catalog.host.down = True
    await catalog.refresh("component:default/payments")
    failing = catalog.status(location.entity_ref)

    catalog.host.down = False
    await catalog.refresh("component:default/payments")

    assert failing
    assert catalog.status(location.entity_ref) == []


async def test_unregistering_removes_the_whole_tree_at_once(catalog: Catalog) -> None:
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml", "./b.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    catalog.host.put("https://host/b.yaml", component_yaml("b"))
    location = await catalog.register("https://host/root.yaml")
    await catalog.settle()
    before = catalog.refs()

    await catalog.unregister(location)
    await catalog.look()

    assert before == ["component:default/a", "component:default/b", "location:default/root"]
    assert catalog.follower.view.count == 0


async def test_what_another_root_still_reaches_stays(catalog: Catalog) -> None:
    catalog.host.put("https://host/one.yaml", location_yaml("one", ["./shared.yaml"]))
    catalog.host.put("https://host/two.yaml", location_yaml("two", ["./shared.yaml"]))
    catalog.host.put("https://host/shared.yaml", component_yaml("shared"))
    one = await catalog.register("https://host/one.yaml")
    await catalog.register("https://host/two.yaml")
    await catalog.settle()
    uid = catalog.entity("component:default/shared")["metadata"]

    await catalog.unregister(one)
    await catalog.settle()

    assert catalog.refs() == ["component:default/shared", "location:default/two"]
    assert catalog.entity("component:default/shared")["metadata"] == uid


async def test_files_that_name_one_another_settle_though_both_are_registered(catalog: Catalog) -> None:
    catalog.host.put("https://host/one.yaml", location_yaml("one", ["./two.yaml"]))
    catalog.host.put("https://host/two.yaml", location_yaml("two", ["./one.yaml"]))
    await catalog.register("https://host/one.yaml")
    await catalog.register("https://host/two.yaml")

    rounds = [await catalog.process() for _ in range(20)]

    assert rounds[-1] == 0


async def test_files_that_name_one_another_come_from_the_root_that_is_left(catalog: Catalog) -> None:
    def origins() -> set[object]:
        annotations = [metadata_of(catalog, f"location:default/{name}")["annotations"] for name in ("one", "two")]
        return {each[MANAGED_BY_ORIGIN_LOCATION] for each in annotations if isinstance(each, dict)}

    catalog.host.put("https://host/one.yaml", location_yaml("one", ["./two.yaml"]))
    catalog.host.put("https://host/two.yaml", location_yaml("two", ["./one.yaml"]))
    one = await catalog.register("https://host/one.yaml")
    await catalog.register("https://host/two.yaml")
    await catalog.settle()

    await catalog.unregister(one)
    await catalog.settle()

    assert origins() == {"url:https://host/two.yaml"}


async def test_a_cycle_that_both_its_roots_have_dropped_settles(catalog: Catalog) -> None:
    for root, name in (("a", "one"), ("b", "two")):
        catalog.host.put(f"https://host/{root}.yaml", location_yaml(root, [f"./{name}.yaml"]))
    catalog.host.put("https://host/one.yaml", location_yaml("one", ["./two.yaml"]))
    catalog.host.put("https://host/two.yaml", location_yaml("two", ["./one.yaml"]))
    catalog.host.put("https://host/none.yaml", component_yaml("none"))
    await catalog.register("https://host/a.yaml")
    await catalog.register("https://host/b.yaml")
    await catalog.settle()

    for root in ("a", "b"):
        catalog.host.put(f"https://host/{root}.yaml", location_yaml(root, ["./none.yaml"]))
        await refreshing.refresh(catalog.database, EntityRef("location", "default", root))
    rounds = [await catalog.process() for _ in range(20)]

    assert rounds[-1] == 0


async def test_what_moves_below_another_root_comes_from_there(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", location_yaml("a", ["./middle.yaml"]))
    catalog.host.put("https://host/b.yaml", location_yaml("b", ["./middle.yaml"]))
    catalog.host.put("https://host/middle.yaml", location_yaml("middle", ["./leaf.yaml"]))
    catalog.host.put("https://host/leaf.yaml", component_yaml("leaf"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    await catalog.register("https://host/b.yaml")
    await catalog.settle()

    catalog.host.put("https://host/a.yaml", location_yaml("a", ["./other.yaml"]))
    catalog.host.put("https://host/other.yaml", component_yaml("other"))
    await catalog.refresh("location:a")

    annotations = metadata_of(catalog, "component:default/leaf")["annotations"]
    assert isinstance(annotations, dict)
    assert annotations[MANAGED_BY_ORIGIN_LOCATION] == "url:https://host/b.yaml"


async def test_an_entity_that_its_parent_drops_is_kept_as_an_orphan(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments") + "---\n" + component_yaml("orders"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()

    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    await catalog.refresh("component:default/payments")

    metadata = catalog.entity("component:default/orders")["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["backstage.io/orphan"] == "true"


async def test_an_orphan_that_comes_back_is_no_orphan_any_more(catalog: Catalog) -> None:
    both = component_yaml("payments") + "---\n" + component_yaml("orders")
    catalog.host.put("https://host/a.yaml", both)
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    before = catalog.entity("component:default/orders")
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    await catalog.refresh("component:default/payments")

    catalog.host.put("https://host/a.yaml", both)
    await catalog.refresh("component:default/payments")

    assert catalog.entity("component:default/orders") == before


async def test_a_full_mutation_without_an_entity_removes_it(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await catalog.settle()

    applied = await catalog.provide("ci", Full(offered(component("a"))))
    await catalog.look()

    assert applied.removed == 1
    assert catalog.refs() == ["component:default/a"]


async def test_a_delta_adds_and_removes_by_ref(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))

    await catalog.provide("ci", Delta(offered(component("c")), [EntityRef.parse("component:a")]))
    await catalog.settle()

    assert catalog.refs() == ["component:default/b", "component:default/c"]


async def test_the_same_full_mutation_again_writes_nothing(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    await catalog.settle()
    before = len(await catalog.history())

    applied = await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    processed = await catalog.process()

    assert (applied.changed, processed) == (0, 0)
    assert len(await catalog.history()) == before


async def test_one_malformed_entity_is_reported_and_takes_nothing_with_it(catalog: Catalog) -> None:
    await catalog.provide("ci", Full(offered(component("a"), component("b"))))
    broken = component("b")
    del broken["apiVersion"]

    applied = await catalog.provide("ci", Full(offered(component("a", type="website"), broken)))
    await catalog.settle()

    assert [rejected.entity for rejected in applied.rejected] == ["component:default/b"]
    assert catalog.refs() == ["component:default/a", "component:default/b"]


async def test_the_first_of_two_claims_wins_and_the_other_takes_over_when_it_goes(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("x", type="first"), key="one")))
    await catalog.provide("two", Full(offered(component("x", type="second"), key="two")))
    await catalog.settle()
    contested = catalog.entity("component:default/x")["spec"]

    await catalog.provide("one", Full([]))
    await catalog.settle()

    assert isinstance(contested, dict)
    assert contested["type"] == "first"
    inherited = catalog.entity("component:default/x")["spec"]
    assert isinstance(inherited, dict)
    assert inherited["type"] == "second"


async def test_a_claim_with_a_key_takes_the_entity_from_one_without(catalog: Catalog) -> None:
    await catalog.provide("one", Full(offered(component("x", type="keyless"))))
    await catalog.settle()

    await catalog.provide("two", Full(offered(component("x", type="keyed"), key="two")))
    await catalog.settle()

    spec = catalog.entity("component:default/x")["spec"]
    assert isinstance(spec, dict)
    assert spec["type"] == "keyed"


async def test_an_invalid_entity_is_invisible_and_says_why(catalog: Catalog) -> None:
    broken = component("a")
    broken["spec"] = {"type": "service"}

    await catalog.provide("ci", Full(offered(broken)))
    await catalog.settle()

    assert catalog.refs() == []
    assert "owner" in (await catalog.failures())["component:default/a"]


async def test_only_what_depends_on_the_outside_is_processed_again_on_the_interval(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    await catalog.register("https://host/a.yaml")
    await catalog.provide("ci", Full(offered(component("b"))))
    await catalog.settle()

    catalog.clock.advance(200)
    processed = await catalog.process()

    assert processed == 1
    assert catalog.host.requests["https://host/a.yaml"] == 2


async def test_an_entity_that_can_not_be_shown_is_related_all_the_same(catalog: Catalog) -> None:
    def related() -> list[str]:
        found = catalog.entity("component:default/cart")["relations"]
        assert isinstance(found, list)
        return [str(each["targetRef"]) for each in found if isinstance(each, dict) and each["type"] == "dependencyOf"]

    old = component("old", dependsOn=["component:cart"])
    await catalog.provide("p", Full(offered(component("cart"), old)))
    await catalog.settle()

    odd = [component(name, dependsOn=["component:cart"], port=1, Port=2) for name in ("old", "new")]
    await catalog.provide("p", Delta(added=offered(*odd)))
    await catalog.settle()

    assert related() == ["component:default/new", "component:default/old"]
    assert catalog.refs() == ["component:default/cart", "component:default/old"]
    assert "differs from the key" in catalog.status("component:default/old")[0]
    assert "differs from the key" in (await catalog.failures())["component:default/new"]

    await catalog.provide("p", Delta(added=offered(component("new"))))
    await catalog.settle()

    assert related() == ["component:default/old"]
    assert await catalog.failures() == {}


async def test_a_failure_shows_from_the_first_run_on_and_stays_at_its_line(catalog: Catalog) -> None:
    broken = component_yaml("broken").replace("  lifecycle: production\n", "")
    catalog.host.put("https://host/a.yaml", component_yaml("fine") + "---\n" + broken)
    await catalog.register("https://host/a.yaml")
    await catalog.process()
    await catalog.process()
    at_once = errors_in((await catalog.failures())["component:default/broken"])
    await catalog.settle()
    events, runs_with_errors = len(await catalog.history()), catalog.engine.worker.tally.errors

    catalog.host.put("https://host/a.yaml", "# Ours\n\n" + component_yaml("fine") + "---\n" + broken)
    await catalog.refresh("component:default/fine")
    moved = errors_in((await catalog.failures())["component:default/broken"])

    assert [(error["location"], error["line"], error["pointer"]) for error in at_once] == [
        ("url:https://host/a.yaml", 10, "/spec")
    ]
    assert [error["line"] for error in moved] == [12]
    assert len(await catalog.history()) == events
    assert catalog.engine.worker.tally.errors == runs_with_errors


async def test_a_status_says_where_it_is_wrong(catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()

    catalog.host.put("https://host/a.yaml", "kind: API\nmetadata: a: b")
    await catalog.refresh("component:default/a")

    status = catalog.entity(location.entity_ref)["status"]
    assert isinstance(status, dict)
    [item] = errors_in(json.encode(status["items"]))
    error = item["error"]
    assert isinstance(error, dict)
    assert (error["location"], error["line"]) == ("url:https://host/a.yaml", 2)


def errors_in(text: str | bytes) -> list[JsonObject]:
    """The errors in a JSON array."""
    errors = json.decode(text)
    assert isinstance(errors, list)
    return [error for error in errors if isinstance(error, dict)]
