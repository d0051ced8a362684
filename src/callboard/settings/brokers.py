"""The section `callboard.subscriptions.brokers`: message brokers that events may be delivered to."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from callboard.settings import forms
from callboard.settings.forms import Bytes, Form
from callboard.settings.values import Value

_HOST_AND_PORT = re.compile(r"(?:[^\s,/@:\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")


def _url_of(*schemes: str, example: str, credentials: bool = True) -> Form:
    """The form of URLs with one of *schemes*. What has credentials, or should have none, is not shown."""

    def parse(value: Value) -> str:
        text = forms.text_of(value)
        url = urlsplit(text)
        if url.scheme not in schemes or not url.hostname or ("@" in url.netloc and not credentials):
            raise forms.Refused
        # Raises ValueError for what is no port.
        _ = url.port
        return text

    return Form(f'a text such as "{example}"', parse, secret=True)


def _host_and_port(value: Value) -> str:
    text = forms.text_of(value)
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= forms.LARGEST_PORT:
        raise forms.Refused
    return text


def _region(value: Value) -> str:
    text = forms.text_of(value)
    if not _REGION.fullmatch(text):
        raise forms.Refused
    return text


_NATS_URL: Final = _url_of("nats", "tls", example="nats://host:4222", credentials=False)
_AMQP_URL: Final = _url_of("amqp", "amqps", example="amqps://user:password@host/vhost")
_REDIS_URL: Final = _url_of("redis", "rediss", example="rediss://user:password@host:6379/0")
_SERVER: Final = Form('a text such as "kafka-1:9092"', _host_and_port)
_SECRET: Final = Form("a text", forms.text_of, secret=True)
_REGION_NAME: Final = Form('a text such as "eu-central-1"', _region)


class SaslMechanism(StrEnum):
    """How a user proves to Kafka who he is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    """A NATS server with JetStream, or a cluster of them."""

    servers: tuple[Annotated[str, _NATS_URL], ...]
    """The servers, any of which will do: `nats://host:4222`, or `tls://host:4222`. User and password have keys of their
    own."""

    username: str | None = None
    """Who publishes, where the servers ask for a password."""

    password: Annotated[str | None, _SECRET] = field(default=None, repr=False)
    """The password for it."""

    token: Annotated[str | None, _SECRET] = field(default=None, repr=False)
    """What proves that the server may publish, where that is a token."""

    credentials_file: Path | None = None
    """A file of credentials (`.creds`) as `nsc` writes it."""

    ca_file: Path | None = None
    """The certificates (PEM) by which the servers are trusted. Without it, those that the system trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """A Kafka cluster, or what speaks its protocol."""

    servers: tuple[Annotated[str, _SERVER], ...]
    """Some of the brokers; they know the others."""

    tls: bool = False
    """Whether connections are encrypted, and the certificates of the brokers checked."""

    ca_file: Path | None = None
    """The certificates (PEM) by which the brokers are trusted. Without it, those that the system trusts."""

    username: str | None = None
    """Who publishes. Without it, nobody says who he is."""

    password: Annotated[str | None, _SECRET] = field(default=None, repr=False)
    """The password for it."""

    mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    """How the password is proven: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."""

    idempotent: bool = True
    """Whether the broker sorts out what the client has to send again. `false` is for brokers that can't do that; order
    is kept then by one request at a time, which is slower."""


@dataclass(frozen=True, slots=True)
class RabbitSettings:
    """A RabbitMQ broker."""

    url: Annotated[str, _AMQP_URL] = field(repr=False)
    """Where it is, and as whom: `amqps://user:password@host/vhost`. `?cafile=/path` names the certificates by which it
    is trusted."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """A Redis server, or what speaks its protocol."""

    url: Annotated[str, _REDIS_URL] = field(repr=False)
    """Where it is, as whom, and which database: `rediss://user:password@host:6379/0`. `?ssl_ca_certs=/path` names the
    certificates by which it is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """An account of Amazon Web Services, for SQS and SNS."""

    region: Annotated[str, _REGION_NAME]
    """Where queues and topics are."""

    endpoint: Annotated[str | None, forms.WEB_ADDRESS] = None
    """Where these services are, if not at their usual place: a private endpoint, or something that behaves like it."""

    access_key_id: str | None = None
    """Who publishes. Without it, whoever the environment says: variables, the role of the machine or the pod."""

    secret_access_key: Annotated[str | None, _SECRET] = field(default=None, repr=False)
    """The key for it."""

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("accessKeyId and secretAccessKey must be given together")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One broker: where it is, under the key of its type, and what subscriptions may do there."""

    nats: NatsSettings | None = None
    """For sinks of the type `nats`."""

    kafka: KafkaSettings | None = None
    """For sinks of the type `kafka`."""

    rabbit: RabbitSettings | None = None
    """For sinks of the type `rabbit`."""

    redis: RedisSettings | None = None
    """For sinks of the type `redis`."""

    aws: AwsSettings | None = None
    """For sinks of the types `sqs` and `sns`."""

    allow: tuple[str, ...] = ()
    """Subjects, topics, exchanges, streams and queues that may be delivered to; `*` stands for any text. Nothing by
    default: whoever may subscribe must not be able to write wherever the server may."""

    max_message_bytes: Bytes | None = None
    """The largest message. An entity that is larger is left out of its event, which says where to get it. Without it,
    what is usual: what the server says (NATS), 1,000,000 (Kafka), 16 MiB (RabbitMQ), 512 MiB (Redis), 256 KiB (SQS,
    SNS)."""

    def __post_init__(self) -> None:
        types = {"nats": self.nats, "kafka": self.kafka, "rabbit": self.rabbit, "redis": self.redis, "aws": self.aws}
        if sum(each is not None for each in types.values()) != 1:
            raise ValueError(f"must have exactly one of {', '.join(types)}")
