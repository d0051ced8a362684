"""Stores: which bucket and which file a URL names, and who may read there."""

import abc
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from callboard.builtin.hosts.objects import asking
from callboard.builtin.hosts.objects.asking import Store
from callboard.builtin.hosts.objects.options import AzureOptions, GcsOptions, S3Options, endpoint_of
from callboard.errors import InvalidConfiguration
from callboard.extend import Outside
from callboard.model.repositories import PLAIN

if TYPE_CHECKING:
    from obstore.store import AzureConfig, GCSConfig, S3Config

_AMAZON = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?"
)
_GOOGLE = ("storage.cloud.google.com", "storage.googleapis.com")
_NAME = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or a container."""

    name: str
    url: str
    """What the URLs of its files begin with, without the slash."""
    where: str = ""
    """The region, or the account."""


class Service(abc.ABC):
    """Buckets of one system, under one set of credentials."""

    name: str

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self._stores: dict[Bucket, Store] = {}

    @abc.abstractmethod
    def bucket(self, url: str) -> Bucket | None:
        """The bucket that *url* leads into; None when it is none of this service."""

    @abc.abstractmethod
    def open(self, bucket: Bucket) -> Store:
        """What the bucket is read with."""

    def store(self, bucket: Bucket) -> Store:
        """As `open`; made once."""
        if bucket not in self._stores:
            self._stores[bucket] = self.open(bucket)
        return self._stores[bucket]


class S3(Service):
    """AWS S3, and what behaves like it."""

    def __init__(self, outside: Outside, options: S3Options, at: str) -> None:
        super().__init__(outside)
        self.options = options
        self._endpoint = endpoint_of(options.endpoint, f"{at}.endpoint")
        if self._endpoint is not None and urlsplit(self._endpoint).path:
            raise InvalidConfiguration(f"{at}.endpoint: expected a URL without a path, got {options.endpoint!r}")
        if (options.access_key_id is None) != (options.secret_access_key is None):
            raise InvalidConfiguration(f"{at}: expected accessKeyId and secretAccessKey, got one of them")
        self.name = urlsplit(self._endpoint).netloc if self._endpoint else "amazonaws.com"

    def bucket(self, url: str) -> Bucket | None:
        """In virtual-hosted style, `https://shop.s3.eu-central-1.amazonaws.com/…`, or in path style."""
        parts = _parts(url)
        if parts is None:
            return None
        origin, host, first = parts
        if self._endpoint is not None:
            own = urlsplit(self._endpoint)
            if origin == self._endpoint:
                return _named(first, f"{origin}/{first}") if self.options.s3_force_path_style else None
            virtual = urlsplit(origin)
            name = virtual.netloc.removesuffix(f".{own.netloc}")
            fits = not self.options.s3_force_path_style and name != virtual.netloc and virtual.scheme == own.scheme
            return _named(name, origin) if fits else None
        match = _AMAZON.fullmatch(host)
        if match is None or not origin.startswith("https://"):
            return None
        region = match["region"] or ""
        if match["bucket"]:
            return _named(match["bucket"], origin, region)
        return _named(first, f"{origin}/{first}", region)

    def url_of(self, name: str, region: str | None) -> str:
        """What the URLs of the files of a bucket begin with, as Backstage writes them."""
        if self._endpoint is None:
            return f"https://{name}.s3.{f'{region}.' if region else ''}amazonaws.com"
        if self.options.s3_force_path_style:
            return f"{self._endpoint}/{name}"
        own = urlsplit(self._endpoint)
        return f"{own.scheme}://{name}.{own.netloc}"

    def open(self, bucket: Bucket) -> S3Store:
        """With the keys of the options, or those that are found around here."""
        own = self.options
        config: S3Config = {}
        if bucket.where:
            config["region"] = bucket.where
        if self._endpoint is not None:
            config["endpoint"] = self._endpoint if own.s3_force_path_style else bucket.url
            config["virtual_hosted_style_request"] = not own.s3_force_path_style
        if own.access_key_id is not None and own.secret_access_key is not None and own.role_arn is None:
            config["access_key_id"] = own.access_key_id
            config["secret_access_key"] = str(own.secret_access_key).strip()
        provider = None
        if own.role_arn is not None:
            # Another extra, which only roles need.
            from callboard.builtin.hosts.objects import roles  # noqa: PLC0415

            provider = roles.provider(own, bucket.where or "us-east-1")
        return S3Store(
            bucket.name,
            config=config,
            credential_provider=provider,
            client_options=asking.client_options(self.outside, self._endpoint),
            retry_config=asking.retries(self.outside),
        )


class Gcs(Service):
    """Google Cloud Storage."""

    def __init__(self, outside: Outside, options: GcsOptions, at: str) -> None:
        super().__init__(outside)
        self._options = options
        self._endpoint = endpoint_of(options.endpoint, f"{at}.endpoint")
        if (options.client_email is None) != (options.private_key is None):
            raise InvalidConfiguration(f"{at}: expected clientEmail and privateKey, got one of them")
        self.name = urlsplit(self._endpoint).netloc if self._endpoint else _GOOGLE[0]

    def bucket(self, url: str) -> Bucket | None:
        """`https://storage.cloud.google.com/bucket/…`."""
        parts = _parts(url)
        if parts is None:
            return None
        origin, host, first = parts
        fits = origin == self._endpoint if self._endpoint else host in _GOOGLE and origin == f"https://{host}"
        return _named(first, f"{origin}/{first}") if fits else None

    def open(self, bucket: Bucket) -> GCSStore:
        """With the key of the options, or the credentials that are found around here."""
        own = self._options
        config: GCSConfig = {}
        if own.client_email is not None:
            key = str(own.private_key).replace("\\n", "\n")
            account = {"type": "service_account", "client_email": own.client_email, "private_key": key}
            config["service_account_key"] = json.dumps({**account, "private_key_id": ""})
        if self._endpoint is not None:
            config["base_url"] = self._endpoint
            config["skip_signature"] = own.client_email is None
        return GCSStore(
            bucket.name,
            config=config,
            client_options=asking.client_options(self.outside, self._endpoint),
            retry_config=asking.retries(self.outside),
        )


class Azure(Service):
    """Azure Blob Storage."""

    def __init__(self, outside: Outside, options: AzureOptions, at: str) -> None:
        super().__init__(outside)
        said = _connection(options.connection_string, f"{at}.connectionString")
        self._options = options
        self._account = options.account_name or said.get("AccountName")
        self._key = options.account_key or said.get("AccountKey")
        self._sas = options.sas_token or said.get("SharedAccessSignature")
        self._endpoint = endpoint_of(options.endpoint or said.get("BlobEndpoint"), f"{at}.endpoint")
        suffix = said.get("EndpointSuffix")
        self._suffix = f"blob.{suffix}" if suffix else options.endpoint_suffix
        proofs = [self._key, self._sas, options.aad_credential]
        if any(proofs) and self._account is None:
            raise InvalidConfiguration(f"{at}.accountName: expected the account that the credentials are for, got none")
        if sum(proof is not None for proof in proofs) > 1:
            raise InvalidConfiguration(f"{at}: expected one of accountKey, sasToken and aadCredential, got several")
        usual = f"{self._account}.{self._suffix}" if self._account else self._suffix
        self.name = urlsplit(self._endpoint).netloc if self._endpoint else usual

    @property
    def account(self) -> str | None:
        """The only account that the credentials are for."""
        return self._account

    def bucket(self, url: str) -> Bucket | None:
        """`https://account.blob.core.windows.net/container/…`."""
        if self._endpoint is not None:
            rest = url.removeprefix(f"{self._endpoint}/")
            first = re.split(r"[/?#]", rest, maxsplit=1)[0]
            return _named(first, f"{self._endpoint}/{first}", self._account or "") if rest != url else None
        parts = _parts(url)
        if parts is None:
            return None
        origin, host, first = parts
        account = host.removesuffix(f".{self._suffix}")
        fits = origin == f"https://{host}" and account != host and account == (self._account or account).lower()
        return _named(first, f"{origin}/{first}", account) if fits else None

    def url_of(self, container: str, account: str | None) -> str:
        """What the URLs of the files of a container begin with."""
        return f"{self._endpoint or f'https://{account or self._account}.{self._suffix}'}/{container}"

    def open(self, bucket: Bucket) -> AzureStore:
        """With what the options say, or with what is found around here."""
        config: AzureConfig = {"account_name": self._account or bucket.where}
        aad = self._options.aad_credential
        if self._key is not None:
            config["account_key"] = str(self._key)
        elif self._sas is not None:
            config["sas_key"] = str(self._sas).removeprefix("?")
        elif aad is not None:
            config["client_id"], config["tenant_id"] = aad.client_id, aad.tenant_id
            config["client_secret"] = str(aad.client_secret)
        if self._endpoint is not None:
            config["endpoint"] = self._endpoint
        elif self._suffix != "blob.core.windows.net":
            config["endpoint"] = f"https://{config['account_name']}.{self._suffix}"
        return AzureStore(
            bucket.name,
            config=config,
            client_options=asking.client_options(self.outside, self._endpoint),
            retry_config=asking.retries(self.outside),
        )


Maker = Callable[[], Service]


def key_of(url: str, bucket: Bucket) -> str:
    """The key of the file that *url* names, as it is written there."""
    return re.split(r"[?#]", url[len(bucket.url) :], maxsplit=1)[0].lstrip("/")


def url_of(bucket_url: str, key: str) -> str:
    """The URL of a file."""
    return f"{bucket_url}/{quote(key, safe=_SAFE)}"


_SAFE = f"{PLAIN}*"
"""What Backstage's `encodeURI` leaves as it is."""


def _parts(url: str) -> tuple[str, str, str] | None:
    """The origin and the host of *url*, and the first segment of its path; None when it is none of a web server."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}", host, parts.path.lstrip("/").partition("/")[0]


def _named(name: str, url: str, where: str = "") -> Bucket | None:
    return Bucket(unquote(name), url, where) if _NAME.fullmatch(unquote(name)) else None


def _connection(text: str | None, at: str) -> dict[str, str]:
    """The parts of a connection string. Raises InvalidConfiguration."""
    if text is None:
        return {}
    pairs = [part.partition("=") for part in str(text).split(";") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise InvalidConfiguration(
            f"{at}: expected parts like AccountName=…, divided by semicolons, got something else"
        )
    return {name.strip(): value.strip() for name, _, value in pairs}
