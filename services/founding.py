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
    CardKind,
    Course,
    CourseMaterial,
    CourseState,
    MaterialKind,
    Organisation,
    OrganisationKind,
    QualificationKind,
    Question,
    Series,
    SeriesCard,
    ServiceField,
    Skill,
    SpokenLanguage,
    TeamEquipment,
    TeamPost,
    ThingState,
    VolunteerDay,
)
from services.finding import folded, search_key
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
    days = _entries(folder, "days", "day", needed=False)
    series = _entries(folder, "series", "series", needed=False)
    taught = _entries(folder, "courses", "course", needed=False)
    everything = sum(map(len, (organisations, fields, skills, kinds, languages, days, series)))
    for done, entry in enumerate(organisations, 1):
        await _organisation(session, entry)
        if progress:
            progress(done, everything)
    await _terms(session, ServiceField, fields)
    await _terms(session, Skill, skills)
    await _terms(session, QualificationKind, kinds)
    await _terms(session, SpokenLanguage, languages)
    for entry in days:
        await _day(session, entry)
    for entry in series:
        await _series(session, entry)
    for entry in organisations:
        if "posts" in entry or "equipment" in entry:
            await _team(session, entry)
    for entry in taught:
        await _course(session, folder, entry)
    if progress:
        progress(everything, everything)
    return everything


def _entries(folder: Path, file: str, key: str, *, needed: bool = True) -> list[dict[str, Any]]:
    path = folder / f"{file}.toml"
    if not needed and not path.exists():
        return []
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


async def _day(session: AsyncSession, entry: dict[str, Any]) -> None:
    day = await session.scalar(select(VolunteerDay).where(VolunteerDay.code == entry["code"]))
    if day is not None and day.edited:
        return
    owner = await _owner(session, entry)
    day = day or VolunteerDay(code=entry["code"])
    day.organisation_id = owner
    day.month, day.day = entry["month"], entry["day"]
    day.names, day.thanks = entry["names"], entry.get("thanks")
    session.add(day)
    await session.flush()


async def _series(session: AsyncSession, entry: dict[str, Any]) -> None:
    series = await session.scalar(select(Series).where(Series.code == entry["code"]))
    if series is not None and series.edited:
        return
    owner = await _owner(session, entry)
    series = series or Series(code=entry["code"], published=True)
    series.organisation_id = owner
    series.emoji, series.names, series.about = entry["emoji"], entry["names"], entry["about"]
    session.add(series)
    await session.flush()
    cards = select(SeriesCard).where(SeriesCard.series_id == series.id)
    known = {card.position: card for card in await session.scalars(cards)}
    for position, said in enumerate(entry["card"], 1):
        card = known.get(position) or SeriesCard(series_id=series.id, position=position)
        card.correct = said.get("correct")
        card.kind = CardKind.CARD if card.correct is None else CardKind.QUIZ
        card.texts = said["texts"]
        session.add(card)
    await session.flush()


async def _owner(session: AsyncSession, entry: dict[str, Any]) -> int:
    """The key of the organisation that an entry names. Raises CityError."""
    code = entry["organisation"]
    found = await session.scalar(select(Organisation.id).where(Organisation.code == code))
    if found is None:
        raise CityError(f"{entry['code']}: there is no organisation {code}")
    return found


async def _team(session: AsyncSession, entry: dict[str, Any]) -> None:
    """Posts and equipment of a rescue team that has none yet; afterwards they are its leaders'."""
    team = (
        await session.scalars(select(Organisation).where(Organisation.code == entry["code"]))
    ).one()
    posts = select(TeamPost.id).where(TeamPost.organisation_id == team.id)
    if await session.scalar(posts.limit(1)) is None:
        for one in entry.get("posts", []):
            made = TeamPost(
                organisation_id=team.id,
                names=one["names"],
                key=folded(next(iter(one["names"].values()))),
                wanted=one["wanted"],
                on_duty=one.get("on_duty", 0),
                qualifications=await _keys(session, QualificationKind, one, "qualifications"),
                skills=await _keys(session, Skill, one, "skills"),
            )
            session.add(made)
    things = select(TeamEquipment.id).where(TeamEquipment.organisation_id == team.id)
    if await session.scalar(things.limit(1)) is None:
        for one in entry.get("equipment", []):
            thing = TeamEquipment(
                organisation_id=team.id,
                names=one["names"],
                count=one["count"],
                place=one.get("place", ""),
                state=ThingState.OK,
                interval=one.get("interval"),
                next_check_on=one.get("next_check"),
            )
            session.add(thing)
    await session.flush()


async def _keys(
    session: AsyncSession, kind: type[T], entry: dict[str, Any], name: str
) -> list[int]:
    """Raises CityError for a code that no term of the city has."""
    codes = entry.get(name, [])
    found = await session.scalars(select(kind).where(kind.code.in_(codes)))
    keys = {row.code: row.id for row in found}
    unknown = [code for code in codes if code not in keys]
    if unknown:
        raise CityError(f"organisations.toml: {name} of a post: {unknown[0]} is not known")
    return [keys[code] for code in codes]


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
