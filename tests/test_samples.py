"""A sample city is complete and consistent, so that another city can copy its shape."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from models import Course, Database, Organisation, OrganisationKind, ServiceField, Skill
from services.founding import CityError, found_city
from tests.databases import SAMPLE

FILES = {
    "organisations": "organisation",
    "fields": "field",
    "skills": "group",
    "qualifications": "qualification",
    "languages": "language",
    "courses": "course",
}


def entries(file: str) -> list[dict[str, Any]]:
    return list(tomllib.loads((SAMPLE / f"{file}.toml").read_text())[FILES[file]])


@pytest.mark.parametrize("file", FILES)
def test_everything_has_a_code_of_its_own_and_a_name_in_both_languages(file: str) -> None:
    found = entries(file)
    for entry in list(found):
        found += entry.get("subfields", []) + entry.get("skills", [])
    for entry in found:
        assert entry["names"].keys() >= {"zh_Hans", "en"}
    codes = [entry["code"] for entry in found if "code" in entry]
    assert len(codes) == len(set(codes))


def test_there_are_23_towns_with_two_communities_each_inside_the_city() -> None:
    organisations = entries("organisations")
    towns = [o for o in organisations if o["kind"] == "town_association"]
    assert len(towns) == 23
    for town in towns:
        below = [o for o in organisations if o.get("parent") == town["code"]]
        assert len(below) >= 2
    for organisation in organisations:
        assert 22.18 < organisation["latitude"] < 22.80
        assert 113.15 < organisation["longitude"] < 113.78


def test_there_are_about_60_skills() -> None:
    assert 55 <= sum(len(group["skills"]) for group in entries("skills")) <= 65


async def test_a_city_is_founded_with_its_tree_and_terms(database: Database) -> None:
    async with database.read() as session:
        towns = await session.scalars(
            select(Organisation).where(Organisation.kind == OrganisationKind.TOWN_ASSOCIATION)
        )
        assert {town.path.count(".") for town in towns} == {2}
        care = await session.scalar(select(ServiceField).where(ServiceField.code == "care"))
        assert care is not None
        child = select(ServiceField.parent_id).where(ServiceField.code == "children")
        assert await session.scalar(child) == care.id
        skill = await session.scalar(select(Skill).where(Skill.code == "first_aid"))
        assert skill is not None and skill.group["zh_Hans"] == "医疗健康"


async def test_founding_again_adds_nothing_twice(database: Database) -> None:
    async with database.write() as session:
        before = await session.scalar(select(func.count(Organisation.id)))
        await found_city(session, SAMPLE)
        assert await session.scalar(select(func.count(Organisation.id))) == before


async def test_a_wrong_file_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "organisations.toml").write_text("[[organisation]]\ncode = 'x'\n")
    async with database.write() as session:
        with pytest.raises(CityError, match=r"organisations\.toml: x has no names"):
            await found_city(session, tmp_path)


def test_the_questions_of_courses_can_be_answered_in_both_languages() -> None:
    for course in entries("courses"):
        assert course["field"] in {
            one["code"] for top in entries("fields") for one in (top, *top.get("subfields", []))
        }
        for question in course["questions"]:
            words = [question["text"], question["explanation"], *question["options"]]
            assert all(one.keys() >= {"zh_Hans", "en"} for one in words)
            places = range(1, len(question["options"]) + 1)
            assert question["solution"] and set(question["solution"]) <= set(places)
            assert question["solution"] == sorted(set(question["solution"]))


async def test_a_course_is_founded_once_and_then_left_as_people_made_it(database: Database) -> None:
    async with database.write() as session:
        course = (await session.scalars(select(Course))).one()
        course.names = {"": "我们自己的入门课"}
    async with database.write() as session:
        await found_city(session, SAMPLE)
        assert (await session.scalars(select(Course.names))).all() == [{"": "我们自己的入门课"}]
