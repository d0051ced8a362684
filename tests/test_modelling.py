"""The model of an installation, from its configuration to what is in the catalog."""

from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from callboard import modelling
from callboard import settings as configuration
from callboard.cli.validate import command
from callboard.errors import InvalidConfiguration
from callboard.extend import Full
from callboard.model.json import JsonObject
from callboard.settings import Settings
from callboard.store.database import Database
from callboard.testing import FakeClock, FakeHost
from tests.api.conftest import app_of, client_of
from tests.harness import Catalog, component, offered

ROBOT = """\
kind: Robot
apiVersions: [acme.example/v1]
relations:
  - {field: owner, defaultKind: Group, relation: ownedBy, inverse: ownerOf}
schema:
  required: [spec]
  properties:
    spec: {type: object, required: [owner]}
"""


def read(folder: Path, text: str) -> Settings:
    file = folder / "app-config.yaml"
    file.write_text(text, "utf-8")
    return configuration.read(configuration.load([file], {}))


def robot(name: str, **spec: str) -> JsonObject:
    return {**component(name), "apiVersion": "acme.example/v1", "kind": "Robot", "spec": {**spec}}


@pytest.fixture
def described(tmp_path: Path, settings: Settings) -> Settings:
    """An installation that knows robots from a file beside its configuration."""
    (tmp_path / "robots.yaml").write_text(ROBOT, "utf-8")
    model = read(tmp_path, "callboard: {model: {files: ['./*bots.yaml']}}").callboard.model
    return settings.overridden({"callboard.model": model})


async def test_a_kind_from_a_file_is_in_the_catalog_with_its_relations(
    database: Database, clock: FakeClock, host: FakeHost, described: Settings
) -> None:
    async with httpx2.AsyncClient(transport=host.transport) as client:
        catalog = Catalog(database, clock, host, described, client)
        await catalog.provide("p", Full(offered(robot("r2", owner="smiths"), robot("c3"))))

        await catalog.settle()

    assert catalog.refs() == ["robot:default/r2"]
    assert catalog.entity("robot:default/r2")["relations"] == [{"type": "ownedBy", "targetRef": "group:default/smiths"}]


async def test_the_model_is_described_to_clients(catalog: Catalog, described: Settings) -> None:
    await catalog.look()
    async with client_of(app_of(catalog, settings=described)) as client:
        answer = (await client.get("/api/catalog/model")).json()

    kinds = {each["kind"]: each for each in answer["kinds"]}
    assert kinds["Robot"]["apiVersions"] == ["acme.example/v1"]
    assert kinds["Robot"]["relations"][0]["inverse"] == "ownerOf"
    assert kinds["Component"]["schemas"][0]["properties"]["spec"]["required"] == ["type", "lifecycle", "owner"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{files: [./nothing.yaml]}", "nothing.yaml does not exist"),
        ("{packs: [cars]}", "there is no pack of kinds 'cars'"),
        ("{kinds: [{kind: Robot}]}", "callboard.model.kinds[0]: the kind Robot has no apiVersions"),
        ("{formats: {colour: {pattern: a, expected: b}}}", "there is no format of 'colour'"),
    ],
)
def test_a_model_that_can_not_be_made_is_told_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    settings = read(tmp_path, f"callboard: {{model: {text}}}")

    with pytest.raises(InvalidConfiguration) as caught:
        modelling.check(settings)

    assert said in str(caught.value)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "robots.yaml").write_text("kind: [", "utf-8")
    settings = read(tmp_path, "callboard: {model: {files: [./robots.yaml]}}")

    with pytest.raises(InvalidConfiguration, match=r"robots\.yaml can't be read as YAML"):
        modelling.check(settings)


def test_a_pattern_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="a regular expression; this is none"):
        read(tmp_path, "callboard: {model: {formats: {tag: {pattern: '[', expected: letters}}}}")


def test_a_format_of_ones_own_takes_the_place_of_the_usual_one(tmp_path: Path) -> None:
    settings = read(tmp_path, "callboard: {model: {formats: {tag: {pattern: '[A-Z]+', expected: capitals}}}}")

    formats = modelling.formats_of(settings)

    assert formats.tag.matches("LOUD")
    assert not formats.tag.matches("quiet")
    assert formats.tag.expected == "capitals"


def test_validate_knows_the_kinds_of_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "robots.yaml").write_text(ROBOT, "utf-8")
    read(tmp_path, "callboard: {model: {files: [./robots.yaml]}}")
    entity = tmp_path / "r2.yaml"
    entity.write_text("apiVersion: acme.example/v1\nkind: Robot\nmetadata: {name: r2}\nspec: {owner: a}\n", "utf-8")

    without = CliRunner().invoke(command, [str(entity)])
    with_it = CliRunner().invoke(command, ["--config", str(tmp_path / "app-config.yaml"), str(entity)])

    assert without.exit_code == 1
    assert "no kind 'Robot' is known" in without.output
    assert with_it.exit_code == 0, with_it.output
