"""A generated catalog: as many entities as wanted, mixed, sized and connected like those of a real company.

The same count and seed give the same catalog, to the byte; an entity depends on its own number only, not on the order.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue

KINDS = ("Component", "API", "Resource", "System", "Domain", "Group", "User")
LOCATION = "url:https://git.example.com/acme/catalog/blob/main/all.yaml"

_PERCENT = {"API": 12, "Resource": 12, "System": 6, "Domain": 1, "Group": 4, "User": 10}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NOUNS = _words(
    "account basket billing booking catalog checkout claim contract coupon courier delivery discount dispatch document"
    " event feed forecast freight gateway identity import invoice label ledger loyalty mail market media order parcel"
    " payment picture planning price profile quote rating receipt refund report return review route search session"
    " shelf shipment stock supplier tariff tax ticket token tracking transfer voucher wallet warehouse"
)
_ROLES = _words("api backend batch client console daemon exporter frontend gateway indexer library service sync worker")
_VERBS = _words(
    "checks collects computes delivers explains keeps joins lists prints prices publishes reads sends sorts"
)
_LANGUAGES = _words(
    "c cpp csharp elixir go groovy haskell java javascript kotlin perl php python ruby rust scala swift"
)
_TOPICS = ("batch", "core", "data", "edge", "eu", "web")
TAGS = (*_LANGUAGES, *(f"{noun}-{topic}" for noun in _NOUNS for topic in _TOPICS))[:400]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many entities of each kind there are; what they point at is drawn from these numbers."""

    counts: dict[str, int]
    seed: int

    @classmethod
    def of(cls, count: int, seed: int) -> "Plan":
        """The usual mix of *count* entities; what remains after the other kinds are Components."""
        counts = {kind: count * percent // 100 for kind, percent in _PERCENT.items()}
        return cls({"Component": count - sum(counts.values()), **counts}, seed)

    def pick(self, chance: random.Random, kind: str, least: int = 0, most: int = 1) -> list[str]:
        """The names of some entities of *kind*, each once."""
        existing = self.counts[kind]
        wanted = min(chance.randint(least, most), existing)
        return [name_of(kind, index) for index in sorted(chance.sample(range(existing), wanted))]


def name_of(kind: str, index: int) -> str:
    """The name of the entity of *kind* with this number."""
    noun, other = _NOUNS[index % len(_NOUNS)], _NOUNS[index * 7 // len(_NOUNS) % len(_NOUNS)]
    match kind:
        case "Component":
            return f"{noun}-{other}-{_ROLES[index % len(_ROLES)]}-{index}"
        case "User":
            return f"{noun}.{other}.{index}"
        case _:
            return f"{noun}-{other}-{index}"


def entities(count: int, seed: int = 1, *, managed: bool = True) -> Iterator[JsonObject]:
    """The catalog in a random order; *managed* adds the annotations that a provider has to set."""
    plan = Plan.of(count, seed)
    numbers = [(kind, index) for kind in KINDS for index in range(plan.counts[kind])]
    random.Random(seed).shuffle(numbers)
    for kind, index in numbers:
        entity = _entity(plan, kind, index)
        if managed:
            _annotations(entity).update({MANAGED_BY_LOCATION: LOCATION, MANAGED_BY_ORIGIN_LOCATION: LOCATION})
        yield entity


def revised(entity: JsonObject, revision: int) -> JsonObject:
    """The same entity after somebody has edited it; its relations are what they were."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return {**entity, "metadata": {**metadata, "description": f"Revision {revision}. {metadata['description']}"}}


def write_files(count: int, folder: Path, *, per_file: int = 50, seed: int = 1) -> str:
    """Write the catalog as YAML files into *folder*; returns the glob that finds them."""
    found = entities(count, seed, managed=False)
    for number, members in enumerate(iter(lambda: list(itertools.islice(found, per_file)), [])):
        write_file(folder, number, members)
    return str(folder / "*" / "*.yaml")


def write_file(folder: Path, number: int, members: list[JsonObject]) -> None:
    """Write the file of this number; a thousand of them share a folder."""
    path = folder / f"{number // 1000:03}" / f"{number:06}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump_all(members, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")


def _annotations(entity: JsonObject) -> JsonObject:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    return annotations


def _entity(plan: Plan, kind: str, index: int) -> JsonObject:
    chance = random.Random(f"{plan.seed} {kind} {index}")
    name = name_of(kind, index)
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": _metadata(chance, name),
        "spec": _SPECS[kind](plan, chance, index),
    }


def _metadata(chance: random.Random, name: str) -> JsonObject:
    annotations: JsonObject = {
        "git.example.com/project-slug": f"acme/{name}",
        "backstage.io/techdocs-ref": "dir:.",
        "backstage.io/source-location": f"url:https://git.example.com/acme/{name}/tree/main/",
        "pager.example.com/integration-key": f"{chance.getrandbits(128):032x}",
    }
    labels: JsonObject = {
        "example.com/tier": chance.choice(("gold", "silver", "bronze")),
        "example.com/cost-centre": f"cc-{chance.randint(100, 180)}",
        "example.com/language": chance.choice(_LANGUAGES),
    }
    links: list[JsonValue] = [
        {"url": f"https://{word}.example.com/{name}", "title": word.capitalize(), "icon": word}
        for word in chance.sample(("dashboard", "runbook", "docs", "chat"), chance.randint(0, 2))
    ]
    return {
        "name": name,
        "description": _sentences(chance, 2),
        "labels": labels,
        "annotations": annotations,
        "tags": list(chance.sample(TAGS, chance.randint(1, 6))),
        "links": links,
    }


def _sentences(chance: random.Random, count: int) -> str:
    return " ".join(
        f"It {chance.choice(_VERBS)} every {chance.choice(_NOUNS)} and {chance.choice(_VERBS)} the"
        f" {chance.choice(_NOUNS)} of the {chance.choice(_NOUNS)}."
        for _ in range(count)
    )


def _owner(plan: Plan, chance: random.Random) -> str:
    # Half of everything belongs to a tenth of the teams.
    teams = plan.counts["Group"]
    few = max(1, teams // 10)
    index = chance.randrange(few) if chance.random() < 0.5 else chance.randrange(max(1, teams))
    return name_of("Group", index)


def _system(plan: Plan, chance: random.Random) -> JsonObject:
    return {"system": name} if (name := next(iter(plan.pick(chance, "System", 0, 1)), None)) else {}


def _component(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    depends_on = [f"component:{name}" for name in plan.pick(chance, "Component", 0, 2)]
    depends_on += [f"resource:{name}" for name in plan.pick(chance, "Resource", 0, 2)]
    return {
        "type": chance.choice(("service", "website", "library")),
        "lifecycle": chance.choice(("production", "production", "experimental", "deprecated")),
        "owner": _owner(plan, chance),
        **_system(plan, chance),
        "providesApis": list(plan.pick(chance, "API", 0, 1)),
        "consumesApis": list(plan.pick(chance, "API", 0, 2)),
        "dependsOn": list(depends_on),
    }


def _api(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    return {
        "type": "openapi",
        "lifecycle": "production",
        "owner": _owner(plan, chance),
        **_system(plan, chance),
        "definition": _definition(chance, name_of("API", index)),
    }


def _definition(chance: random.Random, name: str) -> str:
    paths = "".join(
        f"  /{chance.choice(_NOUNS)}/{{id}}:\n    get:\n      summary: {_sentences(chance, 1)}\n"
        f'      responses:\n        "200":\n          description: The {chance.choice(_NOUNS)}.\n'
        for _ in range(5)
    )
    return f'openapi: "3.1.0"\ninfo:\n  title: {name}\n  version: 1.{chance.randint(0, 40)}.0\npaths:\n{paths}'


def _resource(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    return {
        "type": chance.choice(("database", "bucket", "queue", "cluster")),
        "owner": _owner(plan, chance),
        **_system(plan, chance),
        "dependsOn": [f"resource:{name}" for name in plan.pick(chance, "Resource", 0, 1)],
    }


def _system_spec(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    domain: JsonObject = {"domain": name_of("Domain", index % plan.counts["Domain"])} if plan.counts["Domain"] else {}
    return {"owner": _owner(plan, chance), **domain}


def _domain(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    return {"owner": _owner(plan, chance)}


def _group(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    # A tree in which everybody has up to five children: those of n are 5n + 1 to 5n + 5.
    last = plan.counts["Group"]
    children: list[JsonValue] = [name_of("Group", child) for child in range(5 * index + 1, min(5 * index + 6, last))]
    parent: JsonObject = {"parent": name_of("Group", (index - 1) // 5)} if index else {}
    return {"type": "team" if not children else "department", **parent, "children": children}


def _user(plan: Plan, chance: random.Random, index: int) -> JsonObject:
    name = name_of("User", index)
    return {
        "profile": {
            "displayName": name.replace(".", " ").title(),
            "email": f"{name}@example.com",
            "picture": f"https://people.example.com/{name}.png",
        },
        "memberOf": list(plan.pick(chance, "Group", 1, 2)),
    }


_SPECS: dict[str, Callable[[Plan, random.Random, int], JsonObject]] = {
    "Component": _component,
    "API": _api,
    "Resource": _resource,
    "System": _system_spec,
    "Domain": _domain,
    "Group": _group,
    "User": _user,
}
