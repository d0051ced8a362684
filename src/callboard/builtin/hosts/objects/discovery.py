"""Discovery in buckets: each file in them is a location, with the names that Backstage's modules give."""

import re
from collections.abc import Sequence

from callboard.builtin.hosts.discovery import Found, offered
from callboard.builtin.hosts.objects import asking
from callboard.builtin.hosts.objects.options import AzureDiscovery, AzureOptions, S3Discovery
from callboard.builtin.hosts.objects.reading import ObjectHost, azure_services, s3_services
from callboard.builtin.hosts.objects.stores import S3, Azure, Bucket, Service, url_of
from callboard.errors import InvalidConfiguration
from callboard.extend import IncrementalEntityProvider, JsonValue, Page, PluginContext, Schedule, configuration


class BucketDiscovery(IncrementalEntityProvider):
    """The files of a bucket whose keys begin with a prefix, a thousand at a time."""

    def __init__(self, name: str, service: Service, bucket: Bucket, prefix: str, schedule: Schedule | None) -> None:
        self.name = name
        self.schedule = schedule
        self._service = service
        self._bucket = bucket
        self._prefix = prefix.lstrip("/")

    async def next(self, cursor: JsonValue) -> Page:
        """The files behind the key *cursor*."""
        folder = self._prefix.rpartition("/")[0]
        after = cursor if isinstance(cursor, str) else None
        listed = asking.chunks(self._service.store(self._bucket), folder, self._bucket.url, after)
        async for keys in listed:
            wanted = [key for key in keys if key.startswith(self._prefix) and not key.endswith("/")]
            targets = [url_of(self._bucket.url, key) for key in wanted]
            # They were listed a moment ago, so it would be an error if one could not be read.
            found = [offered(Found(target=target, required=True), self.name) for target in targets]
            return Page(found, keys[-1])
        return Page([], done=True)


def s3(context: PluginContext) -> Sequence[BucketDiscovery | ObjectHost]:
    """The providers of `catalog.providers.awsS3`, and what reads their files if no integration does."""
    key = "catalog.providers.awsS3"
    said = configuration.read_by_id(S3Discovery, context.config.providers.get("awsS3"), key, flat=("bucketName",))
    services = s3_services(context)
    made: list[BucketDiscovery | ObjectHost] = []
    for name, options in said.items():
        url = services[0].url_of(options.bucket_name, options.region)
        bucket = _bucket(services[0], url, f"{key}.{name}.bucketName", options.bucket_name)
        made.append(_s3_provider(context, f"awsS3-provider:{name}", options, services[0], bucket, f"{key}.{name}"))
    if context.config.integrations.get("awsS3") is None:
        made += [ObjectHost(service) for service in services]
    return made


def _s3_provider(
    context: PluginContext, name: str, options: S3Discovery, service: S3, bucket: Bucket, at: str
) -> BucketDiscovery:
    prefix, schedule = options.prefix, options.schedule
    if options.events is None:
        return BucketDiscovery(name, service, bucket, prefix, schedule)
    # Another extra, which only queues need.
    from callboard.builtin.hosts.objects import hearing, queues  # noqa: PLC0415

    queue = queues.Queue(options.events, service.options, context.outside, f"{at}.events")
    return hearing.HeardBucket(name, service, bucket, prefix, schedule, queue)


def azure(context: PluginContext) -> Sequence[BucketDiscovery | ObjectHost]:
    """The providers of `catalog.providers.azureBlob`, and what reads their files if no integration does."""
    key = "catalog.providers.azureBlob"
    said = configuration.read_by_id(
        AzureDiscovery, context.config.providers.get("azureBlob"), key, flat=("containerName",)
    )
    services, made = azure_services(context), list[BucketDiscovery | ObjectHost]()
    for name, options in said.items():
        service = _account(services, options.account_name)
        if service is None:
            if options.account_name is None:
                raise InvalidConfiguration(f"{key}.{name}.accountName: expected the name of an account, got none")
            service = Azure(context.outside, AzureOptions(account_name=options.account_name), f"{key}.{name}")
            services.append(service)
            made.append(ObjectHost(service))
        url = service.url_of(options.container_name, options.account_name)
        bucket = _bucket(service, url, f"{key}.{name}.containerName", options.container_name)
        made.append(BucketDiscovery(f"azureBlob-provider:{name}", service, bucket, options.prefix, options.schedule))
    return made


def _account(services: Sequence[Azure], name: str | None) -> Azure | None:
    """The first service that knows the account, or any account if there is no other one."""
    own = [service for service in services if service.account is not None and name in (None, service.account)]
    return next(iter(own), None) or next((each for each in services if each.account is None and name), None)


def _bucket(service: Service, url: str, at: str, name: str) -> Bucket:
    bucket = service.bucket(f"{url}/")
    if bucket is None or not re.fullmatch(r"[^/?#]+", name):
        raise InvalidConfiguration(f"{at}: expected the name of a bucket, got {name!r}")
    return bucket
