import datetime as dt
import os
from pathlib import Path

import pytest

from callboard.builtin.readers.files import FileReader
from callboard.errors import InvalidRef, LocationNotFound, Unreadable
from callboard.extend import Content, NotModified


class Later:
    """A clock that is always so far ahead that every file counts as settled."""

    def now(self) -> dt.datetime:
        return dt.datetime(2999, 1, 1, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@pytest.fixture
def files() -> FileReader:
    return FileReader(clock=Later(), max_bytes=1000)


async def version_of(files: FileReader, path: Path) -> str:
    content = await files.read(str(path))
    assert isinstance(content, Content)
    assert content.version is not None
    return content.version


async def test_a_file_is_read_with_a_version(files: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: X")

    content = await files.read(str(path))

    assert content == Content(str(path), b"kind: X", await version_of(files, path))


async def test_an_unchanged_file_is_not_modified(files: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: X")
    version = await version_of(files, path)

    assert await files.read(str(path), version=version) == NotModified(str(path), version)


async def test_a_file_with_its_old_date_put_back_counts_as_changed(files: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"one")
    version, before = await version_of(files, path), path.stat()
    (tmp_path / "b.yaml").write_bytes(b"two")
    os.utime(tmp_path / "b.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "b.yaml").replace(path)

    content = await files.read(str(path), version=version)

    assert isinstance(content, Content)
    assert content.data == b"two"


async def test_a_file_that_has_just_changed_has_no_version_yet(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: X")
    os.utime(path, (2**33, 2**33))

    assert await FileReader().read(str(path)) == Content(str(path), b"kind: X", None)


async def test_a_missing_file_is_not_found(files: FileReader, tmp_path: Path) -> None:
    target = str(tmp_path / "none.yaml")

    with pytest.raises(LocationNotFound) as error:
        await files.read(target)

    assert str(error.value) == f"file {target} does not exist"


async def test_a_file_below_a_file_is_not_found(files: FileReader, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(LocationNotFound):
        await files.read(str(tmp_path / "a" / "b.yaml"))


async def test_a_large_file_is_unreadable(files: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x" * 1001)

    with pytest.raises(Unreadable, match="larger than 1000 bytes"):
        await files.read(str(path))


async def test_a_directory_and_a_pipe_are_unreadable(files: FileReader, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(Unreadable):
        await files.read(str(tmp_path))
    with pytest.raises(Unreadable, match="not a regular file"):
        await files.read(str(pipe))


async def test_a_path_with_a_nul_is_invalid(files: FileReader) -> None:
    with pytest.raises(InvalidRef):
        await files.read("a\0b")


async def test_many_files_are_read_in_one_go(files: FileReader, tmp_path: Path) -> None:
    same, new, none = (str(tmp_path / name) for name in ("same.yaml", "new.yaml", "none.yaml"))
    Path(same).write_bytes(b"same")
    Path(new).write_bytes(b"new")
    version = await version_of(files, Path(same))

    results = await files.read_many([same, new, none], {same: version, new: "older"})

    assert results[0] == NotModified(same, version)
    assert isinstance(results[1], Content)
    assert results[1].data == b"new"
    assert isinstance(results[2], LocationNotFound)


async def test_a_pattern_stands_for_what_it_matches_in_order(files: FileReader, tmp_path: Path) -> None:
    for name in ("b/x.yaml", "a.yaml", "b/c/y.yaml", "b/c/z.txt", ".hidden.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    assert await files.expand(f"{tmp_path}/**/*.yaml") == [
        str(tmp_path / name) for name in ("a.yaml", "b/c/y.yaml", "b/x.yaml")
    ]
    assert await files.expand(f"{tmp_path}/*.yaml") == [str(tmp_path / "a.yaml")]
    assert await files.expand(f"{tmp_path}/*.json") == []


async def test_brackets_in_a_name_are_no_pattern_where_the_file_exists(files: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "[team]" / "a.yaml"
    path.parent.mkdir()
    path.write_bytes(b"")

    assert await files.expand(str(path)) == [str(path)]


async def test_a_missing_plain_target_is_not_found(files: FileReader, tmp_path: Path) -> None:
    with pytest.raises(LocationNotFound, match="does not exist"):
        await files.expand(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(("target", "reason"), [("dir/", "ends in a separator"), ("{1..5000}", "too many")])
async def test_a_target_that_names_no_files_is_invalid(files: FileReader, target: str, reason: str) -> None:
    with pytest.raises(InvalidRef, match=rf"file target .* {reason}"):
        await files.expand(target)


@pytest.mark.parametrize(
    ("relative", "resolved"),
    [
        ("./b.yaml", "/data/team/b.yaml"),
        ("b.yaml", "/data/team/b.yaml"),
        ("../*.yaml", "/data/*.yaml"),
        ("/etc/b.yaml", "/etc/b.yaml"),
        ("./sub/", "/data/team/sub/"),
    ],
)
def test_a_relative_target_starts_at_the_directory_of_its_file(files: FileReader, relative: str, resolved: str) -> None:
    assert files.resolve("/data/team/a.yaml", relative) == resolved


@pytest.mark.parametrize("relative", ["", "https://host/x", "a\0b"])
def test_nonsense_is_not_resolved(files: FileReader, relative: str) -> None:
    with pytest.raises(InvalidRef):
        files.resolve("/data/a.yaml", relative)


def test_a_file_contains_what_is_below_its_directory(files: FileReader, tmp_path: Path) -> None:
    base = str(tmp_path / "team" / "a.yaml")

    assert files.contains(base, str(tmp_path / "team" / "sub" / "b.yaml"))
    assert not files.contains(base, str(tmp_path / "other" / "b.yaml"))
    assert not files.contains(base, str(tmp_path / "team" / ".." / "b.yaml"))
    assert not files.contains(base, str(tmp_path / "teams" / "b.yaml"))


def test_a_link_does_not_lead_out_of_the_directory(files: FileReader, tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "secret.txt").write_bytes(b"")
    (tmp_path / "team" / "link.txt").symlink_to(tmp_path / "secret.txt")

    assert not files.contains(str(tmp_path / "team" / "a.yaml"), str(tmp_path / "team" / "link.txt"))
