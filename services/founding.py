"""Founding a city: its organisations and terms out of a folder of TOML files.

Each file says at its head what its keys mean; another city replaces the files. Founding again adds
what is new and renames what has changed, by code; it takes nothing away. Names and places of
organisations that people have changed at the console stay as they are.
"""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Course,
    CourseMaterial,
    CourseState,
    MaterialKind,
    Organisation,
    OrganisationKind,
    QualificationKind,
    Question,
    ServiceField,
    Skill,
    SpokenLanguage,
)
from services.finding import search_key
from services.organisations import OF_THE_FILE

T = TypeVar("T", ServiceField, Skill, QualificationKind, SpokenLanguage)
Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


class CityError(Exception):
    """A city's file is missing or wrong; the text names the file and the entry."""


async def found_city(session: AsyncSession, folder: Path, progress: Progress | None = None) -> int:
    """Adds or refreshes everything in `folder`; answers how many entries there are.

    Raises CityError.
    """
    organisations = _entries(folder, "organisations", "organisation")
    fields = list(_flat(_entries(folder, "fields", "field")))
    skills = list(_grouped(_entries(folder, "skills", "group")))
    kinds = _entries(folder, "qualifications", "qualification")
    languages = _entries(folder, "languages", "language")
    taught = _entries(folder, "courses", "course") if (folder / "courses.toml").exists() else []
    everything = len(organisations) + len(fields) + len(skills) + len(kinds) + len(languages)
    for done, entry in enumerate(organisations, 1):
        await _organisation(session, entry)
        if progress:
            progress(done, everything)
    await _terms(session, ServiceField, fields)
    await _terms(session, Skill, skills)
    await _terms(session, QualificationKind, kinds)
    await _terms(session, SpokenLanguage, languages)
    for entry in taught:
        await _course(session, folder, entry)
    if progress:
        progress(everything, everything)
    return everything


def _entries(folder: Path, file: str, key: str) -> list[dict[str, Any]]:
    path = folder / f"{file}.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))[key]
    except FileNotFoundError:
        raise CityError(f"{path} does not exist") from None
    except tomllib.TOMLDecodeError as fault:
        raise CityError(f"{path}: {fault}") from None
    except KeyError:
        raise CityError(f"{path}: there is no [[{key}]]") from None
    for entry in entries:
        if not isinstance(entry.get("names"), dict):
            raise CityError(f"{path}: {entry.get('code', '?')} has no names")
    return list(entries)


def _flat(fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Fields, each followed by its sub-fields."""
    for entry in fields:
        subfields = entry.pop("subfields", [])
        yield entry
        for subfield in subfields:
            yield {**subfield, "parent": entry["code"]}


def _grouped(groups: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for skill in group["skills"]:
            yield {**skill, "group": group["names"]}


async def _organisation(session: AsyncSession, entry: dict[str, Any]) -> None:
    code = entry["code"]
    known = await session.scalar(select(Organisation).where(Organisation.code == code))
    parent: Organisation | None = None
    if "parent" in entry:
        parent = await session.scalar(
            select(Organisation).where(Organisation.code == entry["parent"])
        )
        if parent is None:
            raise CityError(f"organisation {code}: its parent {entry['parent']} comes later or not")
    values = {
        "kind": OrganisationKind(entry["kind"]),
        "names": entry["names"],
        "place": entry.get("place"),
        "latitude": entry.get("latitude"),
        "longitude": entry.get("longitude"),
        "weight": entry.get("weight", 1.0),
    }
    if known is not None:
        for name, value in values.items():
            if not (known.edited and name in OF_THE_FILE):
                setattr(known, name, value)
        known.population = known.population or entry.get("population")
        return
    organisation = Organisation(
        code=code,
        parent_id=parent.id if parent else None,
        population=entry.get("population"),
        approves_registrations=entry.get("approves_registrations", False),
        asks_id_number=entry.get("asks_id_number", False),
        **values,
    )
    session.add(organisation)
    await session.flush()
    organisation.path = f"{parent.path if parent else ''}{organisation.id}."


async def _terms(session: AsyncSession, kind: type[T], entries: list[dict[str, Any]]) -> None:
    known = {row.code: row for row in await session.scalars(select(kind))}
    columns = set(kind.__table__.columns.keys())
    for position, entry in enumerate(entries):
        row = known.get(entry["code"])
        if row is None:
            row = known[entry["code"]] = kind(code=entry["code"])
            session.add(row)
        row.names = entry["names"]
        row.search = search_key(entry["names"])
        row.position = position
        for name, value in entry.items():
            if name in columns and name not in ("code", "names"):
                setattr(row, name, value)
        if "parent" in entry and isinstance(row, ServiceField):
            await session.flush()
            row.parent_id = known[entry["parent"]].id
    await session.flush()


async def _course(session: AsyncSession, folder: Path, entry: dict[str, Any]) -> None:
    """An online course of the topmost organisation; one that is known stays as people made it."""
    code = entry["code"]
    if await session.scalar(select(Course.id).where(Course.code == code)) is not None:
        return
    top = (
        await session.scalars(
            select(Organisation).where(Organisation.parent_id.is_(None)).order_by(Organisation.id)
        )
    ).first()
    field = await session.scalar(select(ServiceField.id).where(ServiceField.code == entry["field"]))
    if top is None or field is None:
        raise CityError(f"{folder}/courses.toml: {code} has no organisation or no known field")
    course = Course(
        code=code,
        organisation_id=top.id,
        field_id=field,
        state=CourseState.OPEN,
        names=entry["names"],
        about=entry["about"],
        online=True,
        quiz=True,
        minutes=entry["minutes"],
        pass_mark=entry["pass_mark"],
    )
    session.add(course)
    await session.flush()
    session.add_all(
        CourseMaterial(
            course_id=course.id,
            kind=MaterialKind.TEXT,
            names=one["names"],
            content={language: text.strip() for language, text in one["text"].items()},
            position=position,
        )
        for position, one in enumerate(entry.get("materials", []))
    )
    session.add_all(
        Question(
            course_id=course.id,
            text=one["text"],
            options=one["options"],
            solution=[place - 1 for place in one["solution"]],
            explanation=one["explanation"],
            position=position,
        )
        for position, one in enumerate(entry["questions"])
    )
    await session.flush()
