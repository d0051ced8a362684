import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from callboard.builtin.readers.allowed_hosts import AllowedHost, AllowList
from callboard.builtin.readers.http import HttpReader
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified

Handler = Callable[[httpx2.Request], httpx2.Response] | Callable[[httpx2.Request], Awaitable[httpx2.Response]]

URL = "https://host/catalog-info.yaml"


def reader(
    handler: Handler,
    *,
    allow: tuple[AllowedHost, ...] = (AllowedHost("host"), AllowedHost("mirror")),
    timeout_seconds: float = 30,
    per_host: int = 5,
    max_bytes: int = 1000,
) -> HttpReader:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))  # type: ignore[arg-type]
    return HttpReader(client, allow=allow, timeout_seconds=timeout_seconds, per_host=per_host, max_bytes=max_bytes)


def always(status: int, **answer: object) -> HttpReader:
    return reader(lambda request: httpx2.Response(status, **answer))  # type: ignore[arg-type]


# Versions


async def test_the_version_is_the_etag() -> None:
    content = await always(200, content=b"kind: X", headers={"etag": 'W/"1"', "last-modified": "never"}).read(URL)

    assert content == Content(URL, b"kind: X", 'W/"1"')


@pytest.mark.parametrize(
    ("date", "version"),
    [
        ("Thu, 01 Jan 2026 00:00:09 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Thu, 01 Jan 2026 00:00:01 GMT", None),
        ("once upon a time", None),
        (None, None),
    ],
)
async def test_a_modification_date_is_a_version_once_it_lies_back(date: str | None, version: str | None) -> None:
    headers = {"last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "etag": "not-quoted"}
    if date is not None:
        headers["date"] = date

    content = await always(200, headers=headers).read(URL)

    assert content == Content(URL, b"", version)


@pytest.mark.parametrize(
    ("version", "header"), [('"abc"', "if-none-match"), ("Thu, 01 Jan 2026 00:00:00 GMT", "if-modified-since")]
)
async def test_content_of_the_known_version_is_not_sent_again(version: str, header: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(304 if request.headers.get(header) == version else 200)

    result = await reader(handler).read(URL, version=version)

    assert result == NotModified(URL, version)


async def test_not_modified_without_having_asked_is_an_error() -> None:
    with pytest.raises(Unreadable, match="304 Not Modified"):
        await always(304).read(URL)


# Failures


async def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(LocationNotFound, match=rf"{URL} \(404 Not Found\)"):
        await always(404).read(URL)


@pytest.mark.parametrize("status", [400, 401, 403, 410, 500, 503])
async def test_another_refusal_names_url_and_status(status: int) -> None:
    with pytest.raises(Unreadable, match=f"{URL} answered {status}"):
        await always(status).read(URL)


async def test_a_server_that_is_asked_too_often_says_when_to_come_back() -> None:
    with pytest.raises(Unreadable, match="429 Too Many Requests and asks to retry after 120"):
        await always(429, headers={"retry-after": "120"}).read(URL)


async def test_a_network_error_names_the_url() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    with pytest.raises(Unreadable, match=f"{URL}: connection refused"):
        await reader(handler).read(URL)


async def test_a_network_error_without_words_is_called_by_its_name() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("")

    with pytest.raises(Unreadable, match=f"{URL}: ReadError"):
        await reader(handler).read(URL)


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(Unreadable, match=f"{URL}: no complete answer within 0.01 s"):
        await reader(handler, timeout_seconds=0.01).read(URL)


async def test_a_large_answer_is_cut_off() -> None:
    async def endless() -> AsyncIterator[bytes]:
        sent = 0
        while True:
            sent += 100
            assert sent < 2000, "nobody stops reading"
            yield b"x" * 100

    with pytest.raises(Unreadable, match=f"{URL}: larger than 1000 bytes"):
        await always(200, content=endless()).read(URL)


async def test_the_size_counts_after_decompression() -> None:
    packed = gzip.compress(b"x" * 1001)
    assert len(packed) < 100

    with pytest.raises(Unreadable, match="larger than 1000 bytes"):
        await always(200, content=packed, headers={"content-encoding": "gzip"}).read(URL)


async def test_an_encoding_that_was_not_asked_for_is_refused_unread() -> None:
    read: list[bytes] = []

    async def packed() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b"x"

    with pytest.raises(Unreadable, match="in the encoding 'zstd'"):
        await always(200, content=packed(), headers={"content-encoding": "zstd"}).read(URL)

    assert read == []


async def test_an_encoding_does_not_hide_that_nothing_is_there() -> None:
    with pytest.raises(LocationNotFound):
        await always(404, headers={"content-encoding": "br"}).read(URL)


async def test_one_host_is_asked_by_few_at_once() -> None:
    running = peak = 0
    two_are_in, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: httpx2.Request) -> httpx2.Response:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        if running == 2:
            two_are_in.set()
        await go_on.wait()
        running -= 1
        return httpx2.Response(200)

    http = reader(handler, per_host=2)
    reads = [asyncio.ensure_future(http.read(f"https://host/{number}")) for number in range(6)]
    await two_are_in.wait()
    go_on.set()
    await asyncio.gather(*reads)

    assert peak == 2


# Redirects


async def test_redirects_are_followed_to_allowed_hosts() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "host":
            return httpx2.Response(302, headers={"location": "//mirror/moved.yaml"})
        return httpx2.Response(200, content=str(request.url).encode())

    content = await reader(handler).read(URL)

    assert content == Content(URL, b"https://mirror/moved.yaml")


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest", "ftp://host/x", "https://host:8443/x"])
async def test_redirects_elsewhere_are_not_followed(location: str) -> None:
    asked = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(307, headers={"location": location})

    with pytest.raises(NotAllowed, match=location):
        await reader(handler).read(URL)

    assert asked == [URL]


@pytest.mark.parametrize(("redirects", "works"), [(5, True), (6, False)])
async def test_five_redirects_are_followed(redirects: int, works: bool) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.path.strip("/"))
        return (
            httpx2.Response(301, headers={"location": f"/{number + 1}"}) if number < redirects else httpx2.Response(200)
        )

    reading = reader(handler).read("https://host/0")

    if works:
        assert await reading == Content("https://host/0", b"")
    else:
        with pytest.raises(Unreadable, match="more than 5 redirects"):
            await reading


async def test_a_redirect_to_nonsense_is_an_error() -> None:
    with pytest.raises(Unreadable, match="which is not a URL"):
        await always(302, headers={"location": "http://host:port/"}).read(URL)


# The allow list


def is_allowed(url: str, *allow: AllowedHost) -> bool:
    try:
        AllowList(allow).check(httpx2.URL(url))
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "url", "allowed"),
    [
        ("host", "https://host/x", True),
        ("host", "http://HOST:80/x", True),
        ("host", "http://host:8080/x", False),
        ("host", "https://host.evil/x", False),
        ("host", "https://host@evil/x", False),
        ("host", "https://host\\@evil/x", False),
        ("host:8080", "http://host:8080/x", True),
        ("host:8080", "http://host/x", False),
        ("host:443", "https://host/x", True),
        ("host:8000-8999", "http://host:8500/x", True),
        ("host:8000-8999", "http://host:9000/x", False),
        ("*.example.com", "https://a.example.com/x", True),
        ("*.example.com", "https://a.b.example.com/x", True),
        ("*.example.com", "https://example.com/x", False),
        ("*.example.com", "https://badexample.com/x", False),
        ("*.example.com:81", "http://a.example.com:81/x", True),
        ("BÜCHER.de", "https://xn--bcher-kva.de/x", True),
        ("[::1]:7", "http://[::1]:7/x", True),
    ],
)
def test_a_host_is_allowed_as_it_is_written(host: str, url: str, allowed: bool) -> None:
    assert is_allowed(url, AllowedHost(host)) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/team", True),
        ("/team/", True),
        ("/team/x.yaml?query=1", True),
        ("/teams/x.yaml", False),
        ("/team/../secret", False),
        ("/team/%2e%2e/secret", False),
        ("/team/..%2fsecret", False),
        ("/team%2fx", False),
        ("/", False),
        ("/x%20y/z", True),
    ],
)
def test_a_path_prefix_ends_with_a_segment(path: str, allowed: bool) -> None:
    assert is_allowed(f"https://host{path}", AllowedHost("host", paths=("/team", "x y/"))) is allowed


def test_no_paths_allow_nothing_and_the_root_allows_all() -> None:
    assert not is_allowed("https://host/x", AllowedHost("host", paths=()))
    assert is_allowed("https://host/x", AllowedHost("host", paths=("/",)))


async def test_a_refusal_says_what_to_configure() -> None:
    with pytest.raises(NotAllowed) as refusal:
        await always(200).read("https://elsewhere/x.yaml")

    assert "Reading from 'https://elsewhere/x.yaml' is not allowed" in str(refusal.value)
    assert "'backend.reading.allow'" in str(refusal.value)


async def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(NotAllowed) as refusal:
        await always(200).read("https://ada:secret@host/x.yaml")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "host/x"])
async def test_only_http_is_read(target: str) -> None:
    with pytest.raises(NotAllowed, match="only http and https"):
        await always(200).read(target)


@pytest.mark.parametrize("target", ["http://", "https://host:port/x"])
async def test_what_is_not_a_url_is_not_read(target: str) -> None:
    with pytest.raises(InvalidRef, match="is not a URL"):
        await always(200).read(target)


@pytest.mark.parametrize("host", ["", "a/b", "prod.*.example.com", "user@host", "host:port"])
def test_a_host_that_is_not_one_is_refused_with_the_configuration(host: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"backend\.reading\.allow"):
        AllowList([AllowedHost(host)])


# Targets


@pytest.mark.parametrize(
    ("relative", "resolved"),
    [
        ("./b.yaml", "https://host:8443/team/b.yaml"),
        ("b.yaml", "https://host:8443/team/b.yaml"),
        ("../b.yaml", "https://host:8443/b.yaml"),
        ("/b.yaml", "https://host:8443/b.yaml"),
        ("./apis/*.yaml", "https://host:8443/team/apis/*.yaml"),
        ("http://other/c.yaml", "http://other/c.yaml"),
        ("//other/c.yaml", "https://other/c.yaml"),
    ],
)
def test_a_relative_target_starts_at_its_file(relative: str, resolved: str) -> None:
    assert always(200).resolve("https://host:8443/team/a.yaml?ref=main", relative) == resolved


@pytest.mark.parametrize(
    ("base", "relative"),
    [
        ("https://host/a", ""),
        ("https://host/a", "file:///etc/passwd"),
        ("https://host/a", "javascript:alert(1)"),
        ("https://host/a", "http://"),
        ("https://host/a", "http://[x"),
        ("https://host/a", "b\tc"),
        ("a.yaml", "./b.yaml"),
    ],
)
def test_nonsense_is_not_resolved(base: str, relative: str) -> None:
    with pytest.raises(InvalidRef):
        always(200).resolve(base, relative)


@pytest.mark.parametrize(
    ("target", "contained"),
    [
        ("https://host:443/other/b.yaml", True),
        ("http://host/b.yaml", False),
        ("https://host:8443/b.yaml", False),
        ("https://other/b.yaml", False),
    ],
)
def test_a_plain_server_is_one_place(target: str, contained: bool) -> None:
    assert always(200).contains("https://host/team/a.yaml", target) is contained


async def test_a_plain_server_knows_no_wildcards() -> None:
    assert await always(200).expand("https://host/*.yaml") == ["https://host/*.yaml"]
