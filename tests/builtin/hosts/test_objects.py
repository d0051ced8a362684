"""Files in buckets: of a server that behaves like S3, and of the fakes of Google's and Microsoft's stores."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiobotocore.session import AioSession

from benchmarks.programs import Program
from callboard.builtin.hosts.objects import discovery, reading
from callboard.builtin.hosts.objects.discovery import BucketDiscovery
from callboard.builtin.hosts.objects.reading import ObjectHost
from callboard.errors import CallboardError, InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import CodeHost, Content, JsonValue, NotModified, Offered, Outside, PluginConfig, PluginContext
from callboard.extend.outside import nowhere
from callboard.testing.conformance import CodeHostCases
from callboard.testing.objects import FakeAzureBlobs, FakeGoogleStorage, FakeObjectStore

KEYS: dict[str, JsonValue] = {"accessKeyId": "key", "secretAccessKey": "s3cret"}


def context(
    integrations: dict[str, JsonValue], providers: dict[str, JsonValue] | None = None, max_bytes: int = 100_000
) -> PluginContext:
    outside = Outside(client=nowhere().client, timeout_seconds=5, max_bytes=max_bytes)
    return PluginContext(PluginConfig(providers=providers or {}, integrations=integrations), {}, outside)


@dataclass(slots=True)
class Amazon:
    """A bucket of its own."""

    endpoint: str
    bucket: str

    def client(self) -> AbstractAsyncContextManager[Any]:
        return cast(
            "AbstractAsyncContextManager[Any]",
            AioSession().create_client(
                "s3",
                region_name="us-east-1",
                endpoint_url=self.endpoint,
                aws_access_key_id="key",
                aws_secret_access_key="s3cret",
            ),
        )

    async def put(self, *keys: str, content: str = "one") -> None:
        async with self.client() as s3:
            await s3.create_bucket(Bucket=self.bucket)
            await asyncio.gather(*(s3.put_object(Bucket=self.bucket, Key=key, Body=content.encode()) for key in keys))

    def integrations(self, **more: JsonValue) -> dict[str, JsonValue]:
        return {"awsS3": [{"endpoint": self.endpoint, "s3ForcePathStyle": True, **KEYS, **more}]}

    @property
    def host(self) -> ObjectHost:
        return reading.s3(context(self.integrations()))[0]

    def url(self, key: str) -> str:
        return f"{self.endpoint}/{self.bucket}/{key}"


@pytest.fixture
def amazon(aws_server: Program, request: pytest.FixtureRequest) -> Amazon:
    return Amazon(f"http://127.0.0.1:{aws_server.port}", f"bucket-{abs(hash(request.node.name))}")


async def test_a_file_is_read_and_not_again_while_it_stays_the_same(amazon: Amazon) -> None:
    await amazon.put("shop/catalog-info.yaml")
    url = amazon.url("shop/catalog-info.yaml")

    first = await amazon.host.read(url)
    assert isinstance(first, Content)
    again = await amazon.host.read(url, version=first.version)
    await amazon.put("shop/catalog-info.yaml", content="two")
    changed = await amazon.host.read(url, version=first.version)

    assert first.data == b"one"
    assert isinstance(again, NotModified)
    assert isinstance(changed, Content)
    assert changed.data == b"two"


async def test_wildcards_are_matched_by_listing(amazon: Amazon) -> None:
    await amazon.put("a/catalog-info.yaml", "b/c/catalog-info.yaml", "b/other.yaml", "catalog-info.yaml", "a b&c.yaml")

    assert await amazon.host.expand(amazon.url("**/catalog-info.yaml")) == [
        amazon.url(key) for key in ("a/catalog-info.yaml", "b/c/catalog-info.yaml", "catalog-info.yaml")
    ]
    assert await amazon.host.expand(amazon.url("b/*.yaml")) == [amazon.url("b/other.yaml")]
    (spaced,) = await amazon.host.expand(amazon.url("a*c.yaml"))
    assert isinstance(await amazon.host.read(spaced), Content)
    assert await amazon.host.find(amazon.url(""), "other.yaml") == [amazon.url("b/other.yaml")]


async def test_what_is_not_there_or_too_large_is_said(amazon: Amazon) -> None:
    await amazon.put("large.yaml", content="x" * 200)
    small = reading.s3(context(amazon.integrations(), max_bytes=100))[0]

    with pytest.raises(LocationNotFound, match="nothing was found"):
        await small.read(amazon.url("none.yaml"))
    with pytest.raises(Unreadable, match="larger than 100 bytes"):
        await small.read(amazon.url("large.yaml"))
    with pytest.raises(InvalidRef, match="does not name a file"):
        await small.read(amazon.url(""))


async def test_a_bucket_is_discovered_page_by_page(amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    # A thousand files would take a second.
    monkeypatch.setattr("callboard.builtin.hosts.objects.asking._CHUNK", 2)
    await amazon.put("team-a/1.yaml", "team-a/2.yaml", "team-b/3.yaml", "team/4.yaml", "other/5.yaml")
    said: dict[str, JsonValue] = {"awsS3": {"own": {"bucketName": amazon.bucket, "prefix": "team-", "accountId": "1"}}}

    (provider,) = discovery.s3(context(amazon.integrations(), said))
    assert isinstance(provider, BucketDiscovery)
    cursor, found = None, list[Offered]()
    while not (page := await provider.next(cursor)).done:
        cursor = page.cursor
        found += page.entities

    assert provider.name == "awsS3-provider:own"
    assert [each.entity["spec"] for each in found] == [
        {"type": "url", "target": amazon.url(key), "presence": "required"}
        for key in ("team-a/1.yaml", "team-a/2.yaml", "team-b/3.yaml")
    ]
    assert {each.location_key for each in found} == {"awsS3-provider:own"}


async def test_a_role_lends_its_credentials(amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no setting for it: nobody but a test asks another service for roles.
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.endpoint)
    await amazon.put("a.yaml")
    role: JsonValue = "arn:aws:iam::123456789012:role/reader"
    host = reading.s3(context(amazon.integrations(roleArn=role, externalId="us")))[0]

    read = await host.read(amazon.url("a.yaml"))

    assert isinstance(read, Content)


@pytest.mark.parametrize(
    ("url", "bucket", "where"),
    [
        ("https://shop.s3.eu-central-1.amazonaws.com/a/b.yaml", "shop", "eu-central-1"),
        ("https://shop.s3.amazonaws.com/a/b.yaml", "shop", ""),
        ("https://shop.with.dots.s3-us-west-2.amazonaws.com/a/b.yaml", "shop.with.dots", "us-west-2"),
        ("https://s3.us-gov-west-1.amazonaws.com/shop/a/b.yaml", "shop", "us-gov-west-1"),
        ("https://s3.amazonaws.com/shop/a/b.yaml", "shop", ""),
    ],
)
def test_amazons_urls_name_buckets(url: str, bucket: str, where: str) -> None:
    (service,) = reading.s3_services(context({"awsS3": [KEYS]}))

    found = service.bucket(url)

    assert found is not None
    assert (found.name, found.where) == (bucket, where)
    assert ObjectHost(service).links(url) == {"backstage.io/source-location": f"url:{url.removesuffix('b.yaml')}"}
    assert ObjectHost(service).resolve(url, "../c.yaml") == url.replace("a/b.yaml", "c.yaml")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.s3.amazonaws.com/a.yaml",
        "https://shop.s3.amazonaws.com.example.com/a.yaml",
        "https://key:secret@shop.s3.amazonaws.com/a.yaml",
        "https://s3.amazonaws.com/",
        "https://ec2.amazonaws.com/shop/a.yaml",
        "https://[",
    ],
)
def test_other_urls_are_not_covered(url: str) -> None:
    (host,) = reading.s3(context({"awsS3": [KEYS]}))

    assert not host.covers(url)


@dataclass(slots=True)
class Fake:
    """A fake store that is served, and how its host is made."""

    store: FakeObjectStore
    url: str
    make: Callable[[dict[str, JsonValue]], ObjectHost]


@pytest.fixture(params=["google", "azure"])
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    store: FakeObjectStore = FakeGoogleStorage() if request.param == "google" else FakeAzureBlobs()
    with store.serve() as address:
        if request.param == "google":
            yield Fake(store, f"{address}/shop", lambda more: _google(address, more))
        else:
            endpoint = f"{address}/account"
            yield Fake(store, f"{endpoint}/shop", lambda more: _azure(endpoint, more))


def _google(address: str, more: dict[str, JsonValue]) -> ObjectHost:
    return reading.gcs(context({"googleGcs": {"endpoint": address, **more}}))[0]


def _azure(endpoint: str, more: dict[str, JsonValue]) -> ObjectHost:
    said: dict[str, JsonValue] = {"endpoint": endpoint, "accountName": "account", "accountKey": "c2VjcmV0", **more}
    return reading.azure(context({"azureBlobStorage": [said]}))[0]


async def test_other_stores_are_read_in_the_same_way(fake: Fake) -> None:
    fake.store.files.update({f"shop/{key}": b"one" for key in ("a/catalog-info.yaml", "b c/catalog-info.yaml", "x")})
    fake.store.page_size = 1
    host = fake.make({})

    found = await host.expand(f"{fake.url}/*/catalog-info.yaml")
    first = await host.read(found[1])
    assert isinstance(first, Content)
    again = await host.read(found[1], version=first.version)

    assert found == [f"{fake.url}/a/catalog-info.yaml", f"{fake.url}/b%20c/catalog-info.yaml"]
    assert first.data == b"one"
    assert isinstance(again, NotModified)
    with pytest.raises(LocationNotFound):
        await host.read(f"{fake.url}/none.yaml")


async def test_a_store_that_refuses_is_said_without_its_words(fake: Fake) -> None:
    fake.store.token = "none has this"

    with pytest.raises(NotAllowed, match="may not read it") as raised:
        await fake.make({}).read(f"{fake.url}/a.yaml")

    assert "c2VjcmV0" not in str(raised.value)


async def test_a_signature_is_not_told_when_a_store_fails() -> None:
    store = FakeAzureBlobs(token="s3cret")
    store.files["shop/a.yaml"] = b"one"
    with store.serve() as address:
        said: JsonValue = [{"endpoint": f"{address}/account", "accountName": "account", "sasToken": "?sv=1&sig=s3cret"}]
        (host,) = reading.azure(context({"azureBlobStorage": said}))
        read = await host.read(f"{address}/account/shop/a.yaml")
        store.status = 400
        with pytest.raises(CallboardError) as raised:
            await host.read(f"{address}/account/shop/a.yaml")

    assert isinstance(read, Content)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("integrations", "told"),
    [
        ({"awsS3": [{"accessKeyId": "a"}]}, r"integrations.awsS3\[0\]: expected accessKeyId and secretAccessKey"),
        ({"awsS3": [{"endpoint": "nowhere"}]}, r"integrations.awsS3\[0\].endpoint: expected a URL"),
        ({"awsS3": [{"endpoint": "https://h/x"}]}, r"\.endpoint: expected a URL without a path"),
        ({"googleGcs": {"clientEmail": "a"}}, r"integrations.googleGcs\[0\]: expected clientEmail and privateKey"),
        ({"azureBlobStorage": [{"accountKey": "a"}]}, r"azureBlobStorage\[0\].accountName: expected the account"),
        (
            {"azureBlobStorage": [{"accountName": "a", "accountKey": "a", "sasToken": "b"}]},
            "expected one of accountKey, sasToken and aadCredential",
        ),
        ({"azureBlobStorage": [{"connectionString": "nothing"}]}, "expected parts like AccountName"),
    ],
)
def test_what_cannot_be_meant_is_said_by_its_key(integrations: dict[str, JsonValue], told: str) -> None:
    made = context(integrations)
    with pytest.raises(InvalidConfiguration, match=told):
        [*reading.s3(made), *reading.gcs(made), *reading.azure(made)]


def test_a_connection_string_says_which_account() -> None:
    said: JsonValue = "AccountName=shop;AccountKey=c2VjcmV0==;EndpointSuffix=core.windows.net"
    (host,) = reading.azure(context({"azureBlobStorage": [{"connectionString": said}]}))

    assert host.covers("https://shop.blob.core.windows.net/container/a.yaml")
    assert not host.covers("https://other.blob.core.windows.net/container/a.yaml")


def test_a_container_is_discovered_under_its_account() -> None:
    said: dict[str, JsonValue] = {"azureBlob": {"containerName": "catalog", "accountName": "shop"}}

    host, provider = discovery.azure(context({}, said))

    assert provider.name == "azureBlob-provider:default"
    assert isinstance(host, ObjectHost)
    assert host.covers("https://shop.blob.core.windows.net/catalog/a.yaml")


@pytest.fixture(scope="module")
def buckets() -> Iterator[None]:
    """Two buckets that are there for all the cases of code hosts."""
    store = FakeGoogleStorage()
    for bucket in ("shop", "web"):
        store.files.update({f"{bucket}/catalog/{name}.yaml": b"kind: Component\n" for name in ("a", "b")})
    with store.serve() as address:
        TestBuckets.address, TestBuckets.root = address, f"{address}/shop"
        TestBuckets.there, TestBuckets.missing = f"{address}/shop/catalog/a.yaml", f"{address}/shop/catalog/c.yaml"
        TestBuckets.elsewhere, TestBuckets.pattern = f"{address}/web/catalog/a.yaml", f"{address}/shop/**/*.yaml"
        yield


@pytest.mark.usefixtures("buckets")
class TestBuckets(CodeHostCases):
    """The cases of code hosts, for a fake of Google's store."""

    address = ""

    def make(self) -> CodeHost:
        return _google(self.address, {})
