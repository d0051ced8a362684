"""Options of object stores, with Backstage's keys."""

from urllib.parse import urlsplit

from callboard.errors import InvalidConfiguration
from callboard.extend import Schedule
from callboard.extend.configuration import Duration, Options, Secret


class S3Options(Options, kw_only=True):
    """An entry of `integrations.awsS3`. Without keys, those of the environment or of the machine's role are used."""

    endpoint: str | None = None
    """The address of a server that behaves like S3."""
    s3_force_path_style: bool = False
    """Whether the name of the bucket is in the path of its URLs; only matters for an *endpoint*."""
    access_key_id: str | None = None
    secret_access_key: Secret | None = None
    role_arn: str | None = None
    external_id: Secret | None = None


class GcsOptions(Options, kw_only=True):
    """`integrations.googleGcs`. Without a key, the credentials of the environment are used."""

    client_email: str | None = None
    private_key: Secret | None = None
    endpoint: str | None = None
    """The address of a server that behaves like Google's."""


class AadOptions(Options, kw_only=True):
    """An application that is registered with Microsoft Entra ID."""

    client_id: str
    tenant_id: str
    client_secret: Secret


class AzureOptions(Options, kw_only=True):
    """An entry of `integrations.azureBlobStorage`."""

    account_name: str | None = None
    account_key: Secret | None = None
    sas_token: Secret | None = None
    connection_string: Secret | None = None
    endpoint_suffix: str = "blob.core.windows.net"
    endpoint: str | None = None
    aad_credential: AadOptions | None = None


class QueueOptions(Options, kw_only=True):
    """A queue of SQS."""

    url: str
    region: str | None = None
    """That of the URL, if it is Amazon's."""


class QueueEvents(Options, kw_only=True):
    """Where the events of a bucket come in, with the keys of a topic in Backstage's module for SQS."""

    queue: QueueOptions
    visibility_timeout: Duration | None = None
    """None: what the queue says."""
    wait_time: Duration = Duration(20.0)
    """For the first message."""
    wait_time_after_empty_receive: Duration = Duration(0.0)


class S3Discovery(Options, kw_only=True):
    """An entry of `catalog.providers.awsS3`."""

    bucket_name: str
    prefix: str = ""
    region: str | None = None
    account_id: str | None = None
    """Accepted, and without effect: it is read with the credentials of `integrations.awsS3`."""
    schedule: Schedule | None = None
    events: QueueEvents | None = None
    """None: changes are noticed when the bucket is listed."""


class AzureDiscovery(Options, kw_only=True):
    """An entry of `catalog.providers.azureBlob`."""

    container_name: str
    account_name: str | None = None
    prefix: str = ""
    schedule: Schedule | None = None


def endpoint_of(value: str | None, at: str) -> str | None:
    """The address *value* without a slash at the end. Raises InvalidConfiguration, which names the key *at*."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InvalidConfiguration(f"{at}: expected a URL, as https://objects.example.com, got {value!r}")
    return value.rstrip("/")
