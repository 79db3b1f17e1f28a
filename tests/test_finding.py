"""People find a skill, a field or a town by whatever part of its name they type."""

from dataclasses import dataclass

import pytest

from services.finding import matches, rank, search_key


@dataclass
class Thing:
    name: str
    search: str


def thing(chinese: str, english: str) -> Thing:
    return Thing(chinese, search_key({"zh_Hans": chinese, "en": english}))


THINGS = [
    thing("医疗急救", "Medical first aid"),
    thing("急救员证", "First-aider certificate"),
    thing("心理疏导", "Psychological support"),
    thing("驾驶", "Driving"),
    thing("石岐街道", "Shiqi"),
]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("医疗", "医疗急救"),
        ("yiliao", "医疗急救"),
        ("yi liao", "医疗急救"),
        ("yl", "医疗急救"),
        ("YLJJ", "医疗急救"),
        ("ｙｌ", "医疗急救"),
        ("medical", "医疗急救"),
        ("急救员", "急救员证"),
        ("aider", "急救员证"),
        ("psy", "心理疏导"),
        ("xinli", "心理疏导"),
        ("疏导", "心理疏导"),
        ("drive", None),
        ("driv", "驾驶"),
        ("shiqi", "石岐街道"),
        ("sq", "石岐街道"),
        ("潜水", None),
        ("  ", None),
    ],
)
def test_what_is_typed_finds_what_is_meant(typed: str, first: str | None) -> None:
    found = rank(THINGS, typed)
    assert (found[0].name if found else None) == first


def test_a_part_in_the_middle_comes_after_a_beginning() -> None:
    assert [t.name for t in rank(THINGS, "急救")] == ["急救员证", "医疗急救"]


def test_one_letter_does_not_find_everything() -> None:
    assert not matches(search_key({"zh_Hans": "驾驶"}), "a")
