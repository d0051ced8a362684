"""What a plugin may implement. The bundled plugins use this package and nothing else.

EntityProvider             feeds entities into the catalog
IncrementalEntityProvider  does so page by page, from a source that is too large for one set
Processor                  reads, validates and enriches one entity at a time
Policy                     sets rules for the shape of every entity
PlaceholderResolver        replaces `{"$name": value}` inside an entity
FollowingResolver          does so where the content refers to other files, which `Files` reads
Reader                     fetches the content of one type of location
EventSink                  takes the changes of the catalog elsewhere; a SinkKind makes them
Plugin                     has functions that are called with what has changed
CodeHost                   reads the URLs of a system whose files are in repositories
HearsWebhooks              what a provider implements to turn webhooks into deltas
ReadsQueue                 what a provider implements to turn the messages of a queue into deltas

`callboard.extend.configuration` reads the settings of plugins into typed options.

`callboard.extend.cloud_events` writes events in a form that many receivers know.
"""

from callboard.extend.code_hosts import CodeHost, Repository
from callboard.extend.handlers import Plugin
from callboard.extend.incremental import IncrementalEntityProvider, Page
from callboard.extend.outside import Budget, Budgets, Outside
from callboard.extend.plugins import PluginConfig, PluginContext
from callboard.extend.policies import Policy
from callboard.extend.processors import Child, Files, FollowingResolver, PlaceholderResolver, Processor, Relation, Run
from callboard.extend.providers import Delta, EntityProvider, Full, Mutation, Offered, ProviderConnection
from callboard.extend.queues import Heard, ReadsQueue
from callboard.extend.readers import Content, NotModified, Reader
from callboard.extend.schedules import Schedule
from callboard.extend.sinks import Event, EventSink, SinkKind, SinkTarget, SmallSteps
from callboard.extend.webhooks import HearsWebhooks, Webhook
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef

__all__ = [
    "Budget",
    "Budgets",
    "Child",
    "CodeHost",
    "Content",
    "Delta",
    "EntityProvider",
    "EntityRef",
    "Event",
    "EventSink",
    "Files",
    "FollowingResolver",
    "Full",
    "Heard",
    "HearsWebhooks",
    "IncrementalEntityProvider",
    "JsonObject",
    "JsonValue",
    "Mutation",
    "NotModified",
    "Offered",
    "Outside",
    "Page",
    "PlaceholderResolver",
    "Plugin",
    "PluginConfig",
    "PluginContext",
    "Policy",
    "Processor",
    "ProviderConnection",
    "Reader",
    "ReadsQueue",
    "Relation",
    "Repository",
    "Run",
    "Schedule",
    "SinkKind",
    "SinkTarget",
    "SmallSteps",
    "Webhook",
]
