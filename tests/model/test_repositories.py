"""Which URLs stand for the files of a branch."""

import pytest

from callboard.model.repositories import Branch, Files, Place, System

GITHUB = "https://github.com/acme/shop"
SERVER = "https://b.local/projects/ACME/repos/shop"
AZURE = "https://dev.azure.com/acme/My%20Project/_git/shop"


def files(
    system: System = System.GITHUB, url: str = GITHUB, name: str = "main", *, default: bool | None = True
) -> Files:
    return Branch(system=system, repository=url, name=name, is_default=default).files()


@pytest.mark.parametrize(
    ("system", "repository", "url"),
    [
        (System.GITHUB, GITHUB, "https://github.com/acme/shop/blob/main/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://github.com/acme/shop/tree/main/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://github.com/acme/shop/raw/main/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://github.com/acme/shop/raw/refs/heads/main/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://github.com/acme/shop/blob/HEAD/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://raw.githubusercontent.com/acme/shop/main/a/b.yaml"),
        (System.GITHUB, GITHUB, "https://raw.githubusercontent.com/acme/shop/refs/heads/main/a/b.yaml?token=x"),
        (System.GITHUB, f"{GITHUB}.git", "https://github.com/acme/shop/blob/main/a/b.yaml"),
        (System.GITHUB, "https://ghe.local/acme/shop/", "https://ghe.local/acme/shop/blob/main/a/b.yaml"),
        (System.GITLAB, "https://gitlab.com/g/s/shop", "https://gitlab.com/g/s/shop/-/blob/main/a/b.yaml"),
        (System.GITLAB, "https://gitlab.com/g/s/shop", "https://gitlab.com/g/s/shop/-/raw/main/a/b.yaml?inline=false"),
        (System.GITLAB, "https://gitlab.com/g/shop", "https://gitlab.com/g/shop/-/blob/main/a/b.yaml?ref_type=heads"),
        (System.GITLAB, "https://gitlab.com/g/shop", "https://gitlab.com/g/shop/-/tree/main/a/b.yaml"),
        (System.GITLAB, "https://gitlab.com/g/shop", "https://gitlab.com/g/shop/raw/main/a/b.yaml"),
        (System.GITEA, "https://git.local/acme/shop", "https://git.local/acme/shop/src/branch/main/a/b.yaml"),
        (System.GITEA, "https://git.local/acme/shop", "https://git.local/acme/shop/raw/branch/main/a/b.yaml#L3"),
        (System.GERRIT, "https://git.local/g/web/shop", "https://git.local/g/web/shop/+/refs/heads/main/a/b.yaml"),
        (System.GERRIT, "https://git.local/g/web/shop", "https://git.local/g/web/shop/+/main/a/b.yaml"),
        (System.GERRIT, "https://git.local/g/web/shop", "https://git.local/g/web/shop/+show/HEAD/a/b.yaml#3"),
        (System.BITBUCKET_CLOUD, "https://bitbucket.org/a/shop", "https://bitbucket.org/a/shop/src/main/a/b.yaml"),
        (System.BITBUCKET_CLOUD, "https://bitbucket.org/a/shop", "https://bitbucket.org/a/shop/raw/main/a/b.yaml"),
        (System.BITBUCKET_SERVER, SERVER, f"{SERVER}/browse/a/b.yaml"),
        (System.BITBUCKET_SERVER, SERVER, f"{SERVER}/browse/a/b.yaml?at=refs%2Fheads%2Fmain#3"),
        (System.BITBUCKET_SERVER, SERVER, f"{SERVER}/raw/a/b.yaml?at=main"),
        (
            System.BITBUCKET_SERVER,
            "https://b.local/projects/~jane/repos/shop",
            "https://b.local/users/jane/repos/shop/browse/a/b.yaml",
        ),
        (System.AZURE_DEVOPS, AZURE, f"{AZURE}?path=/a/b.yaml"),
        (System.AZURE_DEVOPS, AZURE, f"{AZURE}?path=%2Fa%2Fb.yaml&version=GBmain&_a=contents"),
        (System.AZURE_DEVOPS, AZURE, f"{AZURE}?version=GBmain&path=a/b.yaml"),
        (System.AZURE_DEVOPS, AZURE, "https://acme.visualstudio.com/My%20Project/_git/shop?path=/a/b.yaml"),
    ],
)
def test_a_file_is_recognised_under_each_of_its_urls(system: System, repository: str, url: str) -> None:
    place = files(system, repository).place(url)

    assert place is not None
    assert place.path == "a/b.yaml"
    assert place.url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/shop/blob/next/a.yaml",
        "https://github.com/acme/shop/blob/main2/a.yaml",
        "https://github.com/acme/shop2/blob/main/a.yaml",
        "https://github.com/acme/shop",
        "https://raw.githubusercontent.com/acme/shop2/main/a.yaml",
        "https://gitlab.com/acme/shop/-/blob/main/a.yaml",
    ],
)
def test_what_is_of_another_branch_or_repository_is_none_of_its_files(url: str) -> None:
    assert files().place(url) is None


def test_a_branch_with_a_slash_may_be_encoded_or_not() -> None:
    found = [
        files(name="f/ü x").place(f"{GITHUB}/blob/{name}/a.yaml")
        for name in ("f/ü x", "f/%C3%BC%20x", "f%2F%C3%BC%20x")
    ]

    assert [place and place.path for place in found] == ["a.yaml"] * 3


def test_head_is_the_default_branch_or_one_that_may_be_it() -> None:
    url = f"{GITHUB}/blob/HEAD/a.yaml"

    assert files(default=None).place(url) is not None
    assert files(default=False).place(url) is None


@pytest.mark.parametrize("written", ["my%20team/caf%C3%A9.yaml", "my team/café.yaml"])
def test_a_path_may_be_encoded_or_not(written: str) -> None:
    place = files().place(f"{GITHUB}/blob/main/{written}")

    assert place is not None
    assert place.is_among({"my team/café.yaml"})


def test_a_path_with_a_percent_sign_is_found_as_it_is_written() -> None:
    place = Place("https://host/", "100%25.yaml")

    assert place.is_among({"100%.yaml"})
    assert place.is_among({"100%25.yaml"})
    assert not place.is_among({"100.yaml"})


def test_another_file_is_named_in_the_same_way() -> None:
    place = files().place(f"{GITHUB}/raw/main/a.yaml?token=x")

    assert place is not None
    assert place.at("my team/*/café&co.yaml").url == f"{GITHUB}/raw/main/my%20team/%2A/caf%C3%A9&co.yaml?token=x"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "x/a.yaml", False),
        ("**/catalog-info.yaml", "x/y/catalog-info.yaml", True),
        ("**/catalog-info.yaml", ".backstage/catalog-info.yaml", True),
        ("services/*/catalog-{info,extra}.yaml", "services/a/catalog-extra.yaml", True),
        ("services/*/catalog-info.yaml", "services/a/b/catalog-info.yaml", False),
        ("my%20team/*.yaml", "my team/a.yaml", True),
    ],
)
def test_wildcards_match_paths(pattern: str, path: str, expected: bool) -> None:
    assert Place("https://host/", pattern).is_among({path}) is expected


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*b.yaml", "+(+(a)|*).yaml", "{a,b}" * 12 + "*"])
def test_a_pattern_that_costs_too_much_matches_whatever_there_is(pattern: str) -> None:
    place = Place("https://host/", pattern)

    assert place.is_among({"a" * 200})
    assert not place.is_among(set())


@pytest.mark.parametrize(
    ("system", "url"),
    [
        (System.BITBUCKET_SERVER, f"{SERVER}/browse/a.yaml?at=refs/heads/next"),
        (System.BITBUCKET_SERVER, f"{SERVER}2/browse/a.yaml"),
        (System.AZURE_DEVOPS, f"{AZURE}?path=/a.yaml&version=GBnext"),
        (System.AZURE_DEVOPS, f"{AZURE}?path=/a.yaml&version=GTmain"),
        (System.AZURE_DEVOPS, f"{AZURE}?version=GBmain"),
        (System.AZURE_DEVOPS, f"{AZURE}2?path=/a.yaml"),
    ],
)
def test_the_query_may_name_another_branch(system: System, url: str) -> None:
    repository = SERVER if system is System.BITBUCKET_SERVER else AZURE

    assert files(system, repository).place(url) is None


def test_the_default_branch_may_go_unnamed() -> None:
    url = f"{AZURE}?path=/a.yaml"

    assert files(System.AZURE_DEVOPS, AZURE, default=None).place(url) is not None
    assert files(System.AZURE_DEVOPS, AZURE, default=False).place(url) is None


def test_a_repository_that_is_called_like_its_project_may_be_named_without_it() -> None:
    whole = files(System.AZURE_DEVOPS, "https://dev.azure.com/acme/shop/_git/shop")

    assert whole.place("https://dev.azure.com/acme/_git/shop?path=/a.yaml") is not None
    assert files(System.AZURE_DEVOPS, AZURE).place("https://dev.azure.com/acme/_git/shop?path=/a.yaml") is None


def test_another_file_in_a_query_is_written_as_a_browser_does() -> None:
    place = files(System.AZURE_DEVOPS, AZURE).place(f"{AZURE}?path=%2Fa%2Fb.yaml&version=GBmain")

    assert place is not None
    assert place.at("c d/e&f.yaml").url == f"{AZURE}?path=%2Fc+d%2Fe%26f.yaml&version=GBmain"
