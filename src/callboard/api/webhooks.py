"""Webhooks of code hosts: what was pushed is read again at once."""

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from callboard.access import signatures
from callboard.api import answers, context
from callboard.api.context import Context
from callboard.api.parameters import query_of, verified_body_of
from callboard.errors import CallboardError, InvalidInput, NotAllowed, NotFound
from callboard.ingestion import pushes as applying
from callboard.ingestion.pushes import Applied, Wanted
from callboard.model.json import JsonObject
from callboard.model.pushes import Push, is_push, parse_pushes
from callboard.model.repositories import System
from callboard.settings import Settings

_log = structlog.get_logger(__name__)

_ACCEPTED: JsonObject = {"status": "accepted"}


async def receive(request: Request) -> Response:
    """`POST /api/events/http/{system}`."""
    query_of(request, {})
    here, system = context.of(request), _system(request.path_params["system"])
    outcomes = here.read_side.metrics.webhooks
    try:
        pushes = await _pushes(request, system, here.settings)
    except NotAllowed as error:
        outcomes.labels(system, "refused").inc()
        _log.warning("webhook.refused", system=system.value, reason=str(error))
        raise
    except InvalidInput:
        outcomes.labels(system, "invalid").inc()
        raise
    if not pushes:
        outcomes.labels(system, "ignored").inc()
        return answers.value(_ACCEPTED, 202)
    applied = await _apply(here, system, pushes, outcomes)
    return answers.value({**_ACCEPTED, **_described(applied)}, 202)


def _system(name: str) -> System:
    try:
        return System(name)
    except ValueError:
        raise NotFound(f"No events come in from '{name}', only from {', '.join(System)}") from None


async def _pushes(request: Request, system: System, settings: Settings) -> list[Push]:
    """What the webhook tells, if it is a push. Raises NotAllowed unless its signature is right."""
    secret = _secret(system, settings)
    if secret is None:
        raise NotAllowed(f"No webhooks are accepted from {system}: events.modules.{system}.webhookSecret is not set")
    proof = signatures.find(system, request.headers)
    body = await verified_body_of(request, lambda data: signatures.check(system, proof, data, secret))
    return parse_pushes(system, body.content) if is_push(system, request.headers, body.content) else []


def _secret(system: System, settings: Settings) -> str | None:
    modules = settings.events.modules
    match system:
        case System.GITHUB:
            return modules.github.webhook_secret
        case System.GITLAB:
            return modules.gitlab.webhook_secret
        case System.BITBUCKET_CLOUD:
            return modules.bitbucket_cloud.webhook_secret
        case System.GITEA:
            return modules.gitea.webhook_secret


async def _apply(here: Context, system: System, pushes: list[Push], outcomes: Counter) -> Applied:
    told = here.settings.catalog.scm_events
    # Nobody registers or unregisters anything in read-only mode; reading again goes on.
    may_change = not here.settings.catalog.readonly
    wanted = Wanted(refresh=told.refresh, unregister=told.unregister and may_change, move=told.move and may_change)
    try:
        applied = await applying.apply(here.database, pushes, wanted, here.read_side.pipeline.readers["url"])
    except CallboardError:
        outcomes.labels(system, "failed").inc()
        raise
    outcomes.labels(system, "applied").inc()
    _log.info(
        "webhook.received",
        system=system.value,
        pushes=[str(push) for push in pushes],
        repository=pushes[0].branch.repository,
        branches=[push.branch.name for push in pushes],
        complete=all(push.complete for push in pushes),
        refreshed=applied.refreshed,
        moved=len(applied.moved),
        unregistered=len(applied.unregistered),
    )
    return applied


def _described(applied: Applied) -> JsonObject:
    return {
        "refreshed": applied.refreshed,
        "moved": [{"from": move.location.target, "to": move.target} for move in applied.moved],
        "unregistered": [location.target for location in applied.unregistered],
    }
