"""`callboard providers`: the sources of entities, and what an operator can do about one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from callboard.cli import options
from callboard.cli.tables import aligned, moment
from callboard.model import json
from callboard.model.json import JsonObject

if TYPE_CHECKING:
    from callboard.client import CatalogClient, Ingestion, Mutation, Provider, Refusal

_HEADINGS = ("NAME", "KIND", "ENTITIES", "OWNER", "LAST MUTATION", "REFUSED")
_NUMBERS = frozenset(("ENTITIES",))


@click.command(
    epilog="""\b
Example:
  callboard providers
  callboard providers cmdb
  callboard providers cmdb --let-through
  callboard providers github-provider:acme --trigger
"""
)
@click.argument("name", required=False)
@click.option(
    "--let-through", is_flag=True, help="Let the next removal of NAME pass that the guard would refuse, once."
)
@click.option("--trigger", is_flag=True, help="Let NAME, which reads its source in rounds, begin another one now.")
@click.option("--forget", is_flag=True, help="Withdraw all that NAME has, and forget it.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The notation.")
@options.server_flag
@options.token_flag
def command(
    name: str | None, *, let_through: bool, trigger: bool, forget: bool, output: str, server: str, token: str | None
) -> None:
    """List the providers: where the catalog's entities come from, or the one with this NAME."""
    deeds = let_through + trigger + forget
    if deeds and name is None:
        raise click.UsageError("--let-through, --trigger and --forget need the NAME of a provider.")
    if deeds > 1:
        raise click.UsageError("One of --let-through, --trigger and --forget.")
    with options.client_of(server, token) as catalog:
        if name is None:
            found = catalog.get_providers()
            _show([as_json(each) for each in found], table(found), output)
        elif forget:
            _show(*_forget(catalog, name), output)
        else:
            ask = (
                catalog.let_removal_through
                if let_through
                else catalog.trigger_provider
                if trigger
                else catalog.get_provider
            )
            one = ask(name)
            _show(as_json(one), details(one), output)


def _forget(catalog: "CatalogClient", name: str) -> tuple[JsonObject, list[str]]:
    gone = catalog.forget_provider(name)
    words = f"{name} is forgotten; it had {gone.removed:,} {'entity' if gone.removed == 1 else 'entities'}"
    return {"provider": name, "removed": gone.removed, "offset": gone.offset}, [words]


def _show(value: JsonObject | list[JsonObject], lines: Iterable[str], output: str) -> None:
    click.echo(json.encode(value) if output == "json" else "\n".join(lines))


def table(providers: Sequence["Provider"]) -> Iterator[str]:
    """A line for each provider."""
    return aligned(_HEADINGS, map(_cells, providers), numbers=_NUMBERS)


def _cells(provider: "Provider") -> tuple[str, ...]:
    return (
        provider.name,
        provider.kind,
        f"{provider.entities:,}",
        provider.owner or "-",
        moment(provider.last_mutation.at) if provider.last_mutation else "-",
        moment(provider.refused.at) if provider.refused else "-",
    )


def details(provider: "Provider") -> Iterator[str]:
    """All that is known of one provider."""
    last, refused = provider.last_mutation, provider.refused
    yield f"name:           {provider.name}"
    yield f"kind:           {provider.kind}"
    yield f"owner:          {provider.owner or '-'}"
    yield f"created:        {moment(provider.created_at)}"
    yield f"entities:       {provider.entities:,}"
    yield f"last mutation:  {_mutation(last) if last else '-'}"
    yield f"refused:        {_refusal(refused) if refused else '-'}"
    yield f"let through:    {'the next removal that the guard would refuse' if provider.let_through else 'nothing'}"
    if (stand := provider.ingestion) is not None:
        yield f"ingestion:      {_stand(stand)}"
        if stand.error is not None:
            # On one line, whatever the source has said.
            yield f"error:          {' '.join(stand.error.split())} ({stand.failures:,} in a row)"


def _stand(stand: "Ingestion") -> str:
    began = f", begun {moment(stand.started_at)}" if stand.pages else ""
    ended = "none" if stand.completed_at is None else moment(stand.completed_at)
    pages = f"{stand.pages:,} pages{began}"
    return f"round {stand.round:,}: {pages}; last whole round {ended}; next page {_next(stand)}"


def _next(stand: "Ingestion") -> str:
    return "when triggered" if stand.next_at is None else moment(stand.next_at)


def _mutation(last: "Mutation") -> str:
    kind = "full set" if last.full else "delta"
    return (
        f"{moment(last.at)}, {kind}: {last.offered:,} offered, {last.changed:,} changed, {last.removed:,} removed,"
        f" {last.rejected:,} rejected"
    )


def _refusal(refused: "Refusal") -> str:
    return f"{moment(refused.at)}, {refused.reason}"


def as_json(provider: "Provider") -> JsonObject:
    """A provider in the words of the API."""
    last, refused = provider.last_mutation, provider.refused
    return {
        "name": provider.name,
        "kind": provider.kind,
        "owner": provider.owner,
        "createdAt": provider.created_at.isoformat(),
        "entities": provider.entities,
        "lastMutation": None
        if last is None
        else {
            "at": last.at.isoformat(),
            "full": last.full,
            "offered": last.offered,
            "changed": last.changed,
            "removed": last.removed,
            "rejected": last.rejected,
        },
        "refused": None
        if refused is None
        else {
            "at": refused.at.isoformat(),
            "reason": refused.reason,
            "held": refused.held,
            "removed": refused.removed,
        },
        "letThrough": provider.let_through,
        "ingestion": None if provider.ingestion is None else _ingestion(provider.ingestion),
    }


def _ingestion(stand: "Ingestion") -> JsonObject:
    return {
        "round": stand.round,
        "pages": stand.pages,
        "startedAt": stand.started_at.isoformat(),
        "completedAt": None if stand.completed_at is None else stand.completed_at.isoformat(),
        "error": stand.error,
        "failures": stand.failures,
        "nextAt": None if stand.next_at is None else stand.next_at.isoformat(),
    }
