import json

import pytest

from callboard.view.bodies import TRAIN_AT_LATEST, TRAIN_FROM, Bodies


def body(number: int) -> bytes:
    return json.dumps({"kind": "Component", "metadata": {"name": f"service-{number}", "note": "x" * 100}}).encode()


def test_a_body_comes_back_as_it_was() -> None:
    bodies = Bodies()

    bodies.put(0, body(0))
    bodies.put(1, body(1))
    bodies.put(0, body(2))

    assert (bodies.get(0), bodies.get(1), len(bodies)) == (body(2), body(1), 2)


def test_a_dropped_place_is_used_again() -> None:
    bodies = Bodies()
    bodies.put(0, body(0))
    bodies.put(1, body(1))

    bodies.drop(0)

    assert len(bodies) == 1
    bodies.put(0, body(3))
    assert (bodies.get(0), len(bodies)) == (body(3), 2)


@pytest.mark.parametrize(("count", "compressed"), [(TRAIN_FROM - 1, False), (TRAIN_FROM, True)])
def test_a_dictionary_is_made_when_it_is_worthwhile(count: int, compressed: bool) -> None:
    bodies = Bodies()
    for number in range(count):
        bodies.put(number, body(number))

    bodies.compress_when_worthwhile()

    assert bodies.compressed is compressed
    assert all(bodies.get(number) == body(number) for number in range(count))


def test_bodies_are_kept_before_and_after_the_dictionary() -> None:
    bodies = Bodies()
    for number in range(TRAIN_FROM + 1):
        bodies.put(number, body(number))
    bodies.drop(7)

    bodies.compress_when_worthwhile()
    bodies.put(7, b'{"something": "else"}')

    assert bodies.get(7) == b'{"something": "else"}'
    assert bodies.get(8) == body(8)


def test_samples_without_anything_to_learn_are_no_obstacle() -> None:
    bodies = Bodies()
    for number in range(TRAIN_FROM):
        bodies.put(number, b"")

    bodies.compress_when_worthwhile()

    assert bodies.compressed
    assert bodies.get(5) == b""


def test_a_long_load_does_not_wait_for_its_end() -> None:
    bodies = Bodies()

    for number in range(TRAIN_AT_LATEST):
        bodies.put(number, b'{"name": "%d"}' % number)

    assert bodies.compressed
    assert bodies.get(TRAIN_AT_LATEST - 1) == b'{"name": "%d"}' % (TRAIN_AT_LATEST - 1)


def test_a_selection_stays_as_it_was_made() -> None:
    bodies = Bodies()
    for member in range(3):
        bodies.put(member, b'{"number":%d}' % member)
    selection = bodies.select([2, 0])

    bodies.put(0, b'{"number":"other"}')
    bodies.drop(2)
    bodies.compress()

    assert list(selection) == [b'{"number":2}', b'{"number":0}']
    assert len(selection) == 2


def test_the_digest_of_a_selection_tells_its_bodies_and_their_order() -> None:
    one, other = Bodies(), Bodies()
    for member in range(3):
        one.put(member, b'{"number":%d}' % member)
        other.put(member, b'{"number":%d}' % (2 - member))
    other.compress()

    assert one.select([0, 1]).digest == other.select([2, 1]).digest
    assert one.select([0, 1]).digest != one.select([1, 0]).digest
    assert one.select([0]).digest != one.select([1]).digest


def test_what_was_read_is_read_anew_after_a_change() -> None:
    bodies = Bodies()
    for number in range(TRAIN_FROM):
        bodies.put(number, body(number))
    bodies.compress()
    read = [bodies.get(number) for number in (1, 2, 1)]

    bodies.put(1, body(-1))
    bodies.drop(2)
    bodies.put(2, body(-2))

    assert read == [body(1), body(2), body(1)]
    assert [bodies.get(number) for number in (1, 2)] == [body(-1), body(-2)]


def test_only_so_much_of_what_was_read_is_remembered() -> None:
    bodies = Bodies()
    for number in range(3 * TRAIN_FROM):
        bodies.put(number, body(number))
    bodies.put(0, b'"%b"' % (b"x" * 100_000))
    bodies.compress()

    assert [bodies.get(number) for number in range(1, 3 * TRAIN_FROM)] == [body(n) for n in range(1, 3 * TRAIN_FROM)]
    assert bodies.get(0).count(b"x") == 100_000
    assert len(bodies._warm) <= 1024
    assert 0 not in bodies._warm
