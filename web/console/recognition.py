"""Recognition at the desk: stars and nominations to decide, awards, letters of thanks, bars."""

from models import AwardRule, Organisation, Person
from services import access, awards, enclosures, honours, points, recognition, stars
from services.access import Right
from services.errors import Gone
from services.people import own_volunteer
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/recognition")
async def show(visit: Visit) -> Page:
    """What is to be decided."""
    work = visit.work
    await recognition.require(work)
    return Page(
        "console/recognition/decisions",
        {
            "applications": await stars.applications(work),
            "nominations": await awards.nominations(work),
            "rounds": await awards.rounds(work),
        },
    )


async def _again(visit: Visit, recognition_id: int) -> Page:
    return await show(visit)


@pages.act("/recognition/stars/{recognition_id}/award", again=_again)
async def award_star(visit: Visit, recognition_id: int) -> Goto:
    await stars.award(visit.work, recognition_id)
    return Goto("/recognition", done="awarded", number=1)


@pages.act("/recognition/stars/{recognition_id}/refuse", again=_again)
async def refuse_star(visit: Visit, recognition_id: int) -> Goto:
    await stars.refuse(visit.work, recognition_id, _typed(visit, "remark"))
    return Goto("/recognition", done="refused")


@pages.act("/recognition/nominations/{recognition_id}/propose", again=_again)
async def propose(visit: Visit, recognition_id: int) -> Goto:
    await awards.propose(visit.work, recognition_id)
    return Goto("/recognition", done="proposed")


@pages.act("/recognition/nominations/{recognition_id}/award", again=_again)
async def award_nominated(visit: Visit, recognition_id: int) -> Goto:
    await awards.award(visit.work, recognition_id)
    return Goto("/recognition", done="awarded", number=1)


@pages.act("/recognition/nominations/{recognition_id}/decline", again=_again)
async def decline(visit: Visit, recognition_id: int) -> Goto:
    await awards.decline(visit.work, recognition_id, _typed(visit, "remark"))
    return Goto("/recognition", done="refused")


def _typed(visit: Visit, name: str) -> str:
    return str(visit.form.get(name, "")).strip()


# Kinds and lists


@pages.look("/recognition/awards")
async def show_awards(visit: Visit) -> Page:
    await recognition.require(visit.work)
    return Page(
        "console/recognition/awards",
        {
            "kinds": await awards.kinds(visit.work),
            "rounds": await awards.rounds(visit.work),
            "bodies": await access.subtrees_with(visit.work, Right.RECOGNISE),
            "rules": [rule.value for rule in AwardRule],
            "year": visit.work.today.year,
        },
    )


@pages.act("/recognition/awards", again=show_awards)
async def add_kind(visit: Visit) -> Goto:
    typed = _typed(visit, "least")
    try:
        rule = AwardRule(_typed(visit, "rule"))
        least = 0 if rule is AwardRule.NOMINATION else int(typed or 0)
    except ValueError:
        raise Gone from None
    name, yearly = _typed(visit, "name"), bool(visit.form.get("yearly"))
    await awards.add_kind(visit.work, visit.key("body"), name, rule, least, yearly=yearly)
    return Goto("/recognition/awards", done="saved")


async def _awards_again(visit: Visit, award_kind_id: int) -> Page:
    return await show_awards(visit)


@pages.act("/recognition/awards/{award_kind_id}/close", again=_awards_again)
async def close_kind(visit: Visit, award_kind_id: int) -> Goto:
    await awards.close_kind(visit.work, award_kind_id)
    return Goto("/recognition/awards", done="removed")


@pages.act("/recognition/awards/{award_kind_id}/propose", again=_awards_again)
async def open_round(visit: Visit, award_kind_id: int) -> Goto:
    one = await awards.open_round(visit.work, award_kind_id, visit.key("year"))
    return Goto(f"/recognition/rounds/{one.id}")


@pages.look("/recognition/rounds/{round_id}")
async def show_round(visit: Visit, round_id: int) -> Page:
    one = await awards.round_of(visit.work, round_id)
    listed = await awards.people(visit.work, round_id, visit.number("page", 1))
    return Page("console/recognition/round", {"one": one, "listed": listed})


@pages.act("/recognition/proposals/{recognition_id}/take-off", again=_again)
async def take_off(visit: Visit, recognition_id: int) -> Goto:
    one = await awards.take_off(visit.work, recognition_id)
    return Goto(f"/recognition/rounds/{one.id}", done="removed")


@pages.act("/recognition/rounds/{round_id}/submit", again=show_round)
async def submit(visit: Visit, round_id: int) -> Goto:
    await awards.submit(visit.work, round_id)
    return Goto(f"/recognition/rounds/{round_id}", done="handed_up")


@pages.act("/recognition/rounds/{round_id}/drop", again=show_round)
async def drop(visit: Visit, round_id: int) -> Goto:
    await awards.drop_round(visit.work, round_id)
    return Goto("/recognition/awards", done="removed")


@pages.act("/recognition/rounds/{round_id}/approve", again=show_round)
async def approve(visit: Visit, round_id: int) -> Goto:
    count = await awards.approve(visit.work, round_id)
    return Goto("/recognition", done="awarded", number=count)


@pages.act("/recognition/rounds/{round_id}/send-back", again=show_round)
async def send_back(visit: Visit, round_id: int) -> Goto:
    await awards.send_back(visit.work, round_id, _typed(visit, "remark"))
    return Goto("/recognition", done="list_back")


# What was given


@pages.look("/recognition/honours")
async def show_honours(visit: Visit) -> Page:
    await recognition.require(visit.work)
    tops = await access.organisations_with(visit.work, Right.RECOGNISE)
    return Page(
        "console/recognition/honours",
        {
            "given": await recognition.given(visit.work, visit.number("page", 1)),
            "seen": await honours.seen(visit.work, everywhere=bool(visit.query.get("city"))),
            "points": [(one, not await points.off_in(visit.work, one.id)) for one in tops],
            "per_hour": visit.work.policy.points_per_hour,
        },
    )


async def _honours_again(visit: Visit, recognition_id: int) -> Page:
    return await show_honours(visit)


@pages.act("/recognition/honours/{recognition_id}/revoke", again=_honours_again)
async def revoke(visit: Visit, recognition_id: int) -> Goto:
    await recognition.revoke(visit.work, recognition_id, _typed(visit, "remark"))
    return Goto("/recognition/honours", done="certificate_revoked")


@pages.act("/recognition/points", again=show_honours)
async def switch_points(visit: Visit) -> Goto:
    wanted = bool(visit.form.get("wanted"))
    await points.switch(visit.work, visit.key("organisation"), wanted=wanted)
    return Goto("/recognition/honours", done="saved")


@pages.look("/recognition/people/{person_id}")
async def show_person(visit: Visit, person_id: int) -> Page:
    work = visit.work
    person = await work.session.get(Person, person_id)
    if person is None:
        raise Gone
    await access.require(work, Right.RECOGNISE, person.organisation_id)
    minutes = (await recognition.minutes_of(work, [person.id])).get(person.id, 0)
    letters = await recognition.letters_to(work, person.id)
    return Page(
        "console/recognition/person",
        {
            "person": person,
            "home": await work.session.get_one(Organisation, person.organisation_id),
            "minutes": minutes,
            "points": await points.of(work, person.organisation_id, minutes),
            "held": await recognition.of_person(work, person.id),
            "at": await stars.standing(work, person),
            "letters": letters,
            "photos": await recognition.photos_of(work, [one.id for one in letters]),
        },
    )


# Letters of thanks


@pages.look("/recognition/letters")
async def show_letters(visit: Visit) -> Page:
    found = await recognition.letters(visit.work, visit.number("page", 1))
    photos = await recognition.photos_of(visit.work, [one.id for one, _ in found.rows])
    return Page("console/recognition/letters", {"found": found, "photos": photos})


@pages.act("/recognition/letters", again=show_letters)
async def enter_letter(visit: Visit) -> Goto:
    person = await _volunteer(visit)
    words, from_whom = _typed(visit, "words"), _typed(visit, "from_whom")
    await recognition.write_thanks(visit.work, person.id, words, from_whom)
    return Goto("/recognition/letters", done="thanked")


async def _volunteer(visit: Visit) -> Person:
    return await own_volunteer(visit.work, Right.RECOGNISE, _typed(visit, "volunteer"))


@pages.look("/recognition/letters/{letter_id}/photos/{letter_photo_id}")
async def show_photo(visit: Visit, letter_id: int, letter_photo_id: int) -> Download:
    await recognition.letter(visit.work, letter_id)
    subject = recognition.letter_subject(letter_id)
    photo = await enclosures.content(visit.work, subject, letter_photo_id)

    async def make() -> bytes:
        return photo.content

    return Download(f"{letter_photo_id}.jpg", photo.content_type, make, inline=True)


# Bars


@pages.look("/recognition/bars")
async def show_bars(visit: Visit) -> Page:
    await recognition.require(visit.work)
    least, most = visit.work.policy.bar_years
    return Page(
        "console/recognition/bars",
        {"found": await stars.bars(visit.work), "years": list(range(least, most + 1))},
    )


@pages.act("/recognition/bars", again=show_bars)
async def bar(visit: Visit) -> Goto:
    person = await _volunteer(visit)
    await stars.bar(visit.work, person.id, visit.key("years"), _typed(visit, "reason"))
    return Goto("/recognition/bars", done="told_one")


async def _bars_again(visit: Visit, bar_id: int) -> Page:
    return await show_bars(visit)


@pages.act("/recognition/bars/{bar_id}/answer", again=_bars_again)
async def answer_bar(visit: Visit, bar_id: int) -> Goto:
    lifts: dict[str, bool] = {"lift": True, "uphold": False}
    what = _typed(visit, "what")
    if what not in lifts:
        raise Gone
    await stars.answer_bar(visit.work, bar_id, _typed(visit, "answer"), lift=lifts[what])
    return Goto("/recognition/bars", done="answered")
