from callboard.view.sorting import SortedTexts


def test_texts_are_in_the_order_of_their_code_points() -> None:
    assert SortedTexts().read(lambda: {"b", "ä", "B", "a"}, lambda text: True) == ["B", "a", "b", "ä"]


def test_a_few_changes_are_mended_without_collecting_again() -> None:
    texts = {"a", "c", "d"}
    order = SortedTexts()
    order.read(lambda: texts, texts.__contains__)

    texts.add("b")
    order.note("b")
    texts.remove("d")
    order.note("d")
    order.note("a")
    order.note("never")

    assert order.read(lambda: (), texts.__contains__) == ["a", "b", "c"]
    assert order.read(lambda: (), texts.__contains__) == ["a", "b", "c"]


def test_many_changes_are_sorted_anew() -> None:
    texts = {"a"}
    order = SortedTexts()
    order.read(lambda: texts, texts.__contains__)

    texts = {f"{number:02}" for number in range(50)}
    for text in ["a", *texts]:
        order.note(text)

    assert order.read(lambda: texts, texts.__contains__) == [f"{number:02}" for number in range(50)]
