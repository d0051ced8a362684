"""One final entity out of its parts."""

import json

from callboard.model.json import JsonObject, JsonValue
from callboard.stitching.assembly import assemble
from callboard.store.entities import ToStitch
from callboard.store.publication import FinalEntity
from tests.harness import component

_UID = "0d7a8f6e-5a5e-4f1e-8a3e-0b1c2d3e4f50"
_RELATIONS = [("ownedBy", "group:default/g"), ("partOf", "system:default/s")]


def parts(
    entity: JsonObject | None = None,
    *,
    errors: str | None = None,
    source: str | None = "provider:ci",
    location: str = "",
    because: str | None = '{"because":"changed"}',
    rivals: str | None = None,
    published: bytes | None = None,
    uid: str = _UID,
) -> ToStitch:
    processed = json.dumps(entity or component("a"))
    return ToStitch(
        ref="component:default/a",
        uid=uid,
        processed=processed,
        errors=errors,
        source=source,
        location_key=None if source is None else location,
        rivals=rivals,
        because=because,
        published_hash=published,
    )


def assembled(made_of: ToStitch, relations: list[tuple[str, str]] | None = None) -> FinalEntity:
    final = assemble(made_of, _RELATIONS if relations is None else relations)
    assert final is not None
    return final


def body_of(final: FinalEntity) -> dict[str, JsonValue]:
    body = json.loads(final.body)
    assert isinstance(body, dict)
    return body


def metadata_of(final: FinalEntity) -> dict[str, JsonValue]:
    metadata = body_of(final)["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def annotated(**annotations: str) -> JsonObject:
    entity = component("a")
    entity["metadata"] = {"name": "a", "annotations": {key.replace("_", "-"): url for key, url in annotations.items()}}
    return entity


def test_the_entity_has_its_uid_an_etag_and_its_relations() -> None:
    final = assembled(parts())

    assert metadata_of(final)["uid"] == _UID
    assert len(str(metadata_of(final)["etag"])) == 40
    assert body_of(final)["relations"] == [
        {"type": "ownedBy", "targetRef": "group:default/g"},
        {"type": "partOf", "targetRef": "system:default/s"},
    ]


def test_what_is_published_like_this_already_is_not_published_again() -> None:
    first = assembled(parts())

    assert assemble(parts(published=first.hash), _RELATIONS) is None


def test_everything_that_readers_see_makes_another_hash_and_etag() -> None:
    made = [
        assembled(parts()),
        assembled(parts(component("a", type="website"))),
        assembled(parts(), []),
        assembled(parts(errors='[{"name":"InputError","message":"no"}]')),
        assembled(parts(source=None)),
        assembled(parts(uid="00000000-0000-0000-0000-000000000000")),
    ]

    assert len({final.hash for final in made}) == len(made)
    assert len({str(metadata_of(final)["etag"]) for final in made}) == len(made)


def test_who_claims_an_entity_is_its_cause_and_no_part_of_it() -> None:
    one, other = assembled(parts(source="provider:one")), assembled(parts(source="provider:other"))

    assert one.hash == other.hash
    assert one.cause == '{"source":"provider:one","because":"changed"}'


def test_an_orphan_says_so_and_keeps_its_annotations() -> None:
    annotations = metadata_of(assembled(parts(source=None)))["annotations"]

    assert isinstance(annotations, dict)
    assert annotations["backstage.io/orphan"] == "true"
    assert "backstage.io/managed-by-location" in annotations


def test_an_orphan_without_annotations_gets_one() -> None:
    entity = component("a")
    entity["metadata"] = {"name": "a"}

    assert metadata_of(assembled(parts(entity, source=None)))["annotations"] == {"backstage.io/orphan": "true"}


def test_errors_become_the_status() -> None:
    error = {"name": "InputError", "message": "no owner", "cause": {"name": "Error", "message": "deep"}}

    status = body_of(assembled(parts(errors=json.dumps([error]))))["status"]

    assert status == {
        "items": [
            {
                "type": "backstage.io/catalog-processing",
                "level": "error",
                "message": "InputError: no owner",
                "error": error,
            }
        ]
    }


def test_a_link_that_a_browser_would_run_is_replaced() -> None:
    entity = annotated(**{"backstage.io/view-url": " JavaScript:alert(1)", "backstage.io/edit-url": "https://host/"})

    annotations = metadata_of(assembled(parts(entity)))["annotations"]

    assert annotations == {
        "backstage.io/view-url": "https://backstage.io/annotation-rejected-for-security-reasons",
        "backstage.io/edit-url": "https://host/",
    }


def test_an_etag_that_the_source_gives_is_kept() -> None:
    entity = component("a")
    entity["metadata"] = {"name": "a", "etag": "from the source"}

    assert metadata_of(assembled(parts(entity)))["etag"] == "from the source"


def test_metadata_comes_first_for_whoever_reads_it_by_eye() -> None:
    assert next(iter(body_of(assembled(parts())))) == "metadata"


def test_an_entity_that_others_offer_as_well_says_so_in_its_status_and_in_its_cause() -> None:
    final = assembled(parts(rivals='[{"source":"provider:two","locationKey":"k"}]'))

    assert body_of(final)["status"] == {
        "items": [
            {
                "type": "callboard/conflict",
                "level": "warning",
                "message": "Conflict: provider:two offers this entity as well; what provider:ci offers is shown",
            }
        ]
    }
    assert json.loads(final.cause or "") == {
        "source": "provider:ci",
        "because": "changed",
        "conflict": [{"source": "provider:two", "locationKey": "k"}],
    }


def test_errors_come_before_conflicts() -> None:
    final = assembled(parts(errors='[{"name":"E","message":"bad"}]', rivals='[{"source":"provider:two"}]'))

    status = body_of(final)["status"]
    assert isinstance(status, dict)
    assert isinstance(status["items"], list)
    assert [item["level"] for item in status["items"] if isinstance(item, dict)] == ["error", "warning"]
