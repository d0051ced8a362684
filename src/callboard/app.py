"""The composition root: settings become a database, plugins and stages. Nothing else wires anything."""

import asyncio
import dataclasses
import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import structlog

from callboard import __version__, modelling, plugins
from callboard.access import authentication
from callboard.access.authentication import Authenticator
from callboard.access.authorizers import authorizer_of
from callboard.access.decisions import Authorizer, Unrestricted
from callboard.builtin import optional
from callboard.builtin.annotations import AnnotateLocationProcessor
from callboard.builtin.kinds import BuiltinKindsProcessor
from callboard.builtin.locations import LocationProcessor
from callboard.builtin.placeholders import DEFAULT_RESOLVERS, PlaceholderProcessor
from callboard.builtin.policies import default_policies, last_policies
from callboard.builtin.readers import urls
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.files import FileReader
from callboard.builtin.readers.http import HttpReader
from callboard.builtin.readers.urls import UrlReader
from callboard.builtin.sinks import publishing, webhook
from callboard.builtin.sinks.addresses import Receiver, Receivers
from callboard.builtin.sinks.brokers import AwsAccount, Broker, KafkaServer, NatsServer, Server, UrlServer
from callboard.builtin.sinks.publishing import Brokers
from callboard.builtin.sinks.webhook import WebhookKind
from callboard.clock import Clock, CommonClock, SystemClock
from callboard.errors import Conflict, RemovalRefused
from callboard.extend import Budgets, EntityProvider, HearsWebhooks, Outside, Processor, Reader, ReadsQueue, SinkKind
from callboard.ingestion import connections
from callboard.ingestion.budgets import SharedBudgets
from callboard.ingestion.connections import Connection
from callboard.ingestion.forgetting import Forgetting
from callboard.ingestion.guards import Guard
from callboard.ingestion.incremental import Rounds
from callboard.ingestion.locations import CONFIGURED, REGISTERED, ConfiguredLocations, RegisteredLocations
from callboard.ingestion.queues import QueueReading
from callboard.loop import Loop
from callboard.metrics import Metrics
from callboard.model.documents import parse_entities
from callboard.model.kinds import Kinds, builtin
from callboard.model.refs import LocationRef
from callboard.model.rules import AllowedKind, LocationMatch, Rule, Rules
from callboard.outgoing import AsyncClient
from callboard.plugins import Plugins
from callboard.processing.pipeline import Pipeline
from callboard.processing.reading import Measured
from callboard.processing.worker import ProcessingOptions, Worker
from callboard.settings import AwsSettings, BrokerSettings, KafkaSettings, NatsSettings, OrphanStrategy, Settings
from callboard.stitching.worker import Stitcher, StitchingOptions
from callboard.store import ingestions, publication, schedule, schema, stitch_queue
from callboard.store.database import Database
from callboard.store.schema import SchemaWatch
from callboard.store.sources import Source
from callboard.store.statistics import Statistics
from callboard.store.wakeups import WakeUps
from callboard.stream import lines
from callboard.stream.audience import Audience
from callboard.stream.deliveries import Deliveries, DeliveryOptions
from callboard.stream.following import Follower
from callboard.stream.forms import Encodings
from callboard.stream.handlers import TYPE as HANDLER
from callboard.stream.handlers import Handlers
from callboard.stream.retention import Keep, Retention
from callboard.view.memberships import groups_of

_log = structlog.get_logger(__name__)

_RETRY_PROVIDER = 5.0
_RETRY_REFUSED = 10.0
_RETRY_NAME = 30.0
_USUAL_PRIORITY = 20.0
_CONNECTIONS = 6
_REPLICA_PATIENCE = 10.0


@dataclass(slots=True)
class Engine:
    """The write side of one process: providers, processing, stitching."""

    settings: Settings
    database: Database
    clock: Clock
    metrics: Metrics
    pipeline: Pipeline
    worker: Worker
    stitcher: Stitcher
    providers: Sequence[EntityProvider]
    rounds: Sequence[Rounds]
    """The incremental providers."""
    queues: Sequence[QueueReading]
    """The providers that read a queue."""
    forgetting: Forgetting
    retention: Retention
    statistics: Statistics
    deliveries: Deliveries
    handlers: Handlers
    wakeups: WakeUps
    schema: SchemaWatch

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; what can be finished is finished then.

        Raises WrongSchema when a newer release has left this one behind.
        """
        counting = Loop(name="metrics", step=self._count, clock=self.clock)
        # Before a provider delivers anything: another engine may be about to forget it.
        await self.forgetting.attend()
        async with asyncio.TaskGroup() as group:
            connecting = [group.create_task(self._connect(provider)) for provider in self.providers]
            connecting += [group.create_task(rounds.run()) for rounds in self.rounds]
            connecting += [group.create_task(reading.run()) for reading in self.queues]
            group.create_task(self.forgetting.attending.run())
            group.create_task(self.handlers.attending.run())
            group.create_task(self.deliveries.run())
            group.create_task(self.wakeups.run())
            group.create_task(self.schema.run(stop))
            group.create_task(counting.run())
            group.create_task(self.retention.loop.run())
            group.create_task(self.statistics.loop.run())
            # `processingInterval: false` makes an engine that only feeds the catalog.
            if self.settings.catalog.processing_interval is not None:
                group.create_task(self.worker.run())
                group.create_task(self.stitcher.loop.run())
                group.create_task(self.forgetting.loop.run())
            # The pid tells the engines of one machine apart, whose lines stand in one log.
            _log.info("engine.started", pid=os.getpid(), version=__version__, processors=self.pipeline.fingerprint)
            await stop.wait()
            self.worker.stop()
            forgetting = (self.forgetting.loop, self.forgetting.attending)
            own = (self.deliveries.loop, self.handlers.attending, self.retention.loop, self.statistics.loop)
            for loop in (self.stitcher.loop, self.wakeups.loop, self.schema.loop, *forgetting, *own, counting):
                loop.stop()
            for task in connecting:
                task.cancel()
        _log.info("engine.stopped")
        self.schema.told()

    async def _connect(self, provider: EntityProvider) -> None:
        connection = Connection(self.database, provider.name, guard_of(self.settings, provider.name), self.metrics)

        async def connect() -> float:
            try:
                await self.database.run(lambda tx: connections.check_name(tx, provider.name))
                await provider.connect(connection)
            except RemovalRefused:
                # It has been told and written down. Somebody may let it through, or the source may recover.
                return _RETRY_REFUSED
            except Conflict as error:
                _log.error("provider.refused", provider=provider.name, reason=str(error))
                return _RETRY_NAME
            loop.stop()
            return _RETRY_PROVIDER

        loop = Loop(name=f"provider.{provider.name}", step=connect, clock=self.clock)
        await loop.run()

    async def _count(self) -> float:
        self.metrics.processed.show(dataclasses.asdict(self.worker.tally))
        self.metrics.stitched.show(dataclasses.asdict(self.stitcher.tally))
        return 1.0


@asynccontextmanager
async def engine(settings: Settings, url: str, clock: Clock, metrics: Metrics) -> AsyncIterator[Engine]:
    """The write side, on the database at *url*."""
    database = await _opened(settings, url, clock, name="callboard-engine")
    try:
        await schema.check(database)
        async with _reading_client() as client:
            yield assemble_engine(settings, database, clock, metrics, client)
    finally:
        await database.close()


async def _opened(settings: Settings, url: str, clock: Clock, *, name: str, patience: float = 120.0) -> Database:
    """The database of a process, with the connections that it may use."""
    ways = settings.callboard.database
    return await Database.open(
        url,
        clock=clock,
        connections=_CONNECTIONS,
        name=name,
        pooler=ways.pooler,
        direct=ways.direct,
        patience=patience,
    )


def _reading_client() -> httpx2.AsyncClient:
    """What a process reads URLs with."""
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=50)
    headers = {"user-agent": f"callboard/{__version__}"}
    return AsyncClient(limits=limits, follow_redirects=False, headers=headers)


def assemble_engine(
    settings: Settings, database: Database, clock: Clock, metrics: Metrics, client: httpx2.AsyncClient
) -> Engine:
    """The parts of the write side, put together."""
    outside = outside_of(settings, client, clock, SharedBudgets(database, clock, metrics))
    added = plugins_of(settings, outside)
    pipeline = build_pipeline(settings, client, clock, added, metrics)
    worker = Worker(database, pipeline, clock, processing_options(settings), metrics=metrics)
    lease = dt.timedelta(seconds=settings.callboard.processing.lease_seconds)
    stitcher = Stitcher(database, clock, StitchingOptions(lease=lease), metrics=metrics)
    handlers = Handlers(database=database, clock=clock, plugins=added.reacting, lease=lease)
    deliveries = Deliveries(
        database=database,
        clock=clock,
        metrics=metrics,
        kinds={**sink_kinds(settings, clock, added), HANDLER: handlers.kind},
        handlers=handlers.names,
        options=delivery_options(settings),
    )
    rounds: list[Rounds] = []
    wakeups = WakeUps(
        database,
        clock,
        {
            schedule.CHANNEL: worker.wake,
            stitch_queue.CHANNEL: stitcher.loop.wake,
            publication.CHANNEL: deliveries.loop.wake,
            ingestions.CHANNEL: lambda: _wake(rounds),
        },
        before=lambda: lines.check(database),
    )
    providers = list(_providers(settings, database, added))
    incremental = [provider for provider in added.incremental if _wanted(settings, provider.name)]
    rounds += [
        Rounds(
            database=database,
            clock=clock,
            provider=provider,
            guard=guard_of(settings, provider.name, provider.max_removal_percent),
            metrics=metrics,
            lease=lease,
        )
        for provider in incremental
    ]
    return Engine(
        settings=settings,
        database=database,
        clock=clock,
        metrics=metrics,
        pipeline=pipeline,
        worker=worker,
        stitcher=stitcher,
        providers=providers,
        rounds=rounds,
        queues=[
            _queue_reading(settings, database, clock, metrics, provider)
            for provider in (*providers, *incremental)
            if isinstance(provider, ReadsQueue)
        ],
        forgetting=Forgetting(
            database=database,
            clock=clock,
            connected=[*(provider.name for provider in providers), *(provider.name for provider in incremental)],
            delete=settings.catalog.orphan_provider_strategy is OrphanStrategy.DELETE,
            guard_of=lambda provider: guard_of(settings, provider),
            lease=lease,
        ),
        retention=Retention(database=database, clock=clock, keep=kept(settings), lease=lease),
        statistics=Statistics(database=database, clock=clock),
        deliveries=deliveries,
        handlers=handlers,
        wakeups=wakeups,
        schema=SchemaWatch(database, clock),
    )


def _queue_reading(
    settings: Settings, database: Database, clock: Clock, metrics: Metrics, provider: ReadsQueue
) -> QueueReading:
    return QueueReading(
        database=database,
        clock=clock,
        provider=provider,
        connection=Connection(database, provider.name, guard_of(settings, provider.name), metrics),
        metrics=metrics,
        lease=dt.timedelta(seconds=settings.callboard.processing.lease_seconds),
    )


def _wake(rounds: Sequence[Rounds]) -> None:
    for each in rounds:
        each.loop.wake()


def plugins_of(settings: Settings, outside: Outside | None = None) -> Plugins:
    """All plugins of an installation. Raises InvalidConfiguration when one of them can't be used.

    Without the *outside* they are only checked.
    """
    own = sink_kinds(settings, SystemClock())
    return plugins.load(settings, outside=outside, taken=(CONFIGURED, REGISTERED), sink_types=(*own, HANDLER))


def surveyed_plugins(settings: Settings) -> Plugins:
    """The same, to be looked at: what can't be used stands beside what can."""
    own = sink_kinds(settings, SystemClock())
    return plugins.survey(settings, taken=(CONFIGURED, REGISTERED), sink_types=(*own, HANDLER))


def outside_of(settings: Settings, client: httpx2.AsyncClient, clock: Clock, budgets: Budgets) -> Outside:
    """What plugins of this installation ask other systems with."""
    own = settings.callboard.reading
    return Outside(
        client=client,
        clock=clock,
        budgets=budgets,
        timeout_seconds=own.timeout_seconds,
        per_host=own.concurrency_per_host,
        max_bytes=own.max_bytes,
        folder=settings.callboard.data_dir / "cache",
    )


def build_pipeline(
    settings: Settings,
    client: httpx2.AsyncClient,
    clock: Clock,
    added: Plugins | None = None,
    metrics: Metrics | None = None,
) -> Pipeline:
    """The processors, policies, rules and readers of an installation, those of plugins behind the built-in ones."""
    added, metrics = added or Plugins(), metrics or Metrics()
    own = settings.callboard.reading
    found: list[Reader] = [
        # The times of files are this machine's.
        FileReader(max_bytes=own.max_bytes, clock=SystemClock() if isinstance(clock, CommonClock) else clock),
        UrlReader(
            added.code_hosts,
            HttpReader(
                client,
                allow=[
                    *(AllowedHost(rule.host, rule.paths) for rule in settings.backend.reading.allow),
                    *(AllowedHost(host, None) for host in settings.integrations.hosts),
                ],
                timeout_seconds=own.timeout_seconds,
                per_host=own.concurrency_per_host,
                max_bytes=own.max_bytes,
            ),
        ),
        *added.readers,
    ]
    readers: dict[str, Reader] = {reader.type: Measured(reader, metrics) for reader in found}
    processors: list[Processor] = [
        PlaceholderProcessor(readers, [*DEFAULT_RESOLVERS, *added.resolvers]),
        BuiltinKindsProcessor(modelling.kinds_of(settings)),
    ]
    if not settings.catalog.disable_default_processors:
        links = urls.links_of(added.code_hosts)
        processors += [LocationProcessor(readers, parse_entities), AnnotateLocationProcessor(links)]
    processors += optional.processors(
        settings.catalog.processors,
        settings.catalog.processor_options,
        reader=readers["url"],
        hosts=added.code_hosts,
        clock=clock,
    )
    return Pipeline(
        processors=_ordered(settings, [*processors, *added.processors]),
        policies=[*default_policies(modelling.formats_of(settings)), *added.policies],
        last_policies=last_policies(),
        rules=Rules(rules_of(settings)),
        readers=readers,
    )


def _ordered(settings: Settings, processors: Sequence[Processor]) -> list[Processor]:
    options = settings.catalog.processor_options

    def priority(processor: Processor) -> float:
        chosen = options[processor.name].priority if processor.name in options else None
        return _USUAL_PRIORITY if chosen is None else chosen

    wanted = [p for p in processors if p.name not in options or not options[p.name].disabled]
    return sorted(wanted, key=priority)


def rules_of(settings: Settings) -> Iterator[Rule]:
    """The location rules that the configuration states, those of single locations bound to their location."""
    for rule in settings.catalog.rules:
        locations = rule.locations
        yield Rule(
            allow=tuple(AllowedKind(kind.kind, kind.spec_type) for kind in rule.allow),
            locations=None
            if locations is None
            else tuple(LocationMatch(match.type, match.exact, match.pattern) for match in locations),
        )
    for location in settings.catalog.locations:
        for own in location.rules:
            yield Rule(
                allow=tuple(AllowedKind(kind.kind, kind.spec_type) for kind in own.allow),
                locations=(LocationMatch(location.type, exact=location.target),),
            )


def processing_options(settings: Settings) -> ProcessingOptions:
    """How the worker works in this installation."""
    interval = settings.catalog.processing_interval
    own = settings.callboard.processing
    return ProcessingOptions(
        interval=(interval.minimum_seconds, interval.maximum_seconds) if interval else (100.0, 150.0),
        batch=own.batch_size,
        in_flight=own.concurrency,
        lease=dt.timedelta(seconds=own.lease_seconds),
        delete_orphans=settings.catalog.orphan_strategy is OrphanStrategy.DELETE,
    )


def kept(settings: Settings) -> Keep:
    """For how long the stream remembers in this installation."""
    own = settings.callboard.stream
    return Keep(
        history=dt.timedelta(seconds=own.history_retention_seconds),
        tombstones=dt.timedelta(seconds=own.tombstone_retention_seconds),
    )


def delivery_options(settings: Settings) -> DeliveryOptions:
    """How engines deliver to sinks in this installation."""
    own = settings.callboard.subscriptions
    return DeliveryOptions(
        lease=dt.timedelta(seconds=settings.callboard.processing.lease_seconds),
        give_up_after=dt.timedelta(seconds=own.give_up_seconds),
        batch=own.batch_size,
    )


def sink_kinds(settings: Settings, clock: Clock, added: Plugins | None = None) -> dict[str, SinkKind]:
    """What subscriptions may deliver to, by type."""
    own = settings.callboard.subscriptions
    allowed = [Receiver(AllowedHost(rule.host, rule.paths), rule.private) for rule in own.allow]
    source = f"{settings.backend.url}/api/catalog"
    webhooks = WebhookKind(
        receivers=Receivers(allowed, webhook.resolve),
        client=_delivering_client,
        clock=clock,
        source=source,
        timeout_seconds=own.timeout_seconds,
    )
    brokers = publishing.kinds(brokers_of(own.brokers), source, own.timeout_seconds)
    found: list[SinkKind] = [webhooks, *brokers, *(added.sinks if added else ())]
    return {kind.type: kind for kind in found}


def brokers_of(configured: Mapping[str, BrokerSettings]) -> Brokers:
    """The brokers that subscriptions may name, as their sinks know them."""

    def broker(name: str, server: Server) -> Broker[Server]:
        each = configured[name]
        return Broker(server=server, allow=each.allow, max_message_bytes=each.max_message_bytes)

    return Brokers(
        nats={name: broker(name, _nats(each.nats)) for name, each in configured.items() if each.nats},
        kafka={name: broker(name, _kafka(each.kafka)) for name, each in configured.items() if each.kafka},
        rabbit={name: broker(name, UrlServer(each.rabbit.url)) for name, each in configured.items() if each.rabbit},
        redis={name: broker(name, UrlServer(each.redis.url)) for name, each in configured.items() if each.redis},
        aws={name: broker(name, _aws(each.aws)) for name, each in configured.items() if each.aws},
    )


def _nats(own: NatsSettings) -> NatsServer:
    return NatsServer(
        servers=own.servers,
        username=own.username,
        password=own.password,
        token=own.token,
        credentials=own.credentials_file,
        ca=own.ca_file,
    )


def _kafka(own: KafkaSettings) -> KafkaServer:
    return KafkaServer(
        servers=own.servers,
        tls=own.tls,
        ca=own.ca_file,
        username=own.username,
        password=own.password,
        mechanism=own.mechanism,
        idempotent=own.idempotent,
    )


def _aws(own: AwsSettings) -> AwsAccount:
    return AwsAccount(
        region=own.region,
        endpoint=own.endpoint,
        access_key_id=own.access_key_id,
        secret_access_key=own.secret_access_key,
    )


def _delivering_client() -> httpx2.AsyncClient:
    """What webhooks are sent with. Not through a proxy: that would look up the name of the receiver once more."""
    return AsyncClient(follow_redirects=False, trust_env=False, headers={"user-agent": f"callboard/{__version__}"})


def guard_of(settings: Settings, provider: str, percent_of_its_own: float | None = None) -> Guard:
    """How much *provider* may withdraw at once in this installation, which may be less by itself."""
    usual, own = settings.callboard.removal_guard, settings.catalog.provider_options.get(provider)
    percent = own.max_removal_percent if own else None
    percent = percent_of_its_own if percent is None else percent
    empty = own.refuse_empty if own else None
    return Guard(
        max_removal_percent=usual.max_removal_percent if percent is None else percent,
        refuse_empty=usual.refuse_empty if empty is None else empty,
    )


def _providers(settings: Settings, database: Database, added: Plugins) -> Iterator[EntityProvider]:
    targets = [LocationRef(location.type, location.target) for location in settings.catalog.locations]
    built_in: list[EntityProvider] = [ConfiguredLocations(targets), RegisteredLocations(database)]
    return (provider for provider in [*built_in, *added.providers] if _wanted(settings, provider.name))


def _wanted(settings: Settings, provider: str) -> bool:
    options = settings.catalog.provider_options.get(provider)
    return options is None or not options.disabled


@dataclass(slots=True, kw_only=True)
class ReadSide:
    """The read side of one process: the view, and what keeps it at the head of the stream."""

    settings: Settings
    database: Database
    clock: Clock
    metrics: Metrics
    follower: Follower
    wakeups: WakeUps
    schema: SchemaWatch = field(init=False)
    kinds: Kinds = field(init=False)
    """What entities may be."""
    pipeline: Pipeline
    """What the engines do with each entity, to try it out here."""
    authenticator: Authenticator | None = None
    """None: everybody may come in."""
    authorizer: Authorizer = field(default_factory=Unrestricted)
    added: Plugins = field(default_factory=Plugins)
    """What plugins have brought."""
    hearing: Sequence[HearsWebhooks] = field(init=False)
    """The providers that want to know of webhooks."""
    sinks: Mapping[str, SinkKind] = field(init=False)
    """What subscriptions may deliver to, by type."""
    audience: Audience = field(init=False)
    encodings: Encodings = field(default_factory=Encodings)
    """The latest events as they are sent."""

    def __post_init__(self) -> None:
        providers = [*self.added.providers, *self.added.incremental]
        hearing = [provider for provider in providers if isinstance(provider, HearsWebhooks)]
        self.hearing = [provider for provider in hearing if _wanted(self.settings, provider.name)]
        self.sinks = sink_kinds(self.settings, self.clock, self.added)
        self.kinds = modelling.kinds_of(self.settings) or builtin()
        self.audience = Audience(self.settings.callboard.stream.max_readers, self.metrics)
        self.schema = SchemaWatch(self.database, self.clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the stream until *stop* is set. Raises WrongSchema when a newer release has left this one behind."""
        showing = Loop(name="stream.audience", step=self.audience.show, clock=self.clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.wakeups.run())
            group.create_task(self.follower.loop.run())
            group.create_task(self.schema.run(stop))
            group.create_task(showing.run())
            await stop.wait()
            for loop in (self.wakeups.loop, self.follower.loop, self.schema.loop, showing):
                loop.stop()
            self.follower.close()
        self.schema.told()


@asynccontextmanager
async def read_side(settings: Settings, url: str, clock: Clock, metrics: Metrics) -> AsyncIterator[ReadSide]:
    """The read side, on the database at *url*. Its view is empty until it runs."""
    patience = settings.callboard.database.patience_seconds
    database = await _opened(settings, url, clock, name="callboard-api", patience=patience)
    source = _source(settings, database, clock)
    keep = settings.callboard.stream.ring_size
    follower = Follower(database, clock, keep=keep, source=source, metrics=metrics)
    wakeups = WakeUps(database, clock, {publication.CHANNEL: follower.loop.wake}, before=lambda: lines.check(database))
    try:
        await schema.check(database)
        async with _reading_client() as client:
            budgets = SharedBudgets(database, clock, metrics)
            added = plugins_of(settings, outside_of(settings, client, clock, budgets))
            authenticator = authentication.build(settings, client, clock, lambda user: groups_of(follower.view, user))
            yield ReadSide(
                settings=settings,
                database=database,
                clock=clock,
                metrics=metrics,
                follower=follower,
                wakeups=wakeups,
                pipeline=build_pipeline(settings, client, clock, added, metrics),
                added=added,
                authenticator=authenticator if authenticator.enabled else None,
                authorizer=authorizer_of(settings, client, clock),
            )
    finally:
        await source.close()
        await database.close()


def _source(settings: Settings, database: Database, clock: Clock) -> Source:
    """What the view is loaded from and follows."""
    ways = settings.callboard.database
    if ways.replica is None:
        return Source(database, clock)
    replica = ways.replica
    return Source(
        database,
        clock,
        connect=lambda: Database.open(
            replica,
            clock=clock,
            connections=_CONNECTIONS,
            name="callboard-api",
            patience=min(_REPLICA_PATIENCE, ways.patience_seconds),
            tells_time=False,
        ),
    )
