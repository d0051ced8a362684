from callboard.view.columns import Column


def column(*values: tuple[str, ...]) -> Column:
    column = Column()
    for member, held in enumerate(values):
        column.put(member, held)
    return column


def test_spellings_are_kept_apart_and_found_together() -> None:
    spelled = column(("Production",), ("production",), ("PRODUCTION",), ("test",))

    assert set(spelled.values) == {"Production", "production", "PRODUCTION", "test"}
    assert list(spelled.equal_to("production")) == [0, 1, 2]
    assert spelled.order() == ["production", "test"]


def test_a_spelling_that_goes_leaves_the_others() -> None:
    spelled = column(("Production",), ("production",), ("PRODUCTION",))

    spelled.drop(0, ("Production",))
    spelled.drop(1, ("production",))

    assert list(spelled.equal_to("production")) == [2]
    assert spelled.order() == ["production"]


def test_those_without_a_known_value_have_the_key_only() -> None:
    blank = column(("a",), (), ("b",))

    assert list(blank.holders()) == [0, 2]
    assert blank.exists is not None


def test_one_who_gets_a_value_is_not_blank_any_more() -> None:
    blank = column(("a",), ())

    blank.drop(1, ())
    blank.put(1, ("b",))

    assert list(blank.holders()) == [0, 1]
    assert blank.blank is None


def test_the_lowest_and_the_highest_value_keep_up_with_changes() -> None:
    tags = column(("Web", "java"), ("go",))
    assert (tags.lowest(0), tags.highest(0), tags.has_several(0), tags.has_several(1)) == ("java", "web", True, False)

    tags.drop(0, ("Web", "java"))
    tags.put(0, ("Rust",))
    tags.put(2, ("b", "A"))

    assert (tags.lowest(0), tags.highest(0), tags.has_several(0)) == ("rust", "rust", False)
    assert (tags.lowest(2), tags.highest(2)) == ("a", "b")


def test_a_column_that_everybody_left_says_so() -> None:
    left = column(("a",), ("a",), ())
    for member, values in enumerate([("a",), ("a",), ()]):
        left.drop(member, values)

    assert (left.exists, left.blank, left.multiple, left.values) == (None, None, None, {})


def test_a_search_that_goes_on_finds_what_a_new_one_finds() -> None:
    names = ("Payments", "payroll", "repay", "apple", "PAY", "pap")
    going_on = column(*((name,) for name in names))

    for text in ("p", "pa", "pay", "payr", "pay", "ap", "x"):
        expected = [member for member, name in enumerate(names) if text in name.lower()]
        assert list(going_on.having(text)) == expected
        assert list(column(*((name,) for name in names)).having(text)) == expected


def test_a_search_sees_values_that_have_come_and_gone() -> None:
    changing = column(("payments",), ("payroll",))
    changing.having("pay")

    changing.drop(0, ("payments",))
    changing.put(2, ("Repay",))
    changing.put(3, ("payroll",))

    assert list(changing.having("pay")) == [1, 2, 3]


def test_many_searches_do_not_pile_up() -> None:
    searched = column(*((f"value {number}",) for number in range(100)))

    for number in range(100):
        assert list(searched.having(f"value {number:02}")) == ([number] if number > 9 else [])

    assert searched._searched is not None
    assert len(searched._searched) <= 8
