"""A coordinator says whom they mean, sees how many that are, and keeps it under a name."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from handlers.audiences import answers_of, audience_from
from handlers.forms import Filled
from models import (
    Account,
    Database,
    Group,
    Organisation,
    Person,
    PersonLanguage,
    Qualification,
    QualificationKind,
    QualificationState,
    RoleKind,
    ServiceField,
    Skill,
    SpokenLanguage,
    Trait,
)
from services import accounts, audiences, traits
from services.audiences import Audience, Count, Near
from services.errors import Gone, NotAllowed, Refusal
from tests.making import Making

CODES = {
    "organisations": Organisation,
    "skills": Skill,
    "qualifications": QualificationKind,
    "interests": ServiceField,
    "languages": SpokenLanguage,
}
FAR = {"latitude": 22.27, "longitude": 113.47}
SHIQI = Near(latitude=22.525, longitude=113.375, metres=5_000)


async def audience(session: Any, **choices: Any) -> Audience:
    """Choices by the codes of what is chosen."""
    for name, kind in CODES.items():
        if name in choices:
            chosen = select(kind.id).where(kind.code.in_(choices[name]))
            choices[name] = tuple(await session.scalars(chosen))
    return Audience(**choices)


async def names(making: Making, database: Database, actor: Person, **choices: Any) -> set[str]:
    """Who is in the audience, by the query that newsletters and statistics start from."""
    async with database.read() as session:
        work = making.work(session, actor)
        settled = await audiences.settled(work, await audience(session, **choices))
        whom = audiences.members(work.acting_as(None), settled)
        counted = await audiences.count(work, settled)
        found = set(await session.scalars(select(Person.name).where(Person.id.in_(whom))))
        assert counted.total == len(found)
        return found - {actor.name}


async def with_terms(making: Making, database: Database, person: Person, *rows: Any) -> None:
    async with database.write() as session:
        session.add_all(rows)
        await traits.renew(making.work(session), [person.id])


async def key(database: Database, kind: Any, code: str) -> int:
    async with database.read() as session:
        found = await session.scalar(select(kind.id).where(kind.code == code))
        assert found is not None
        return int(found)


@pytest.mark.parametrize(
    ("choices", "fits", "fits_not"),
    [
        ({"near": SHIQI}, {}, FAR),
        ({"near": SHIQI}, {"latitude": None}, {**FAR, "organisation": "zs-sanxiang"}),
        ({"skills": ("car", "first_aid")}, {"skills": ("car",)}, {"skills": ("truck",)}),
        (
            {"skills": ("car", "first_aid"), "skills_all": True},
            {"skills": ("car", "first_aid")},
            {"skills": ("car",)},
        ),
        ({"interests": ("care",)}, {"interests": ("elderly_disabled",)}, {"interests": ("blood",)}),
        ({"interests": ("elderly_disabled",)}, {"interests": ("care",)}, {}),
        (
            {"age_from": 18},
            {"birth_date": date(2008, 11, 23)},
            {"birth_date": date(2008, 11, 24)},
        ),
        ({"age_to": 18}, {"birth_date": date(2007, 11, 24)}, {"birth_date": date(2007, 11, 23)}),
        ({"written": "en"}, {"language": "en"}, {"language": "zh_Hans"}),
        ({"organisations": ("zs-shiqi",)}, {}, {"organisation": "zs-sanxiang"}),
    ],
)
async def test_an_audience_holds_those_whom_every_choice_fits(
    making: Making, database: Database, choices: Any, fits: Any, fits_not: Any
) -> None:
    li = await making.coordinator(
        "李敏", organisation="zs", role=RoleKind.ADMINISTRATOR, birth_date=date(1950, 1, 1), **FAR
    )
    await making.volunteer("在内", **fits)
    await making.volunteer("在外", **fits_not)
    assert await names(making, database, li, **choices) == {"在内"}


async def test_languages_activity_service_and_stars_are_choices_too(
    making: Making, database: Database
) -> None:
    li = await making.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen, he = await making.volunteer("陈晓丽"), await making.volunteer("何家豪")
    spoken = await key(database, SpokenLanguage, "yue")
    speaks = PersonLanguage(person_id=chen.id, spoken_language_id=spoken)
    await with_terms(making, database, chen, speaks)
    assert await names(making, database, li, languages=("yue",)) == {"陈晓丽"}
    async with database.write() as session:
        served = {"enrolled": 3, "attended": 2, "minutes": 100 * 60}
        await session.execute(update(Trait).where(Trait.person_id == chen.id).values(served))
    assert await names(making, database, li, experience="enrolled") == {"陈晓丽"}
    assert await names(making, database, li, experience="attended") == {"陈晓丽"}
    assert await names(making, database, li, experience="never") == {"何家豪"}
    assert await names(making, database, li, stars_from=1) == {"陈晓丽"}
    assert await names(making, database, li, stars_from=2) == set()
    making.clock.forward(days=40)
    async with database.write() as session:
        chat = await session.scalar(select(Account.telegram_id).where(Account.person_id == he.id))
        assert chat is not None
        await accounts.meet(
            session, chat, "zh-hans", making.clock(), making.work(session).policy.zone
        )
    assert await names(making, database, li, active_within_days=30) == {"何家豪"}


async def test_a_qualification_counts_while_it_is_verified_and_valid(
    making: Making, database: Database
) -> None:
    li = await making.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    kind = await key(database, QualificationKind, "first_aider")
    for name, state, day in (
        ("有效", QualificationState.VERIFIED, date(2026, 11, 23)),
        ("过期", QualificationState.VERIFIED, date(2026, 11, 22)),
        ("待审", QualificationState.AWAITING, date(2027, 11, 22)),
    ):
        person = await making.volunteer(name)
        document = Qualification(
            person_id=person.id, kind_id=kind, state=state, expires_on=day,
            submitted_at=making.clock(),
        )  # fmt: skip
        await with_terms(making, database, person, document)
    assert await names(making, database, li, qualifications=("first_aider",)) == {"有效"}


async def test_terms_that_share_a_bit_are_told_apart(making: Making, database: Database) -> None:
    """A city may have more skills than a mask has bits."""
    li = await making.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    await making.volunteer("急救", skills=("first_aid",))
    first_aid = await key(database, Skill, "first_aid")
    async with database.write() as session:
        twin = Skill(id=first_aid + 63 * 2, code="twin", names={}, group={})
        session.add(twin)
    await making.volunteer("另一种", skills=("twin",))
    for both in (True, False):
        for code, who in (("first_aid", "急救"), ("twin", "另一种")):
            found = await names(making, database, li, skills=(code,), skills_all=both)
            assert found == {who}


async def test_the_count_says_who_can_not_be_reached_and_why(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    await making.crowd(2)
    await making.volunteer("拉黑了", telegram_id=66)
    await making.volunteer("休息中", paused_until=date(2026, 12, 24))
    await making.volunteer("不想听", opt_outs=("newsletter",))
    await making.volunteer("陈晓丽", opt_outs=("survey",))
    async with database.write() as session:
        work = making.work(session, wang)
        await accounts.mark_unreachable(session, 66, "blocked", work.now)
        counted = await audiences.count(work, Audience(), "newsletter")
        assert counted == Count(7, 2, no_telegram=2, blocked=1, paused=1, opted_out=1)
        assert counted.unreachable == {"no_telegram": 2, "blocked": 1, "paused": 1, "opted_out": 1}
        assert (await audiences.count(work, Audience())).opted_out == 0
        sampled = {one.name: one.why_not for one in
                   await audiences.sample(work, Audience(), kind="newsletter")}  # fmt: skip
        assert sampled["陈晓丽"] is None
        assert sampled["拉黑了"] == "blocked"
        assert sampled["休息中"] == "paused"
        assert sampled["不想听"] == "opted_out"


async def test_a_sample_is_of_ten_and_stays_the_same(making: Making, database: Database) -> None:
    wang = await making.coordinator("王强")
    await making.crowd(30)
    async with database.read() as session:
        work = making.work(session, wang)
        sampled = await audiences.sample(work, Audience())
        assert len(sampled) == 10
        assert await audiences.sample(work, Audience()) == sampled
        assert sampled[0].organisation["zh_Hans"]


async def test_nobody_addresses_organisations_that_are_not_theirs(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    chen = await making.volunteer("陈晓丽")
    await making.volunteer("别处的", organisation="zs-sanxiang")
    assert await names(making, database, wang) == {"陈晓丽"}
    elsewhere = await key(database, Organisation, "zs-sanxiang")
    async with database.write() as session:
        session.add(Group(chat_id=-5, organisation_id=elsewhere, title="三乡", language="zh_Hans"))
    async with database.read() as session:
        group = await session.scalar(select(Group.id))
        work = making.work(session, wang)
        for audience_of_others in (Audience(organisations=(elsewhere,)), Audience(groups=(group,))):
            with pytest.raises(NotAllowed):
                await audiences.count(work, audience_of_others)
        assert (await audiences.count(making.work(session, chen), Audience())).total == 0
        nobody = audiences.members(making.work(session), Audience())
        assert list(await session.scalars(nobody)) == []


async def test_an_audience_is_kept_under_a_name(making: Making, database: Database) -> None:
    wang = await making.coordinator("王强")
    li = await making.coordinator("李敏", organisation="zs-sanxiang")
    chosen = Audience(near=SHIQI, age_from=18, experience="never")
    async with database.write() as session:
        work = making.work(session, wang)
        home = wang.organisation_id
        kept = await audiences.save(work, home, " 新人 ", chosen)
        assert (await audiences.save(work, home, "新人", chosen)).id == kept.id
        with pytest.raises(Refusal):
            await audiences.save(work, home, " ", chosen)
        assert [one.name for one in await audiences.saved(work)] == ["新人"]
        _, again = await audiences.saved_one(work, kept.id)
        assert again == chosen.model_copy(update={"organisations": (home,)})
        others = making.work(session, li)
        assert await audiences.saved(others) == []
        with pytest.raises(NotAllowed):
            await audiences.forget(others, kept.id)
        await audiences.forget(work, kept.id)
        with pytest.raises(Gone):
            await audiences.saved_one(work, kept.id)


def test_people_picked_by_name_stay_picked_when_the_description_is_changed_in_the_chat() -> None:
    picked = Audience(people=(3, 5), skills=(1,), skills_all=True)
    assert audience_from(Filled(answers_of(picked), None)) == picked
