"""Plugins are found by the names that the configuration gives them, or it is said in one line why not."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard import app, plugins
from callboard import settings as configuration
from callboard.errors import InvalidConfiguration
from callboard.extend import Full
from callboard.settings import Settings
from tests.harness import Catalog, component, offered

Configure = Callable[[str], Settings]

CODE = """
from callboard.errors import InvalidEntity, InvalidInput
from callboard.extend import Full, IncrementalEntityProvider, Offered, Page, Plugin, Processor

class Source:
    def __init__(self, context):
        self.context = context
        self.name = context.options.get("name", "source")

    async def connect(self, connection):
        await connection.apply(Full([]))

class Large(IncrementalEntityProvider):
    name = "large"

    async def next(self, cursor):
        return Page([], done=True)

class Shout(Processor):
    name = "shout"

    async def pre_process(self, entity, run):
        entity["metadata"]["title"] = entity["metadata"]["name"].upper()
        return entity

class NoVerbs:
    name = "no-verbs"

    def enforce(self, entity):
        if entity["metadata"]["name"].endswith("ing"):
            raise InvalidEntity("a component is no verb")
        return entity

class Parts:
    policy = NoVerbs()

class Nameless:
    async def connect(self, connection):
        ...

class Pigeons:
    def __init__(self, context):
        self.type = context.options.get("type", "pigeon")
        self.options = context.options.get("options", ["loft"])

    def check(self, target):
        if "loft" not in target.options:
            raise InvalidInput("a pigeon needs a loft")

    def open(self, target):
        ...

class Attic:
    def __init__(self, context):
        self.type = context.options.get("type", "attic")

    async def read(self, target, *, version=None):
        ...

    async def expand(self, target):
        ...

    def resolve(self, base, relative):
        ...

    def contains(self, base, target):
        ...

notices = Plugin("notices")

@notices.on_event(filter="kind=api", start=0)
async def tell(event):
    ...

def misspelt(context):
    Plugin("notices").on_event(query={"$al": []})(tell)

shout = Shout()
number = 3

def everything(context):
    return [Source(context), Large(), Shout(), NoVerbs()]

def nothing_of_use(context):
    return [Shout(), 5]

def broken(context):
    return context.options["missing"]
"""


@pytest.fixture
def module() -> str:
    """What the code's module is called in this test: Python imports a module of one name once."""
    return f"plugin_{uuid.uuid4().hex}"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> Configure:
    """Settings with these `callboard.plugins`, where `mine` is the module with the code."""
    (tmp_path / f"{module}.py").write_text(CODE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def configure(written: str) -> Settings:
        file = Path("app-config.yaml")
        file.write_text(f"callboard:\n  plugins: [{written.replace('mine', module)}]\n", "utf-8")
        return Catalog.settings(configuration.read(configuration.load([file], {})))

    return configure


def names(parts: list[object]) -> list[str]:
    return [part.name for part in parts]  # type: ignore[attr-defined]


def test_what_a_function_makes_is_sorted_by_what_it_can_do(configured: Configure) -> None:
    found = plugins.load(configured("mine:everything"))

    assert [names([*parts]) for parts in (found.providers, found.incremental, found.processors, found.policies)] == [
        ["source"],
        ["large"],
        ["shout"],
        ["no-verbs"],
    ]


@pytest.mark.parametrize("name", ["mine:shout", "mine:Shout"], ids=["an-instance", "a-class-without-arguments"])
def test_a_processor_that_needs_no_settings_is_just_named(configured: Configure, name: str) -> None:
    assert names([*plugins.load(configured(name)).processors]) == ["shout"]


def test_an_object_may_be_inside_another_one(configured: Configure) -> None:
    assert names([*plugins.load(configured("mine:Parts.policy")).policies]) == ["no-verbs"]


def test_a_plugin_is_told_its_options_and_the_settings_of_providers_and_processors(configured: Configure) -> None:
    settings = configured("{use: 'mine:Source', options: {name: ci}}").overridden(
        {"catalog.providers": {"ci": {"schedule": "PT1H"}}, "catalog.processors": {"shout": {"loud": True}}}
    )

    (source,) = plugins.load(settings).providers

    context = source.context  # type: ignore[attr-defined]
    assert (source.name, context.options) == ("ci", {"name": "ci"})
    assert context.config.providers == {"ci": {"schedule": "PT1H"}}
    assert context.config.processors == {"shout": {"loud": True}}


def test_what_a_plugin_does_to_its_settings_reaches_nobody_else(configured: Configure) -> None:
    settings = configured("{use: 'mine:Source', options: {name: a}}, {use: 'mine:Source', options: {name: b}}")
    settings = settings.overridden({"catalog.providers": {"ci": {"hosts": []}}})

    first, second = plugins.load(settings).providers
    first.context.config.providers["ci"]["hosts"].append("x")  # type: ignore[attr-defined]

    assert second.context.config.providers == {"ci": {"hosts": []}}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            "nowhere.at_all:x",
            "expected a module nowhere.at_all that can be imported, got ModuleNotFoundError: No module",
        ),
        ("mine:everthing", "expected an object everthing in the module mine, found no everthing (did you mean everyth"),
        ("mine:Parts.processor", "expected an object Parts.processor in the module mine, found no processor"),
        (
            "mine:number",
            "expected mine:number to be a provider, an incremental provider, a processor, a policy, a reso",
        ),
        (
            "mine:nothing_of_use",
            "expected mine:nothing_of_use to make a provider, an incremental provider, a processor",
        ),
        (
            "mine:broken",
            "expected mine:broken to make a provider, an incremental provider, a processor, a policy, a re",
        ),
        ("mine:Nameless", "expected an object of type Nameless to have a text as its name, got None"),
        (
            "mine:misspelt",
            "expected mine:misspelt to make a provider, an incremental provider, a processor, a policy, a",
        ),
        ("{use: 'mine:Pigeons', options: {type: webhook}}", "expected a kind of sinks with a type of its own, and the"),
        ("{use: 'mine:Pigeons', options: {type: handler}}", "expected a kind of sinks with a type of its own, and the"),
        ("{use: 'mine:Pigeons', options: {type: kafka}}", "expected a kind of sinks with a type of its own, and there"),
        ("{use: 'mine:Pigeons', options: {options: loft}}", "expected an object of type Pigeons to have a list of te"),
        ("{use: 'mine:Source', options: {name: a/b}}", "expected the name of a provider to be of letters, digits, do"),
        ("{use: 'mine:Source', options: {name: config}}", "expected a provider with a name of its own, and there is"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_in_one_line(
    configured: Configure, module: str, written: str, problem: str
) -> None:
    settings = configured(written)

    with pytest.raises(InvalidConfiguration) as refusal:
        app.plugins_of(settings)

    told = str(refusal.value).replace(module, "mine")
    assert told.startswith(f"app-config.yaml:2: callboard.plugins[0]: {problem}")
    assert len(told.splitlines()) == 1


def test_a_plugin_with_handlers_and_a_kind_of_sinks_are_found(configured: Configure) -> None:
    found = plugins.load(configured("mine:notices, mine:Pigeons"))

    assert [(plugin.name, plugin.handlers[0].name) for plugin in found.reacting] == [("notices", "tell")]
    assert [kind.type for kind in found.sinks] == ["pigeon"]


def test_a_plugin_is_told_why_its_handler_can_not_be_used(configured: Configure) -> None:
    with pytest.raises(InvalidConfiguration, match=r"InvalidInput: .*\$al"):
        plugins.load(configured("mine:misspelt"))


def test_two_plugins_of_one_name_are_refused(configured: Configure) -> None:
    with pytest.raises(InvalidConfiguration, match=r"callboard\.plugins\[1\].*a plugin with a name of its own"):
        app.plugins_of(configured("mine:notices, mine:notices"))


def test_two_providers_of_one_name_are_refused(configured: Configure) -> None:
    settings = configured("mine:everything, {use: 'mine:Source', options: {name: large}}")

    with pytest.raises(InvalidConfiguration, match=r"callboard\.plugins\[1\].*another one called 'large'"):
        app.plugins_of(settings)


async def test_processors_and_policies_of_plugins_have_their_say_behind_the_built_in_ones(
    configured: Configure, catalog: Catalog
) -> None:
    settings = configured("mine:everything")
    running = Catalog(catalog.database, catalog.clock, catalog.host, settings, catalog.client)

    await running.provide("ci", Full(offered(component("till"), component("cooking"))))
    await running.settle()

    metadata = running.entity("component:default/till")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["title"] == "TILL"
    assert "a component is no verb" in (await running.failures())["component:default/cooking"]
    assert running.engine.pipeline.processors[-1].name == "shout"


def test_a_reader_of_a_type_that_is_there_already_is_refused(configured: Configure) -> None:
    assert [reader.type for reader in plugins.load(configured("mine:Attic")).readers] == ["attic"]

    with pytest.raises(InvalidConfiguration, match=r"a reader with a type of its own.* another one called 'url'"):
        app.plugins_of(configured("{use: 'mine:Attic', options: {type: url}}"))


def test_what_a_bundled_source_can_not_use_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "app-config.yaml"
    file.write_text("integrations:\n  github:\n    - host: github.com\n      token: [1]\n", "utf-8")
    wrong_token = configuration.read(configuration.load([file], {}))
    file.write_text("catalog:\n  providers:\n    github:\n      acme:\n        app: 7\n", "utf-8")
    no_host = configuration.read(configuration.load([file], {}))

    with pytest.raises(InvalidConfiguration) as token:
        app.plugins_of(wrong_token)
    with pytest.raises(InvalidConfiguration) as missing:
        app.plugins_of(no_host)

    assert str(token.value) == f"{file}:4: integrations.github[0].token: expected a text"
    assert str(missing.value).startswith(f"{file}:5: catalog.providers.github.acme.app: expected apps in the")
