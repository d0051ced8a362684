"""Repositories that are read with `git`, from git's own HTTP backend and from OpenSSH."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.builtin.hosts.git.reading import GitHost, hosts
from callboard.errors import CallboardError, InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, JsonValue, NotModified, Outside, PluginConfig, PluginContext
from callboard.extend.outside import nowhere
from tests.builtin.hosts.git_servers import LINK, MODULE, Origin, SshServer, WebServer, missing_for_ssh, ssh_server
from tests.certificates import Authority


def outside(folder: Path, *, max_bytes: int = 100_000, timeout_seconds: float = 20.0) -> Outside:
    made = nowhere()
    return Outside(client=made.client, folder=folder / "cache", max_bytes=max_bytes, timeout_seconds=timeout_seconds)


def host_of(outside: Outside, **said: JsonValue) -> GitHost:
    config = PluginConfig(integrations={"git": [dict(said)]})
    (host,) = hosts(PluginContext(config, {}, outside))
    return host


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin.make(tmp_path / "team" / "shop.git")


@pytest.fixture
def server(tmp_path: Path, origin: Origin) -> Iterator[WebServer]:
    with WebServer(tmp_path).running() as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, server: WebServer) -> GitHost:
    return host_of(outside(tmp_path), host=f"127.0.0.1:{server.port}", allowHttp=True)


@pytest.fixture
def url(server: WebServer) -> str:
    return f"http://127.0.0.1:{server.port}/team/shop.git"


async def content(host: GitHost, url: str) -> bytes:
    read = await host.read(url)
    assert isinstance(read, Content)
    return read.data


async def test_a_file_of_the_default_branch_is_read(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"catalog-info.yaml": "one"})

    assert await content(host, f"{url}?path=/catalog-info.yaml") == b"one"


async def test_an_unchanged_branch_costs_one_look(origin: Origin, host: GitHost, url: str, server: WebServer) -> None:
    origin.commit({"a.yaml": "one"})
    read = await host.read(f"{url}?path=/a.yaml")
    assert isinstance(read, Content)
    server.requests.clear()

    again = await host.read(f"{url}?path=/a.yaml", version=read.version)

    assert isinstance(again, NotModified)
    # The capabilities of the server, and the branch.
    assert server.requests == {"/team/shop.git/info/refs": 1, "/team/shop.git/git-upload-pack": 1}


async def test_a_commit_that_leaves_the_file_alone_sends_no_content(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"a.yaml": "one"})
    read = await host.read(f"{url}?path=/a.yaml")
    assert isinstance(read, Content)
    commit = origin.commit({"b.yaml": "two"})

    again = await host.read(f"{url}?path=/a.yaml", version=read.version)

    assert isinstance(again, NotModified)
    assert again.version.startswith(commit)


async def test_a_change_is_read(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"a.yaml": "one"})
    before = await host.read(f"{url}?path=/a.yaml")
    assert isinstance(before, Content)
    origin.commit({"a.yaml": "two"})

    after = await host.read(f"{url}?path=/a.yaml", version=before.version)

    assert isinstance(after, Content)
    assert after.data == b"two"


async def test_a_ref_with_slashes_is_a_branch_a_tag_or_a_commit(origin: Origin, host: GitHost, url: str) -> None:
    commit = origin.commit({"a.yaml": "one"}, tag="v1/0")
    origin.commit({"a.yaml": "two"}, "feature/cart")

    assert await content(host, f"{url}?path=/a.yaml&ref=feature/cart") == b"two"
    assert await content(host, f"{url}?ref=refs/heads/feature/cart&path=/a.yaml") == b"two"
    assert await content(host, f"{url}?path=/a.yaml&ref=v1/0") == b"one"
    assert await content(host, f"{url}?path=/a.yaml&ref={commit}") == b"one"


async def test_wildcards_match_the_files_of_the_commit(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"a/catalog-info.yaml": "1", "b/c/catalog-info.yaml": "2", "b/other.yaml": "3"})

    found = await host.expand(f"{url}?path=/**/catalog-info.yaml&ref=main")

    assert found == [f"{url}?path=/{path}/catalog-info.yaml&ref=main" for path in ("a", "b/c")]


async def test_files_are_found_by_name(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"a/catalog-info.yaml": "1", "catalog-info.yaml": "2", "not-catalog-info.yaml": "3"})

    found = await host.find(url, "catalog-info.yaml")

    assert found == [f"{url}?path=/a/catalog-info.yaml", f"{url}?path=/catalog-info.yaml"]


async def test_files_whose_contents_nobody_reads_are_not_sent(
    origin: Origin, host: GitHost, url: str, tmp_path: Path
) -> None:
    origin.commit({"a.yaml": "one", "large.bin": os.urandom(3_000_000)})

    await content(host, f"{url}?path=/a.yaml")

    assert sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*.pack")) < 100_000


@pytest.mark.parametrize("filters", [True, False], ids=["filtering server", "other server"])
async def test_a_large_file_is_refused(tmp_path: Path, host: GitHost, server: WebServer, filters: bool) -> None:
    origin = Origin.make(tmp_path / "team" / "large.git", filters=filters)
    origin.commit({"large.bin": os.urandom(300_000), "zeros.bin": bytes(300_000), "a.yaml": "one"})
    url = f"http://127.0.0.1:{server.port}/team/large.git"

    for name in ("large.bin", "zeros.bin"):
        with pytest.raises(Unreadable, match="larger than"):
            await host.read(f"{url}?path=/{name}")
    assert await content(host, f"{url}?path=/a.yaml") == b"one"


async def test_a_symbolic_link_is_not_followed(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"link.yaml": "/etc/passwd", "folder": "/etc"}, mode=LINK)

    with pytest.raises(NotAllowed, match="a symbolic link"):
        await host.read(f"{url}?path=/link.yaml")
    with pytest.raises(LocationNotFound):
        await host.read(f"{url}?path=/folder/passwd")
    assert await host.find(url, "link.yaml") == []


async def test_a_submodule_is_not_followed(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"module": "1" * 40}, mode=MODULE)

    with pytest.raises(NotAllowed, match="a submodule"):
        await host.read(f"{url}?path=/module")


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ("team/shop.git?path=/none.yaml", LocationNotFound, "no file none.yaml"),
        ("team/shop.git?path=/a.yaml&ref=none", LocationNotFound, "no branch or tag none"),
        ("team/none.git?path=/a.yaml", LocationNotFound, "not found"),
        ("team/shop.git", InvalidRef, "does not name a file"),
        ("team/shop.git?path=/a.yaml&ref=--upload-pack=touch", InvalidRef, "none can have that name"),
        ("team/shop.git?path=/a.yaml&ref=*", InvalidRef, "none can have that name"),
    ],
)
async def test_what_is_not_there_is_said(
    origin: Origin, host: GitHost, server: WebServer, asked: str, error: type[CallboardError], told: str
) -> None:
    origin.commit({"a.yaml": "one"})

    with pytest.raises(error, match=told):
        await host.read(f"http://127.0.0.1:{server.port}/{asked}")


async def test_paths_are_never_options(origin: Origin, host: GitHost, url: str) -> None:
    origin.commit({"--help.yaml": "one", "a & b#?.yaml": "two", ":(top)x.yaml": "three"})

    assert await content(host, f"{url}?path=/--help.yaml") == b"one"
    assert await content(host, f"{url}?path=--help.yaml") == b"one"
    assert await content(host, host.resolve(f"{url}?path=/--help.yaml&ref=main", "./a & b#?.yaml")) == b"two"
    assert await content(host, f"{url}?path=/:(top)x.yaml") == b"three"


def test_relative_targets_stay_in_the_repository_and_keep_its_ref(host: GitHost, url: str) -> None:
    base = f"{url}?path=/services/cart/catalog-info.yaml&ref=main"

    assert host.resolve(base, "./openapi.yaml") == f"{url}?path=/services/cart/openapi.yaml&ref=main"
    assert host.resolve(base, "/docs/api.md") == f"{url}?path=/docs/api.md&ref=main"
    assert host.links(base) == {"backstage.io/source-location": f"url:{url}?path=/services/cart/&ref=main"}
    assert host.contains(base, f"{url}?path=/other.yaml")
    assert not host.contains(base, url.replace("shop", "other") + "?path=/other.yaml")
    with pytest.raises(InvalidRef, match="leads out"):
        host.resolve(base, "../../../other/secret.yaml")


async def test_a_password_goes_to_a_host_over_tls(tmp_path: Path, origin: Origin) -> None:
    origin.commit({"a.yaml": "one"})
    authority = Authority(tmp_path)
    server = WebServer(tmp_path, password=("reader", "s3cret"))
    said: dict[str, JsonValue] = {"username": "reader", "caFile": str(authority.trusted_file())}

    with server.running(authority.server_for("127.0.0.1")):
        url = f"https://127.0.0.1:{server.port}/team/shop.git?path=/a.yaml"
        named = host_of(outside(tmp_path), host=f"127.0.0.1:{server.port}", password="s3cret", **said)
        wrong = host_of(outside(tmp_path), host=f"127.0.0.1:{server.port}", password="wr0ng", **said)
        anybody = host_of(outside(tmp_path), host=f"127.0.0.1:{server.port}", caFile=str(authority.trusted_file()))

        assert await content(named, url) == b"one"
        for other in (wrong, anybody):
            with pytest.raises(Unreadable, match=r"does not accept the credentials of integrations.git\[0\]") as raised:
                await other.read(url)
            assert "wr0ng" not in str(raised.value)


async def test_a_redirect_is_not_followed(tmp_path: Path, origin: Origin, server: WebServer) -> None:
    origin.commit({"a.yaml": "one"})
    lying = WebServer(tmp_path, redirect_to=f"http://127.0.0.1:{server.port}")

    with lying.running():
        host = host_of(outside(tmp_path), host=f"127.0.0.1:{lying.port}", username="me", token="s3cret", allowHttp=True)
        with pytest.raises(Unreadable):
            await host.read(f"http://127.0.0.1:{lying.port}/team/shop.git?path=/a.yaml")

    assert server.total == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/team/shop.git?path=/a.yaml",
        "http://git.example.com/team/shop.git?path=/a.yaml",
        "https://me:password@git.example.com/team/shop.git?path=/a.yaml",
        "https://git.example.com:8443/team/shop.git?path=/a.yaml",
        "https://git.example.com/team/shop/plain.yaml",
        "ssh://-oProxyCommand=x@git.example.com/team/shop.git",
        "ext::sh -c touch% x",
        "file:///etc/passwd",
        "https://[",
    ],
)
def test_other_urls_are_not_covered(url: str) -> None:
    host = host_of(nowhere(), host="git.example.com")

    assert not host.covers(url)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"host": "a b"}, r"integrations.git\[0\].host: expected a host"),
        ({}, r"integrations.git\[0\].host: expected a value, got none"),
        ({"host": "h", "password": "p"}, r"integrations.git\[0\].username: expected a value"),
        ({"host": "h", "username": "u", "password": "p\nhost=x"}, r"\.password: expected a text of one line"),
        ({"host": "h", "token": "p", "password": "p", "username": "u"}, "expected one of password and token"),
        ({"host": "h", "sshKey": "p", "sshKeyFile": "p"}, "expected one of sshKey and sshKeyFile"),
        ({"host": "h", "maxCacheBytes": "none"}, r"\.maxCacheBytes: "),
    ],
)
def test_what_cannot_be_meant_is_said_by_its_key(said: dict[str, JsonValue], told: str) -> None:
    with pytest.raises(InvalidConfiguration, match=told):
        host_of(nowhere(), **said)


async def test_a_broken_copy_is_begun_anew(origin: Origin, host: GitHost, url: str, tmp_path: Path) -> None:
    origin.commit({"a.yaml": "one"})
    await content(host, f"{url}?path=/a.yaml")
    for pack in (tmp_path / "cache").rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"PACK")

    with pytest.raises(Unreadable):
        await host.read(f"{url}?path=/a.yaml")
    assert await content(host, f"{url}?path=/a.yaml") == b"one"


async def test_copies_that_take_too_much_are_thrown_away(tmp_path: Path, origin: Origin, server: WebServer) -> None:
    origin.commit({"a.yaml": "one"})
    host = host_of(outside(tmp_path), host=f"127.0.0.1:{server.port}", allowHttp=True, maxCacheBytes=2_000)
    url = f"http://127.0.0.1:{server.port}/team/shop.git?path=/a.yaml"

    assert await content(host, url) == b"one"

    assert [*(tmp_path / "cache").rglob("*.pack")] == []


async def test_two_processes_share_the_copies(tmp_path: Path, origin: Origin, server: WebServer) -> None:
    origin.commit({f"{number}.yaml": str(number) for number in range(6)})
    host = f"127.0.0.1:{server.port}"
    engines = [host_of(outside(tmp_path), host=host, allowHttp=True) for _ in range(2)]

    read = await asyncio.gather(
        *(content(engine, f"http://{host}/team/shop.git?path=/{n}.yaml") for n in range(6) for engine in engines)
    )

    assert read == [str(n).encode() for n in range(6) for _ in engines]


async def test_a_silent_server_is_not_waited_for(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        netloc = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        host = host_of(outside(tmp_path, timeout_seconds=0.3), host=netloc, allowHttp=True)

        with pytest.raises(Unreadable, match=r"had not finished after 0\.3 s"):
            await host.read(f"http://{netloc}/team/shop.git?path=/a.yaml")


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshServer]:
    if reason := missing_for_ssh():
        if os.environ.get("CALLBOARD_REQUIRE_SSH"):
            pytest.fail(reason)
        pytest.skip(reason)
    with ssh_server(tmp_path) as running:
        yield running


async def test_a_file_is_read_over_ssh(tmp_path: Path, origin: Origin, ssh: SshServer) -> None:
    origin.commit({"docs/a.yaml": "one"})
    own: dict[str, JsonValue] = {"host": f"127.0.0.1:{ssh.port}", "username": ssh.user}
    host = host_of(outside(tmp_path), **own, sshKey=ssh.key, knownHosts=ssh.known_hosts)
    url = f"ssh://127.0.0.1:{ssh.port}{origin.path}?path=/docs/*.yaml&ref=main"

    (found,) = await host.expand(url)

    assert await content(host, found) == b"one"


async def test_neither_an_unknown_host_nor_an_unknown_key_is_trusted(
    tmp_path: Path, origin: Origin, ssh: SshServer
) -> None:
    origin.commit({"a.yaml": "one"})
    own: dict[str, JsonValue] = {"host": f"127.0.0.1:{ssh.port}", "username": ssh.user}
    url = f"ssh://127.0.0.1:{ssh.port}{origin.path}?path=/a.yaml"
    other_host = f"[127.0.0.1]:{ssh.port} {(tmp_path / 'other.pub').read_text()}"
    strange = host_of(outside(tmp_path), **own, sshKey=ssh.key, knownHosts=other_host)
    stranger = host_of(outside(tmp_path), **own, sshKeyFile=str(tmp_path / "other"), knownHosts=ssh.known_hosts)

    with pytest.raises(Unreadable, match=r"not among the known ones \(integrations.git\[0\].knownHosts\)"):
        await strange.read(url)
    with pytest.raises(Unreadable, match=r"does not accept the credentials of integrations.git\[0\]"):
        await stranger.read(url)
