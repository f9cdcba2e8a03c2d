"""Text from outside: nothing that a terminal obeys, and no endless names."""

from __future__ import annotations

from lib import text

ODD = "a\x1b[2J\nb\u202ec\x00"


def test_control_characters_are_replaced() -> None:
    assert text.visible(ODD) == "a�[2J�b�c�"
    assert text.visible("Blüte 花 é") == "Blüte 花 é"


def test_lines_stay_lines() -> None:
    assert text.printable(["one", ODD]) == "one\na�[2J�b�c�"
    assert text.one_line("one\n two\t\x1bthree ") == "one two �three"


def test_long_names_end_in_an_ellipsis() -> None:
    assert text.shortened("x" * 200) == "x" * 200
    assert text.shortened("x" * 201) == "x" * 199 + "…"
    assert text.shown_name("\n" * 300) == "�" * 199 + "…"


def test_nouns_agree_with_their_numbers() -> None:
    assert [text.counted(number, "image") for number in (0, 1, 2, 4064)] == [
        "0 images",
        "1 image",
        "2 images",
        "4,064 images",
    ]
    assert text.counted(1, "class") == "1 class"
    assert text.agreeing(1, "photo", "is", "are") == "1 photo is"
    assert text.agreeing(0, "photo", "is", "are") == "0 photos are"
    assert text.counted(2, "index", "indices") == "2 indices"
    assert text.counted(2, "class folder") == "2 class folders"
    nouns = ("class", "query", "way", "box", "batch", "test photo")
    assert [text.plural_of(noun) for noun in nouns] == ["classes", "queries", "ways", "boxes", "batches", "test photos"]


def test_natural_order_and_names_without_digits_keep_theirs() -> None:
    assert sorted(["10", "2", "1", "001", "a10", "a2", "b"], key=text.natural_key) == [
        *("001", "1", "2", "10", "a2", "a10", "b"),
    ]
    plain = ["Zinnia", "rose", "Rose", "花", "", "é", "a-b", "ab"]
    assert sorted(plain, key=text.natural_key) == sorted(plain)
    assert sorted(["9" * 6000, "1" + "0" * 6000], key=text.natural_key) == ["9" * 6000, "1" + "0" * 6000]


def test_names_that_look_alike() -> None:
    names = ["Rose", "rose", "rose ", "tulip", "sun_flower", "Sun-Flower", "ﬁg", "fig", "straße", "strasse"]
    groups = [set(group) for group in text.look_alikes(names)]
    assert {"Rose", "rose", "rose "} in groups and {"sun_flower", "Sun-Flower"} in groups
    assert {"ﬁg", "fig"} in groups and len(groups) == 4
    assert text.look_alikes(["rose", "tulip", "rose 1", "rose 2"]) == []


def test_lists_of_names() -> None:
    assert [text.listed(names) for names in ([], ["a"], ["a", "b"], "abc")] == ["", "a", "a and b", "a, b and c"]
    assert text.listed("abcdefgh", 3) == "a, b, c and 5 more"
    assert text.composed("e\u0301") == "é" and text.composed("plain") == "plain"


def test_a_column_is_as_wide_as_its_longest_word() -> None:
    assert text.widest(["Tulpen & Überraschung", "rose"], 12) == 21
    assert text.widest([], 12) == text.widest(["rose"], 12) == 12
