"""Recognition as coordinators give it: stars, awards, bars, letters of thanks."""

from typing import Any

from handlers import forms
from handlers.fields import Asked, Choice, Field, Number, Option, Photos, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.honours import ASK
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import AwardRule
from services import access, awards, people, recognition, stars
from services.access import Right
from services.errors import NotAllowed, Refusal
from services.finding import search_key

REMARK = Text(*recognition.REMARK, lines=True)
PER_PAGE = 20
YES, NO = "yes", "no"


@command("awards", menu=Audience.COORDINATORS)
@button("awards")
async def show_desk(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    work = turn.work
    await recognition.require(work)
    nominations = await awards.nominations(work)
    return Show(
        "recognition/desk",
        {
            "stars": await stars.waiting(work),
            "on_notice": len(await stars.applications(work)),
            "nominations": len(nominations),
            "rounds": await awards.rounds(work),
            "kinds": len(await awards.kinds(work)),
            "bars": len(await stars.bars(work)),
        },
    )


# Stars


@button("star.cases")
async def show_applications(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("recognition/star_list", {"found": await stars.applications(turn.work)})


@button("star.case")
async def show_application(turn: Turn, recognition_id: int) -> Reply:
    await forms.set_aside(turn)
    one = await stars.application(turn.work, recognition_id)
    return Show("recognition/star_case", {"one": one})


@button("star.award")
async def award_star(turn: Turn, recognition_id: int) -> Reply:
    await stars.award(turn.work, recognition_id)
    return await show_applications(turn)


@button("star.refuse")
async def ask_why_no_star(turn: Turn, recognition_id: int) -> Reply:
    await stars.application(turn.work, recognition_id)
    return await start(turn, REFUSE_STAR, subject_id=recognition_id)


async def _refuse_star(turn: Turn, filled: Filled) -> Reply:
    await stars.refuse(turn.work, filled.subject_id or 0, filled["remark"])
    return await show_applications(turn)


REFUSE_STAR = register(Form("refuse_star", (Field("remark", REMARK),), _refuse_star, folder=ASK))


# Nominations


@button("nominations")
async def show_nominations(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await awards.nominations(turn.work)
    return Show("recognition/nomination_list", {"found": found})


@button("nomination")
async def show_nomination(turn: Turn, recognition_id: int) -> Reply:
    await forms.set_aside(turn)
    one = await awards.nomination(turn.work, recognition_id)
    return Show("recognition/nomination", {"one": one})


@button("nomination.propose")
async def propose(turn: Turn, recognition_id: int) -> Reply:
    one = await awards.propose(turn.work, recognition_id)
    return Show("recognition/nomination", {"one": one})


@button("nomination.award")
async def award_nominated(turn: Turn, recognition_id: int) -> Reply:
    await awards.award(turn.work, recognition_id)
    return await show_nominations(turn)


@button("nomination.decline")
async def ask_why_declined(turn: Turn, recognition_id: int) -> Reply:
    await awards.nomination(turn.work, recognition_id)
    return await start(turn, DECLINE, subject_id=recognition_id)


async def _decline(turn: Turn, filled: Filled) -> Reply:
    await awards.decline(turn.work, filled.subject_id or 0, filled["remark"])
    return await show_nominations(turn)


DECLINE = register(Form("decline_nomination", (Field("remark", REMARK),), _decline, folder=ASK))


# Lists by a rule


@button("award.kinds")
async def show_kinds(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await awards.kinds(turn.work)
    return Show("recognition/kinds", {"found": found, "year": turn.work.today.year})


@button("award.kind", reads=True)
async def show_kind(turn: Turn, kind_id: int) -> Reply:
    found = [one for one in await awards.kinds(turn.work) if one.kind.id == kind_id]
    if not found:
        raise NotAllowed
    return Show("recognition/kind", {"one": found[0], "year": turn.work.today.year})


@button("award.close")
async def close_kind(turn: Turn, kind_id: int) -> Reply:
    await awards.close_kind(turn.work, kind_id)
    return await show_kinds(turn)


@button("award.open")
async def open_round(turn: Turn, kind_id: int, year: int) -> Reply:
    return await _round(turn, await awards.open_round(turn.work, kind_id, year))


@button("award.round")
async def show_round(turn: Turn, round_id: int, number: int = 1) -> Reply:
    await forms.set_aside(turn)
    return await _round(turn, await awards.round_of(turn.work, round_id), number)


async def _round(turn: Turn, one: awards.Round, number: int = 1) -> Reply:
    listed = await awards.people(turn.work, one.id, number, PER_PAGE)
    return Show("recognition/round", {"one": one, "listed": listed})


@button("award.off")
async def take_off(turn: Turn, recognition_id: int) -> Reply:
    return await _round(turn, await awards.take_off(turn.work, recognition_id))


@button("award.submit")
async def submit(turn: Turn, round_id: int) -> Reply:
    return await _round(turn, await awards.submit(turn.work, round_id))


@button("award.drop")
async def drop(turn: Turn, round_id: int) -> Reply:
    await awards.drop_round(turn.work, round_id)
    return await show_desk(turn)


@button("award.approve")
async def approve(turn: Turn, round_id: int) -> Reply:
    count = await awards.approve(turn.work, round_id)
    return Show("recognition/approved", {"count": count})


@button("award.back")
async def ask_why_back(turn: Turn, round_id: int) -> Reply:
    await awards.round_of(turn.work, round_id)
    return await start(turn, SEND_BACK, subject_id=round_id)


async def _send_back(turn: Turn, filled: Filled) -> Reply:
    await awards.send_back(turn.work, filled.subject_id or 0, filled["remark"])
    return await show_desk(turn)


SEND_BACK = register(Form("send_back_awards", (Field("remark", REMARK),), _send_back, folder=ASK))


# A new kind of award


@button("award.new")
async def ask_kind(turn: Turn) -> Reply:
    await recognition.require(turn.work)
    return await start(turn, NEW_KIND, answers={})


async def _bodies(asked: Asked) -> list[Option]:
    found = await access.subtrees_with(asked.turn.work, Right.RECOGNISE)
    return [Option(one.id, one.names, search_key(one.names)) for one in found]


async def _add_kind(turn: Turn, filled: Filled) -> Reply:
    await awards.add_kind(
        turn.work,
        filled["body"],
        filled["award_name"],
        AwardRule(filled["rule"]),
        filled.get("least", 0),
        yearly=filled["yearly"] == YES,
    )
    return await show_kinds(turn)


def _is_nomination(answers: dict[str, Any]) -> bool:
    return answers.get("rule") == AwardRule.NOMINATION.value


async def _check_least(asked: Asked, least: int) -> int:
    fewest, most = awards.LEAST[AwardRule(asked.answers["rule"])]
    if not fewest <= least <= most:
        raise Refusal("award_least", least=fewest, most=most)
    return least


NEW_KIND = register(
    Form(
        "new_award",
        (
            Field("body", Pick(_bodies)),
            Field("award_name", Text(*awards.NAME)),
            Field("rule", Choice(tuple(rule.value for rule in AwardRule))),
            Field("least", Number(1, 10_000), skip_if=_is_nomination, check=_check_least),
            Field("yearly", Choice((YES, NO))),
        ),
        _add_kind,
        folder=ASK,
    )
)


# Letters of thanks, and bars


async def _volunteer(asked: Asked, typed: str) -> int:
    return (await people.own_volunteer(asked.turn.work, Right.RECOGNISE, typed)).id


VOLUNTEER = Field("volunteer", Text(1, 64), check=_volunteer)


@button("thanks.new")
async def ask_thanks(turn: Turn) -> Reply:
    return await start(turn, THANKS, answers={})


async def _thank(turn: Turn, filled: Filled) -> Reply:
    letter = await recognition.write_thanks(
        turn.work,
        filled["volunteer"],
        filled["letter"],
        filled["from_whom"],
        filled.get("photos", []),
    )
    return Show("recognition/thanks_sent", {"letter_id": letter.id})


THANKS = register(
    Form(
        "thanks",
        (
            VOLUNTEER,
            Field("from_whom", Text(*recognition.FROM_WHOM)),
            Field("letter", Text(*recognition.WORDS, lines=True)),
            Field("photos", Photos(1, 3), optional=True),
        ),
        _thank,
        folder=ASK,
    )
)


@button("bars")
async def show_bars(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("recognition/bars", {"found": await stars.bars(turn.work)})


@button("bar", reads=True)
async def show_bar(turn: Turn, bar_id: int) -> Reply:
    return Show("recognition/bar", {"one": await stars.barred(turn.work, bar_id)})


@button("bar.new")
async def ask_bar(turn: Turn) -> Reply:
    return await start(turn, BAR, answers={})


async def _bar(turn: Turn, filled: Filled) -> Reply:
    await stars.bar(turn.work, filled["volunteer"], filled["bar_years"], filled["bar_reason"])
    return await show_bars(turn)


BAR = register(
    Form(
        "bar_star",
        (
            VOLUNTEER,
            Field("bar_years", Number(1, 10)),
            Field("bar_reason", Text(*stars.WORDS, lines=True)),
        ),
        _bar,
        folder=ASK,
    )
)


@button("bar.answer")
async def ask_answer(turn: Turn, bar_id: int, lift: int) -> Reply:
    found = await stars.barred(turn.work, bar_id)
    if not found.may_decide:
        raise NotAllowed
    form = LIFT if lift else UPHOLD
    return await start(turn, form, subject_id=bar_id)


async def _lift(turn: Turn, filled: Filled) -> Reply:
    await stars.answer_bar(turn.work, filled.subject_id or 0, filled["bar_answer"], lift=True)
    return await show_bars(turn)


async def _uphold(turn: Turn, filled: Filled) -> Reply:
    await stars.answer_bar(turn.work, filled.subject_id or 0, filled["bar_answer"], lift=False)
    return await show_bars(turn)


ANSWER = (Field("bar_answer", REMARK),)
LIFT = register(Form("lift_bar", ANSWER, _lift, folder=ASK))
UPHOLD = register(Form("uphold_bar", ANSWER, _uphold, folder=ASK))
