"""What an installation decides: `app-config.yaml`, read once and typed.

documents      YAML 1.2 to values that know their file and line
substitution   ${VAR}, $env, $file, $include
loading        files and environment as layers of one configuration
forms          notations: durations, sizes, hosts, …
reading        values to typed sections; everything wrong at once
known          keys that deserve a word instead of a setting
catalog, auth, backend, brokers, databases, discovery, events, integrations, own, permissions, subscriptions, whole
               the sections themselves
description    the reference page
"""

from callboard.settings.auth import AccessRestriction, AccessType, AuthSettings, BackstageSettings, ExternalAccess
from callboard.settings.backend import BackendSettings, Listen, OutboundSettings, ReadingRule
from callboard.settings.brokers import (
    AwsSettings,
    BrokerSettings,
    KafkaSettings,
    NatsSettings,
    RabbitSettings,
    RedisSettings,
    SaslMechanism,
)
from callboard.settings.catalog import (
    CatalogSettings,
    Interval,
    KindSetting,
    LocationConflictStrategy,
    LocationRuleSetting,
    LocationSetting,
    OrphanStrategy,
    ProcessorOptions,
    ProviderOptions,
    RuleLocationSetting,
    RuleSetting,
    ScmEventsSettings,
    StitchingSettings,
)
from callboard.settings.databases import DatabaseClient, DatabaseSettings, Pooler, WaysSettings
from callboard.settings.description import describe
from callboard.settings.discovery import DiscoverySettings
from callboard.settings.events import EventModulesSettings, EventsSettings, WebhookSettings
from callboard.settings.integrations import Integrations
from callboard.settings.loading import Configuration, load
from callboard.settings.own import (
    CallboardSettings,
    LogFormat,
    LoggingSettings,
    LogLevel,
    PluginSetting,
    ProcessingSettings,
    ReadingSettings,
    RemovalGuardSettings,
    StreamSettings,
)
from callboard.settings.permissions import DecidingSettings, PermissionRuleSetting, PermissionSettings
from callboard.settings.subscriptions import ReceiverRule, SubscriptionSettings
from callboard.settings.whole import AppSettings, OrganizationSettings, Settings, defaults, read

__all__ = [
    "AccessRestriction",
    "AccessType",
    "AppSettings",
    "AuthSettings",
    "AwsSettings",
    "BackendSettings",
    "BackstageSettings",
    "BrokerSettings",
    "CallboardSettings",
    "CatalogSettings",
    "Configuration",
    "DatabaseClient",
    "DatabaseSettings",
    "DecidingSettings",
    "DiscoverySettings",
    "EventModulesSettings",
    "EventsSettings",
    "ExternalAccess",
    "Integrations",
    "Interval",
    "KafkaSettings",
    "KindSetting",
    "Listen",
    "LocationConflictStrategy",
    "LocationRuleSetting",
    "LocationSetting",
    "LogFormat",
    "LogLevel",
    "LoggingSettings",
    "NatsSettings",
    "OrganizationSettings",
    "OrphanStrategy",
    "OutboundSettings",
    "PermissionRuleSetting",
    "PermissionSettings",
    "PluginSetting",
    "Pooler",
    "ProcessingSettings",
    "ProcessorOptions",
    "ProviderOptions",
    "RabbitSettings",
    "ReadingRule",
    "ReadingSettings",
    "ReceiverRule",
    "RedisSettings",
    "RemovalGuardSettings",
    "RuleLocationSetting",
    "RuleSetting",
    "SaslMechanism",
    "ScmEventsSettings",
    "Settings",
    "StitchingSettings",
    "StreamSettings",
    "SubscriptionSettings",
    "WaysSettings",
    "WebhookSettings",
    "defaults",
    "describe",
    "load",
    "read",
]
