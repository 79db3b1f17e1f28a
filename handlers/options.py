"""What the pick fields of forms offer: the city's terms and organisations as options."""

from collections.abc import Sequence

from sqlalchemy import select

from handlers.fields import Asked, Option, Options, Spot
from models import (
    Equipment,
    MarkKind,
    Organisation,
    OrganisationKind,
    QualificationKind,
    ServiceField,
    Skill,
    SpokenLanguage,
)
from services import access, declaring, organisations, terms
from services.finding import search_key
from services.traits import MARKS


async def fields(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, row.search, emoji=row.emoji)
        for row in await terms.every(asked.turn.work.session, ServiceField)
    ]


async def skills(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, row.search, group=row.group)
        for row in await terms.every(asked.turn.work.session, Skill)
    ]


async def qualification_kinds(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, row.search)
        for row in await terms.every(asked.turn.work.session, QualificationKind)
    ]


async def spoken_languages(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, row.search)
        for row in await terms.every(asked.turn.work.session, SpokenLanguage)
    ]


EQUIPMENT = tuple(Equipment)


async def equipment(asked: Asked) -> list[Option]:
    """What people can bring, named as the templates name it."""
    words = asked.turn.around.words
    return [
        Option(key_of(kind), names, search_key(names))
        for kind in EQUIPMENT
        for names in [
            {one: words.plain("readiness/thing", one, kind=kind.value) for one in words.languages}
        ]
    ]


def key_of(kind: Equipment) -> int:
    return EQUIPMENT.index(kind)


def equipment_of(keys: Sequence[int]) -> list[Equipment]:
    return [EQUIPMENT[key] for key in keys]


async def marks(asked: Asked) -> list[Option]:
    """What kinds of volunteers there are, named as the templates name them."""
    words = asked.turn.around.words
    return [
        Option(at, names, search_key(names))
        for at, kind in enumerate(MARKS)
        for names in [
            {one: words.plain("marks/name", one, kind=kind.value) for one in words.languages}
        ]
    ]


def keys_of_marks(kinds: Sequence[MarkKind]) -> list[int]:
    return [MARKS.index(kind) for kind in kinds]


def marks_of(keys: Sequence[int]) -> tuple[MarkKind, ...]:
    return tuple(MARKS[key] for key in keys)


async def teams(asked: Asked) -> list[Option]:
    """Rescue teams first, then the organisations that the actor commands."""
    found = await declaring.teams(asked.turn.work)
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


async def rally_points(asked: Asked) -> list[Spot]:
    """Rally points that are kept or were used as buttons; by name also the areas of the city."""
    known = await declaring.known_places(asked.turn.work, asked.answers.get("organisation"))
    return [
        Spot(
            Option(place.key, place.names, search_key(place.names)),
            place.latitude,
            place.longitude,
            shown=place.kept or place.earlier,
        )
        for place in known
    ]


async def towns(asked: Asked) -> list[Option]:
    found = await organisations.of_kind(asked.turn.work.session, OrganisationKind.TOWN_ASSOCIATION)
    return [of_area(row) for row in found]


def stations_in(answer: str) -> Options:
    """The organisations below the one that the field `answer` holds."""

    async def stations(asked: Asked) -> list[Option]:
        parent_id = int(asked.answers.get(answer) or 0)
        return [
            of_area(row) for row in await organisations.children(asked.turn.work.session, parent_id)
        ]

    return stations


def organisations_with(right: access.Right) -> Options:
    """The organisations in which the person may do something."""

    async def own(asked: Asked) -> list[Option]:
        found = await access.organisations_with(asked.turn.work, right)
        return [Option(row.id, row.names, search_key(row.names)) for row in found]

    return own


async def subtree_of_subject(asked: Asked) -> list[Option]:
    """The organisation that the form is about, and all below it."""
    session = asked.turn.work.session
    top = await session.get_one(Organisation, asked.subject_id)
    found = await session.scalars(
        select(Organisation)
        .where(organisations.within(top.path), organisations.IS_OPEN)
        .order_by(Organisation.path)
    )
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


def of_area(organisation: Organisation) -> Option:
    names = organisations.area_names(organisation)
    return Option(organisation.id, names, search_key(names))
