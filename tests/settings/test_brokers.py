"""Message brokers that events may be delivered to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.app import brokers_of
from callboard.builtin.sinks.brokers import AwsAccount, KafkaServer, NatsServer, UrlServer
from callboard.errors import InvalidConfiguration
from callboard.settings import Settings

Configured = Callable[..., Settings]

EVERYTHING = """
callboard:
  subscriptions:
    brokers:
      a:
        allow: ['catalog.*']
        nats: {servers: ['tls://n1:4222', 'tls://n2:4222'], username: me, password: s3cret, caFile: ca.pem}
      b:
        allow: [catalog]
        maxMessageBytes: 5 MiB
        kafka: {servers: ['k1:9092'], tls: true, username: me, password: s3cret, mechanism: PLAIN, idempotent: false}
      c: {rabbit: {url: 'amqps://me:s3cret@rabbit:5671/vhost'}}
      d: {redis: {url: 'rediss://:${PASSWORD}@redis:6379/0'}}
      e: {aws: {region: eu-central-1, endpoint: 'http://sqs.internal', accessKeyId: me, secretAccessKey: s3cret}}
"""


def test_each_type_of_brokers_has_its_settings(configured: Configured) -> None:
    settings = configured(EVERYTHING, {"PASSWORD": "s3cret"})
    known = brokers_of(settings.callboard.subscriptions.brokers)

    assert settings.warnings == ()
    assert known.nats["a"].server == NatsServer(
        servers=("tls://n1:4222", "tls://n2:4222"),
        username="me",
        password="s3cret",
        ca=Path("ca.pem").absolute(),
    )
    assert known.kafka["b"].server == KafkaServer(
        servers=("k1:9092",), tls=True, username="me", password="s3cret", mechanism="PLAIN", idempotent=False
    )
    assert known.rabbit["c"].server == UrlServer("amqps://me:s3cret@rabbit:5671/vhost")
    assert known.redis["d"].server == UrlServer("rediss://:s3cret@redis:6379/0")
    assert known.aws["e"].server == AwsAccount(
        region="eu-central-1", endpoint="http://sqs.internal", access_key_id="me", secret_access_key="s3cret"
    )
    assert (known.nats["a"].allow, known.nats["a"].max_message_bytes) == (("catalog.*",), None)
    assert (known.kafka["b"].allow, known.kafka["b"].max_message_bytes) == (("catalog",), 5 * 1024 * 1024)
    assert known.rabbit["c"].allow == ()


def test_credentials_are_shown_nowhere(configured: Configured) -> None:
    settings = configured(EVERYTHING, {"PASSWORD": "s3cret"})

    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(brokers_of(settings.callboard.subscriptions.brokers))


@pytest.mark.parametrize(
    ("broker", "message"),
    [
        ("{allow: [x]}", ": must have exactly one of nats, kafka, rabbit, redis, aws"),
        (
            "{redis: {url: 'redis://r'}, rabbit: {url: 'amqp://r'}}",
            ": must have exactly one of nats, kafka, rabbit, redis, aws",
        ),
        ("{nats: {}}", ".nats.servers: is missing"),
        (
            "{nats: {servers: ['nats://me:s3cret@n:4222']}}",
            '.nats.servers[0]: expected a text such as "nats://host:4222", got something else',
        ),
        ("{nats: {servers: ['n:4222']}}", '.nats.servers[0]: expected a text such as "nats://host:4222"'),
        (
            "{kafka: {servers: ['kafka://k:9092']}}",
            ".kafka.servers[0]: expected a text such as \"kafka-1:9092\", got 'kafka://k:9092'",
        ),
        ("{kafka: {servers: [k]}}", ".kafka.servers[0]: expected a text such as"),
        ("{kafka: {servers: ['k:99999']}}", ".kafka.servers[0]: expected a text such as"),
        (
            "{kafka: {servers: ['k:1'], mechanism: MD5}}",
            ".kafka.mechanism: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got 'MD5'",
        ),
        (
            "{rabbit: {url: 'http://me:s3cret@r'}}",
            '.rabbit.url: expected a text such as "amqps://user:password@host/vhost", got something else',
        ),
        ("{redis: {url: 'redis://me:s3cret@r:x'}}", '.redis.url: expected a text such as "rediss://user:password@host'),
        ("{aws: {region: here}}", ".aws.region: expected a text such as \"eu-central-1\", got 'here'"),
        ("{aws: {region: eu-west-1, accessKeyId: me}}", ".aws: accessKeyId and secretAccessKey must be given together"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(configured: Configured, broker: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration) as wrong:
        configured(f"callboard:\n  subscriptions:\n    brokers:\n      main: {broker}\n")

    assert f"app-config.yaml:4: callboard.subscriptions.brokers.main{message}" in str(wrong.value)
    assert "s3cret" not in str(wrong.value)
