"""Webhooks of code hosts: what was pushed is read again at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from starlette.requests import Request
from starlette.responses import Response

from callboard.access import signatures
from callboard.api import answers, context
from callboard.api.context import Context
from callboard.api.parameters import Text, query_of, verified_body_of
from callboard.app import guard_of
from callboard.errors import CallboardError, DatabaseUnavailable, InvalidInput, NotAllowed, NotFound, Unauthenticated
from callboard.extend import Mutation, Webhook
from callboard.ingestion import pushes as applying
from callboard.ingestion.connections import Connection
from callboard.ingestion.pushes import Applied, Wanted
from callboard.model.json import JsonObject
from callboard.model.pushes import Push, event_of, is_push, parse_pushes
from callboard.model.repositories import System
from callboard.settings import Settings

_log = structlog.get_logger(__name__)

_ACCEPTED: JsonObject = {"status": "accepted"}


@dataclass(slots=True)
class _Noting:
    """A provider's way into the catalog that notes what it has led to (an `extend.ProviderConnection`)."""

    connection: Connection
    told: JsonObject = field(default_factory=dict)

    async def apply(self, mutation: Mutation) -> None:
        applied = await self.connection.apply_and_tell(mutation)
        self._note(changed=applied.changed, removed=applied.removed)

    async def refresh(self, keys: Sequence[str]) -> int:
        refreshed = await self.connection.refresh(keys)
        self._note(refreshed=refreshed)
        return refreshed

    def _note(self, **counts: int) -> None:
        for name, count in counts.items():
            before = self.told.get(name, 0)
            assert isinstance(before, int)
            self.told[name] = before + count


async def receive(request: Request) -> Response:
    """`POST /api/events/http/{system}`."""
    here, system = context.of(request), _system(request.path_params["system"])
    said = query_of(request, {"secret": Text()} if system is System.GERRIT else {}).text("secret")
    outcomes = here.read_side.metrics.webhooks
    try:
        webhook = await _webhook(request, system, said, here.settings)
    except Unauthenticated:
        # Who is asked for a proof comes again, with one.
        outcomes.labels(system, "refused").inc()
        raise
    except NotAllowed as error:
        outcomes.labels(system, "refused").inc()
        _log.warning("webhook.refused", system=system.value, reason=str(error))
        raise
    except InvalidInput:
        outcomes.labels(system, "invalid").inc()
        raise
    if not webhook.pushes and not here.read_side.hearing:
        outcomes.labels(system, "ignored").inc()
        return answers.value(_ACCEPTED, 202)
    applied = Applied()
    try:
        # First of all what is new: what a file brings is then read once.
        told = await _tell(here, webhook)
        if webhook.pushes:
            applied = await _apply(here, system, webhook.pushes)
    except CallboardError:
        outcomes.labels(system, "failed").inc()
        raise
    outcomes.labels(system, "applied" if webhook.pushes or told else "ignored").inc()
    return answers.value({**_ACCEPTED, **(_described(applied) if webhook.pushes else {}), **told}, 202)


def _system(name: str) -> System:
    try:
        return System(name)
    except ValueError:
        raise NotFound(f"No events come in from '{name}', only from {', '.join(System)}") from None


async def _webhook(request: Request, system: System, said: str | None, settings: Settings) -> Webhook:
    """What has come in, perhaps with a secret that was *said* in the URL.

    Raises NotAllowed unless its signature is right, and Unauthenticated when a proof comes only if it is asked for.
    """
    secret = _secret(system, settings)
    if secret is None:
        raise NotAllowed(f"No webhooks are accepted from {system}: events.modules.{system}.webhookSecret is not set")
    proof = signatures.find(system, request.headers, said)
    body = await verified_body_of(request, lambda data: signatures.check(system, proof, data, secret))
    event = event_of(system, request.headers, body.content)
    return Webhook(
        system=system.value,
        event=event,
        body=body.content,
        headers=dict(request.headers),
        pushes=_pushes(system, body.content, settings) if is_push(system, event) else (),
    )


def _pushes(system: System, body: JsonObject, settings: Settings) -> Sequence[Push]:
    entries = settings.integrations.raw.get(system)
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return parse_pushes(system, body, roots=[root for entry in found for root in _roots(entry)])


def _roots(entry: JsonObject) -> list[str]:
    """What the URLs of a host begin with that an *entry* of `integrations` is about; it may be below a path."""
    api, host, gitiles = entry.get("apiBaseUrl"), entry.get("host"), entry.get("gitilesBaseUrl")
    if isinstance(api, str) and "/rest/api/" in api:
        return [api.partition("/rest/api/")[0]]
    own = f"https://{host}" if isinstance(host, str) else None
    if not isinstance(gitiles, str):
        return [] if own is None else [own]
    base = str(entry.get("baseUrl") or own).rstrip("/")
    # Whoever logs in to Gerrit reads below /a/ what others read beside it.
    return [gitiles, *([f"{base}/a{gitiles.removeprefix(base)}"] if gitiles.startswith(f"{base}/") else [])]


async def _tell(here: Context, webhook: Webhook) -> JsonObject:
    """Let the providers that hear webhooks apply what this one means to them; what each has done, by its name."""
    done: JsonObject = {}
    for provider in here.read_side.hearing:
        guard = guard_of(here.settings, provider.name)
        noting = _Noting(Connection(here.database, provider.name, guard, here.read_side.metrics))
        try:
            await provider.on_webhook(webhook, noting)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a provider may fail in any way; its next round brings what it missed
            _log.exception("webhook.not_heard", provider=provider.name, system=webhook.system, told=webhook.event)
            done[provider.name] = {"error": str(error)}
        else:
            if noting.told:
                done[provider.name] = noting.told
    return {"providers": done} if done else {}


def _secret(system: System, settings: Settings) -> str | None:
    modules = settings.events.modules
    match system:
        case System.GITHUB:
            return modules.github.webhook_secret
        case System.GITLAB:
            return modules.gitlab.webhook_secret
        case System.BITBUCKET_CLOUD:
            return modules.bitbucket_cloud.webhook_secret
        case System.BITBUCKET_SERVER:
            return modules.bitbucket_server.webhook_secret
        case System.AZURE_DEVOPS:
            return modules.azure_dev_ops.webhook_secret
        case System.GITEA:
            return modules.gitea.webhook_secret
        case System.GERRIT:
            return modules.gerrit.webhook_secret


async def _apply(here: Context, system: System, pushes: Sequence[Push]) -> Applied:
    told = here.settings.catalog.scm_events
    # Nobody registers or unregisters anything in read-only mode; reading again goes on.
    may_change = not here.settings.catalog.readonly
    wanted = Wanted(refresh=told.refresh, unregister=told.unregister and may_change, move=told.move and may_change)
    applied = await applying.apply(here.database, pushes, wanted, here.read_side.pipeline.readers["url"])
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
