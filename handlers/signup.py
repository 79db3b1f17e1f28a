"""The sign-up form and the forms that change single answers of it later."""

from dataclasses import replace
from datetime import date
from typing import Any

from handlers import options
from handlers.areas import Area
from handlers.fields import (
    Asked,
    Choice,
    Day,
    Field,
    Hours,
    OtherPhone,
    Phone,
    PickMany,
    Text,
    Week,
)
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Who, button, command
from handlers.turns import Turn
from models import (
    Organisation,
    Person,
    ServiceField,
    Skill,
    SpokenLanguage,
    Standing,
)
from services import accounts, claiming, guessing, organisations, profile, signup, terms
from services.errors import Refusal
from services.signup import Details

NIGHTS = ("1320-420", "1380-480")
"""Usual hours not to be called, as minutes of the day."""


# The fields and their rules


async def speak(asked: Asked, code: str) -> str:
    """The rest of the form is already in the chosen language."""
    await accounts.choose_language(asked.turn.work, asked.turn.account, code)
    return code


async def agreed(_asked: Asked, answer: str) -> str:
    if answer != "yes":
        raise Refusal("signup_no_consent")
    return answer


async def _name(_asked: Asked, name: str) -> str:
    return signup.checked_name(name)


async def _birth(asked: Asked, iso: Any) -> dict[str, Any]:
    day = date.fromisoformat(iso)
    work = asked.turn.work
    signup.checked_birth_date(work, day)
    return {"day": iso, "minor": signup.is_minor(work, day)}


async def _phone(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    turn = asked.turn
    if not answer["verified"]:
        await guessing.try_number(turn.work, turn.account)
    await claiming.meet(turn.work, turn.account, answer["phone"], verified=answer["verified"])
    await signup.check_phone(asked.turn.work, answer["phone"])
    return answer


async def _id_number(asked: Asked, typed: str) -> str:
    born = date.fromisoformat(asked.answers["birth"]["day"])
    await guessing.try_number(asked.turn.work, asked.turn.account)
    await claiming.meet_by_id_number(asked.turn.work, typed)
    return await signup.check_id_number(asked.turn.work, typed, born)


def _grown_up(answers: dict[str, Any]) -> bool:
    return not answers.get("birth", {}).get("minor", False)


def _not_called(answers: dict[str, Any]) -> bool:
    return answers.get("emergencies") != "yes"


def _always_called(answers: dict[str, Any]) -> bool:
    return _not_called(answers) or not answers.get("quiet")


def _no_contact(answers: dict[str, Any]) -> bool:
    return "contact_name" not in answers


def _no_id_asked(answers: dict[str, Any]) -> bool:
    return not answers.get("area", {}).get("asks_id", False)


ABOUT = (
    Field("name", Text(least=2, most=signup.LONGEST_NAME), check=_name),
    Field("birth", Day(), check=_birth),
    Field("guardian_name", Text(least=2, most=signup.LONGEST_NAME), skip_if=_grown_up, check=_name),
    Field("guardian_phone", OtherPhone(), skip_if=_grown_up),
    Field("phone", Phone(), check=_phone),
    Field("area", Area()),
    Field("skills", PickMany(options.skills), optional=True),
    Field("interests", PickMany(options.fields), optional=True),
    Field("week", Week()),
    Field("speaks", PickMany(options.spoken_languages, least=1)),
    Field("emergencies", Choice(("yes", "no"))),
    Field("quiet", Hours(presets=NIGHTS), optional=True, skip_if=_not_called),
    Field("any_hour", Choice(("yes", "no")), skip_if=_always_called),
    Field("contact_name", Text(least=2, most=signup.LONGEST_NAME), optional=True, check=_name),
    Field("contact_phone", OtherPhone(), skip_if=_no_contact),
    Field("id_number", Text(least=15, most=24), skip_if=_no_id_asked, check=_id_number),
)


# From answers to details and back


def details_from(turn: Turn, filled: Filled) -> Details:
    area, phone, quiet = filled["area"], filled["phone"], filled.get("quiet")
    minor = filled["birth"]["minor"]
    return Details(
        language=filled.get("language", turn.language),
        name=filled["name"],
        birth_date=date.fromisoformat(filled["birth"]["day"]),
        phone=phone["phone"],
        phone_verified=phone["verified"],
        organisation_id=area["organisation"],
        place=area["place"],
        skills=tuple(filled.get("skills", ())),
        interests=tuple(filled.get("interests", ())),
        languages=tuple(filled["speaks"]),
        availability=filled["week"],
        emergencies=filled["emergencies"] == "yes",
        not_called=(quiet[0], quiet[1]) if quiet else None,
        any_hour=filled.get("any_hour") == "yes",
        emergency_contact={"name": filled["contact_name"], "phone": filled["contact_phone"]}
        if filled.get("contact_name")
        else None,
        id_number=filled.get("id_number"),
        email=filled.get("email"),
        guardian={"name": filled["guardian_name"], "phone": filled["guardian_phone"]}
        if minor
        else None,
    )


async def _answers(turn: Turn, person: Person) -> dict[str, Any]:
    known = await profile.details_of(turn.work, person)
    organisation = await turn.work.session.get_one(Organisation, known.organisation_id)
    way = await organisations.chain(turn.work.session, organisation)
    guardian = known.guardian or {}
    contact = known.emergency_contact or {}
    answers: dict[str, Any] = {
        "name": known.name,
        "birth": {
            "day": known.birth_date.isoformat(),
            "minor": bool(guardian) and signup.is_minor(turn.work, known.birth_date),
        },
        "guardian_name": guardian.get("name"),
        "guardian_phone": guardian.get("phone"),
        "phone": {"phone": known.phone, "verified": known.phone_verified},
        "area": {
            "organisation": organisation.id,
            "names": [organisations.area_names(o) for o in way if o.parent_id is not None]
            or [organisation.names],
            "place": known.place,
            "asks_id": await signup.asks_id_number(turn.work, organisation),
        },
        "skills": list(known.skills),
        "interests": list(known.interests),
        "week": known.availability,
        "speaks": list(known.languages),
        "emergencies": "yes" if known.emergencies else "no",
        "quiet": list(known.not_called) if known.not_called else None,
        "any_hour": ("yes" if known.any_hour else "no") if known.not_called else None,
        "contact_name": contact.get("name"),
        "contact_phone": contact.get("phone"),
        "id_number": known.id_number,
        "email": known.email,
    }
    return {name: value for name, value in answers.items() if value is not None}


async def known_answers(turn: Turn, person: Person) -> dict[str, Any]:
    """Of somebody who has said nothing themselves: what is known, and no word of consent."""
    answers = await _answers(turn, person)
    if person.birth_date is None:
        del answers["birth"]
    if person.phone is None:
        del answers["phone"]
    for name in ("emergencies", "quiet", "any_hour"):
        answers.pop(name, None)
    return {name: value for name, value in answers.items() if value or name == "birth"}


async def describe(turn: Turn, answers: dict[str, Any]) -> dict[str, Any]:
    """The answers with the names of what was chosen, for summary and profile."""
    session = turn.work.session

    async def names(kind: Any, keys: list[int]) -> list[dict[str, str]]:
        return [row.names for row in await terms.by_keys(session, kind, keys)]

    return {
        "given": answers,
        "skills": await names(Skill, answers.get("skills", [])),
        "interests": await names(ServiceField, answers.get("interests", [])),
        "speaks": await names(SpokenLanguage, answers.get("speaks", [])),
    }


# Signing up


@command("signup", who=Who.ANYONE)
@button("signup", who=Who.ANYONE)
async def sign_up(turn: Turn) -> Reply:
    person = turn.person
    if person is not None and person.standing not in signup.RETURNS:
        raise Refusal("signup_registered")
    waits = await claiming.proved(turn.work, turn.account) if person is None else None
    if waits is not None:
        return Show("claiming/waits", waits.shown())
    return await start(turn, SIGNUP)


async def described(turn: Turn, filled: Filled) -> dict[str, Any]:
    return await describe(turn, filled.answers)


async def _register(turn: Turn, filled: Filled) -> Reply:
    details = details_from(turn, filled)
    return await registered(turn, await signup.register(turn.work, turn.account, details), details)


async def registered(turn: Turn, person: Person, details: Details) -> Reply:
    """Who is registered now, or what is still missing."""
    code = None
    if person.standing is Standing.AWAITING_GUARDIAN and details.guardian is not None:
        code = await signup.name_guardian(turn.work, person, details.guardian)
    return Show(
        "signup/registered",
        {
            "standing": person.standing.value,
            "name": person.name,
            "number": person.number,
            "guardian": details.guardian,
            "code": code,
            "link": turn.around.link(f"g-{code}") if code else None,
            "came_for": turn.account.came_for is not None,
        },
    )


SIGNUP = register(
    Form(
        "signup",
        (
            Field("language", Choice(("zh_Hans", "en")), check=speak),
            Field("consent", Choice(("yes", "no")), check=agreed),
            *ABOUT,
        ),
        _register,
        described,
    )
)


# Changing single answers later


@button("profile.edit")
async def edit(turn: Turn, field_name: str) -> Reply:
    PROFILE.field(field_name)
    answers = await _answers(turn, turn.work.person)
    return await start(turn, PROFILE, answers=answers, at=field_name)


async def _change(turn: Turn, filled: Filled) -> Reply:
    person = turn.work.person
    details = replace(details_from(turn, filled), language=person.language)
    await profile.change(turn.work, details)
    return await show_profile(turn, saved=True)


async def show_profile(turn: Turn, *, saved: bool = False) -> Reply:
    answers = await _answers(turn, turn.work.person)
    return Show(
        "profile/show",
        {
            "saved": saved,
            "number": turn.work.person.number,
            "paused_until": turn.work.person.paused_until,
            "fields": [f.name for f in PROFILE.relevant(answers)],
            **await describe(turn, answers),
        },
    )


async def _email(_asked: Asked, typed: str) -> str:
    return signup.checked_email(typed)


PROFILE = register(
    Form(
        "profile",
        (*ABOUT, Field("email", Text(most=signup.LONGEST_EMAIL), optional=True, check=_email)),
        _change,
        folder="signup",
    )
)
