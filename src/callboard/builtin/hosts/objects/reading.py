"""The code host for buckets: a bucket is what a repository is elsewhere."""

import posixpath
from collections.abc import Mapping, Sequence

from callboard.builtin.hosts.objects import asking
from callboard.builtin.hosts.objects.options import AzureOptions, GcsOptions, S3Options
from callboard.builtin.hosts.objects.stores import S3, Azure, Bucket, Gcs, Service, key_of
from callboard.builtin.hosts.places import Target
from callboard.errors import InvalidRef
from callboard.extend import Content, NotModified, PluginContext, Repository, configuration
from callboard.model.repositories import Place


class ObjectHost:
    """Reads the files in the buckets of a service (an `extend.CodeHost`)."""

    def __init__(self, service: Service) -> None:
        self.name = service.name
        self._service = service

    def covers(self, url: str) -> bool:
        """Whether *url* leads into a bucket of this service."""
        return self._service.bucket(url) is not None

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """The file at *target*. Its version is its ETag."""
        bucket, wanted = self._target(target)
        most = self._service.outside.max_bytes
        found = await asking.get(self._service.store(bucket), wanted.path, target, version, most)
        if found is None:
            assert version is not None
            return NotModified(target, version)
        return Content(target, *found)

    async def expand(self, target: str) -> Sequence[str]:
        """The files that the wildcards of *target* match, `**` being any number of folders."""
        bucket, wanted = self._target(target)
        if "*" not in wanted.place.written:
            return [target]
        keys = await asking.keys(self._service.store(bucket), wanted.folder, target)
        return [wanted.url(key) for key in wanted.matching(keys)]

    def resolve(self, base: str, relative: str) -> str:
        """The URL that *relative* names in the file at *base*; from the root of the bucket, if it begins with "/"."""
        return relative if self.covers(relative) else self._target(base)[1].joined(relative, base)

    def contains(self, base: str, target: str) -> bool:
        """Whether both are in one bucket."""
        one, other = self._service.bucket(base), self._service.bucket(target)
        return one is not None and other is not None and (one.name, one.where) == (other.name, other.where)

    def links(self, target: str) -> Mapping[str, str]:
        """The folder of the file."""
        bucket = self._service.bucket(target)
        if bucket is None:
            return {}
        folder = posixpath.dirname(key_of(target, bucket))
        return {"backstage.io/source-location": f"url:{bucket.url}/{f'{folder}/' if folder else ''}"}

    def repository(self, url: str) -> Repository | None:
        """The bucket."""
        bucket = self._service.bucket(url)
        return None if bucket is None else Repository(url=bucket.url, name=bucket.name)

    async def find(self, url: str, name: str) -> Sequence[str]:
        """The URLs of the files called *name* in the bucket that *url* leads to."""
        bucket = self._service.bucket(url)
        if bucket is None:
            raise InvalidRef(f"{url} does not lead into a bucket on {self.name}")
        keys = await asking.keys(self._service.store(bucket), "", url)
        place = Place(f"{bucket.url}/", "")
        return [place.at(key).url for key in sorted(keys) if posixpath.basename(key) == name]

    def _target(self, url: str) -> tuple[Bucket, Target]:
        bucket = self._service.bucket(url)
        key = "" if bucket is None else key_of(url, bucket)
        if bucket is None or not key:
            raise InvalidRef(f"{url} does not name a file in a bucket on {self.name}")
        rest = url[len(bucket.url) :]
        before = url[: len(url) - len(rest.lstrip("/"))]
        place = Place(before, key, url[len(before) + len(key) :])
        return bucket, Target(repository=bucket.name, ref=None, place=place)


def s3(context: PluginContext) -> list[ObjectHost]:
    """The hosts of `integrations.awsS3`."""
    return [ObjectHost(service) for service in s3_services(context)]


def gcs(context: PluginContext) -> list[ObjectHost]:
    """The host of `integrations.googleGcs`."""
    key = "integrations.googleGcs"
    entries = configuration.read_list(GcsOptions, context.config.integrations.get("googleGcs"), key)
    return [ObjectHost(Gcs(context.outside, each, f"{key}[{index}]")) for index, each in enumerate(entries)]


def azure(context: PluginContext) -> list[ObjectHost]:
    """The hosts of `integrations.azureBlobStorage`."""
    return [ObjectHost(service) for service in azure_services(context)]


def s3_services(context: PluginContext) -> list[S3]:
    """What `integrations.awsS3` says; Amazon itself is known without being mentioned, as in Backstage."""
    key = "integrations.awsS3"
    entries = configuration.read_list(S3Options, context.config.integrations.get("awsS3"), key)
    services = [S3(context.outside, each, f"{key}[{index}]") for index, each in enumerate(entries)]
    if any(each.endpoint is None for each in entries):
        return services
    return [*services, S3(context.outside, S3Options(), key)]


def azure_services(context: PluginContext) -> list[Azure]:
    """What `integrations.azureBlobStorage` says."""
    key = "integrations.azureBlobStorage"
    entries = configuration.read_list(AzureOptions, context.config.integrations.get("azureBlobStorage"), key)
    return [Azure(context.outside, each, f"{key}[{index}]") for index, each in enumerate(entries)]
