from pathlib import Path

import pytest

from callboard.client import Replica
from callboard.client.replicas.folder import FolderStore
from callboard.errors import AlreadyRunning, CallboardError, InvalidInput
from tests.client.replicas.catalogs import Catalog
from tests.client.replicas.crashing import read_folder


@pytest.fixture
def catalog() -> Catalog:
    made = Catalog()
    made.put("cart")
    made.put("orders")
    return made


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def copy(catalog: Catalog, folder: Path) -> None:
    with FolderStore(folder) as store:
        Replica(catalog.client, store, sleep=lambda _: None).run(until_caught_up=True)


def test_an_entity_is_a_file_that_people_can_read(catalog: Catalog, tmp_path: Path) -> None:
    copy(catalog, tmp_path / "backup")

    assert files(tmp_path / "backup") == [
        ".callboard-mirror.json",
        ".callboard-mirror.lock",
        "component/default/cart.yaml",
        "component/default/orders.yaml",
    ]
    assert (tmp_path / "backup/component/default/cart.yaml").read_text() == (
        "kind: Component\nmetadata:\n  name: cart\n  uid: u1\nspec:\n  owner: team\n"
    )


def test_what_is_removed_leaves_no_folder_behind(catalog: Catalog, tmp_path: Path) -> None:
    copy(catalog, tmp_path)
    catalog.remove("cart")
    catalog.remove("orders")

    copy(catalog, tmp_path)

    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == []


def test_what_a_killed_process_has_not_finished_is_gone(catalog: Catalog, tmp_path: Path) -> None:
    copy(catalog, tmp_path)
    (tmp_path / "component/default/.cart.yaml.unfinished").write_text("kin")

    copy(catalog, tmp_path)

    assert read_folder(tmp_path).keys() == {"component:default/cart", "component:default/orders"}


def test_a_file_that_says_the_same_is_not_written_again(catalog: Catalog, tmp_path: Path) -> None:
    copy(catalog, tmp_path)
    before = (tmp_path / "component/default/cart.yaml").stat().st_ino
    (tmp_path / ".callboard-mirror.json").write_text("of another time")

    copy(catalog, tmp_path)

    assert (tmp_path / "component/default/cart.yaml").stat().st_ino == before


def test_no_name_leads_out_of_the_folder(catalog: Catalog, tmp_path: Path) -> None:
    catalog.put("..")
    catalog.put(".hidden")
    catalog.put("a%b")

    copy(catalog, tmp_path / "backup")
    catalog.restore("cart")
    between = files(tmp_path / "backup/component")
    copy(catalog, tmp_path / "backup")

    assert between == [f"default/{name}.yaml" for name in ("%2E.", "%2Ehidden", "a%25b", "cart", "orders")]
    assert files(tmp_path) == [
        "backup/.callboard-mirror.json",
        "backup/.callboard-mirror.lock",
        "backup/component/default/cart.yaml",
    ]


def test_one_process_has_a_folder(catalog: Catalog, tmp_path: Path) -> None:
    with FolderStore(tmp_path) as store:
        store.load()

        with pytest.raises(AlreadyRunning, match="another process writes to"), FolderStore(tmp_path) as second:
            second.load()


def test_a_folder_of_something_else_is_left_alone(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "component/default").mkdir(parents=True)
    (tmp_path / "component/default/mine.yaml").write_text("mine")

    with pytest.raises(InvalidInput, match="has something else in it"):
        copy(catalog, tmp_path)


def test_a_second_process_waits_for_the_first(catalog: Catalog, tmp_path: Path) -> None:
    first = FolderStore(tmp_path)
    first.load()
    told: list[str] = []

    def let_go(error: CallboardError, pause: float) -> None:
        told.append(str(error))
        first.close()

    with FolderStore(tmp_path) as second:
        replica = Replica(catalog.client, second, sleep=lambda _: None, on_retry=let_go)
        replica.run(until_caught_up=True)

    assert told == [f"another process writes to {tmp_path}"]
    assert len(read_folder(tmp_path)) == 2
