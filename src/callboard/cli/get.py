"""`callboard get`: one entity, as readers see it."""

import click

from callboard.cli import options
from callboard.model import json


@click.command(
    epilog="""\b
Example:
  callboard get component:payments
  callboard get group:default/team-a --output json | jq .spec
"""
)
@click.argument("ref")
@options.server_flag
@options.token_flag
@click.option("--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="The notation.")
def command(ref: str, server: str, token: str | None, output: str) -> None:
    """Print the entity REF, kind:[namespace/]name in any case, with its relations and its status."""
    with options.client_of(server, token) as catalog:
        entity = catalog.get_entity_by_ref(ref)
    if output == "json":
        click.echo(json.encode(entity))
        return
    from callboard.model.notation import as_yaml

    click.echo(as_yaml(entity), nl=False)
