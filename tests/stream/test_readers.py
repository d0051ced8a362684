"""Who reads from a process."""

from callboard.stream.readers import Readers


def test_a_reader_counts_as_long_as_it_is_owed_an_answer() -> None:
    readers = Readers()

    with readers.attending(3) as first, readers.attending(10):
        first.waiting = True
        during = (readers.count, readers.waiting, readers.furthest_lag(head=12))
        first.offset = 12
        later = readers.furthest_lag(head=12)

    assert (during, later) == ((2, 1, 9), 2)
    assert (readers.count, readers.waiting, readers.furthest_lag(head=12)) == (0, 0, 0)
