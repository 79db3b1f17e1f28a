"""Giving stars and awards: their certificates, the ceremony's message, the word in the groups.

Who gets one is the business of `stars` and `awards`; this is what happens when it is given, taken
back, listed, handed out and forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, select, update

from models import (
    Account,
    AwardKind,
    Enclosure,
    Group,
    HonourConsent,
    Lane,
    LedgerEntry,
    Nomination,
    NoticeObjection,
    Organisation,
    Person,
    Recognition,
    RecognitionState,
    RevocationReason,
    StarBar,
    ThanksLetter,
)
from services import (
    access,
    audit,
    certificates,
    delivery,
    enclosures,
    lengths,
    listing,
    typesetting,
)
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.measuring import Measure
from services.words import Words
from services.work import Work

KIND = "recognition"
IN_GROUPS = "group_announcement"
CARD = "award_card"
"""The picture that goes with the ceremony's message, as `bot.papers` makes it."""
REMARK = (2, 300)
"""Characters of the reason for which something is refused or revoked."""
QUOTED = 3
"""Nominators' words in the ceremony's message."""
NAMED = 30
"""Names in one post to a group; of more it says how many."""
WORDS = (2, 1000)
FROM_WHOM = (1, 60)
LISTED = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A star or an award with whose it is, what it is called, and who gives it."""

    recognition: Recognition
    person: Person
    kind: AwardKind | None
    body: Organisation

    @property
    def id(self) -> int:
        return self.recognition.id

    @property
    def about(self) -> dict[str, Any]:
        """For templates: a star has its number, an award its name."""
        one = self.recognition
        return {
            "star": one.star,
            "name": self.kind.name if self.kind else "",
            "year": one.year,
            "body": self.body.names,
        }


def cases(*conditions: Any) -> Any:
    """A query of `Case`s."""
    return (
        select(Recognition, Person, AwardKind, Organisation)
        .join(Person, Person.id == Recognition.person_id)
        .outerjoin(AwardKind, AwardKind.id == Recognition.kind_id)
        .join(Organisation, Organisation.id == Recognition.organisation_id)
        .where(*conditions)
    )


async def found(work: Work, statement: Any) -> list[Case]:
    return [Case(*row) for row in await work.session.execute(statement)]


async def case(work: Work, recognition_id: int) -> Case:
    """Whoever asks. Raises Gone."""
    one = await found(work, cases(Recognition.id == recognition_id))
    if not one:
        raise Gone
    return one[0]


async def minutes_of(work: Work, person_ids: Sequence[int]) -> dict[int, int]:
    """Confirmed minutes by person, of those who have any."""
    rows = await work.session.execute(
        select(LedgerEntry.person_id, func.sum(LedgerEntry.minutes))
        .where(LedgerEntry.person_id.in_(person_ids))
        .group_by(LedgerEntry.person_id)
    )
    return {row[0]: int(row[1]) for row in rows}


# Giving


async def decide(work: Work, keys: Sequence[int], was: RecognitionState, **to: Any) -> list[int]:
    """Takes cases from a state to another, each once; answers the keys of those it was to do."""
    done = await work.session.execute(
        update(Recognition)
        .where(Recognition.id.in_(keys), Recognition.state == was)
        .values(decided_by_id=work.person.id, decided_at=work.now, **to)
        .returning(Recognition.id)
        .execution_options(synchronize_session=False)
    )
    return list(done.scalars())


async def award(work: Work, one: Case, was: RecognitionState) -> None:
    """Awards one, and the groups are told. Whoever calls has asked for rights. Raises Gone."""
    await give(work, [one], was)
    await tell_groups(work, [one])


async def give(work: Work, given: Sequence[Case], was: RecognitionState) -> None:
    """Awards all of them, who are of one organisation: a numbered certificate and a message each.

    Whoever calls has asked for rights. Raises Gone where one was decided meanwhile.
    """
    if not given:
        return
    keys = [one.id for one in given]
    state = RecognitionState.AWARDED
    if len(await decide(work, keys, was, state=state, awarded_at=work.now)) != len(keys):
        raise Gone
    await _certify(work, given)
    agreed = await _agreed(work, given)
    anew = cases(Recognition.id.in_(keys)).execution_options(populate_existing=True)
    for one in await found(work, anew):
        await _celebrate(work, one, named=one.person.id in agreed)
        note(work, "awarded", one)


async def _agreed(work: Work, given: Sequence[Case]) -> set[int]:
    """Which of them agreed to be named."""
    people = [one.person.id for one in given]
    rows = select(HonourConsent.person_id).where(HonourConsent.person_id.in_(people))
    return set(await work.session.scalars(rows))


async def _certify(work: Work, given: Sequence[Case]) -> None:
    minutes = await minutes_of(work, [one.person.id for one in given])
    said = [
        certificates.Award(one.person, minutes.get(one.person.id, 0), one.about) for one in given
    ]
    papers = await certificates.issue_awards(work, given[0].body, said)
    for one, paper in zip(given, papers, strict=True):
        one.recognition.certificate_id = paper.id
    await work.session.flush()


async def _celebrate(work: Work, one: Case, *, named: bool) -> None:
    """The ceremony: a card as a picture, the certificate by a press, and why, in others' words."""
    words: list[str] = []
    if one.recognition.kind_id is not None and one.recognition.round_id is None:
        said = select(Nomination.words).where(Nomination.recognition_id == one.id)
        words = list(await work.session.scalars(said.order_by(Nomination.id).limit(QUOTED)))
    post = delivery.Post(
        "recognition/ceremony",
        {
            "award": one.about,
            "name": one.person.name,
            "certificate_id": one.recognition.certificate_id,
            "words": words,
            "named": named,
        },
        kind=KIND,
        subject=f"recognition:{one.id}",
        attachment={"paper": {"name": CARD, "picture": True, "recognition_id": one.id}},
        due_at=delivery.after_quiet_hours(work, work.now),
        dedupe=f"awarded:{one.id}",
    )
    await delivery.tell(work, post, [one.person.id])


async def tell_groups(work: Work, given: Sequence[Case]) -> None:
    """The groups of those who are honoured and of the organisation that does; agreed names only."""
    if not given:
        return
    agreed = await _agreed(work, given)
    by_home: dict[int, list[Case]] = {}
    for one in given:
        by_home.setdefault(one.person.organisation_id, []).append(one)
    by_home[given[0].body.id] = list(given)
    for organisation_id, some in by_home.items():
        names = [one.person.name for one in some if one.person.id in agreed]
        if not names:
            continue
        post = delivery.Post(
            "recognition/in_group",
            {
                "award": given[0].about,
                "names": names[:NAMED],
                "others": len(some) - len(names[:NAMED]),
            },
            kind=IN_GROUPS,
            lane=Lane.BROADCAST,
            due_at=delivery.after_quiet_hours(work, work.now),
            dedupe=f"honoured:{given[0].id}:{len(given)}",
        )
        groups = select(Group.id).where(
            Group.organisation_id == organisation_id, Group.left_at.is_(None)
        )
        await delivery.tell_all(work, post, delivery.in_groups(groups))


async def agrees(work: Work, person_id: int) -> bool:
    """Whether somebody agreed to be named."""
    return await work.session.get(HonourConsent, person_id) is not None


def note(work: Work, action: str, one: Case, **details: Any) -> None:
    audit.note(
        work,
        f"recognition.{action}",
        f"recognition:{one.id}",
        organisation_id=one.recognition.organisation_id,
        **details,
    )


async def refuse(work: Work, one: Case, remark: str) -> None:
    """It is not given, for a reason. Whoever calls has asked for rights. Raises Gone, Refusal."""
    lengths.check("reason", remark, REMARK)
    was = one.recognition.state
    state = RecognitionState.REFUSED
    if not await decide(work, [one.id], was, state=state, remark=remark):
        raise Gone
    await work.session.refresh(one.recognition)
    note(work, "refused", one)


async def revoke(work: Work, recognition_id: int, remark: str) -> Case:
    """Takes an award back together with its certificate, whose holder is told why.

    Raises Gone, NotAllowed, Refusal("recognition_own").
    """
    one = await case(work, recognition_id)
    await access.require(work, Right.RECOGNISE, one.body.id)
    lengths.check("reason", remark, REMARK)
    if one.person.id == work.person.id:
        raise Refusal("recognition_own")
    was, state = RecognitionState.AWARDED, RecognitionState.REVOKED
    if not await decide(work, [one.id], was, state=state, remark=remark):
        raise Gone
    await work.session.refresh(one.recognition)
    if one.recognition.certificate_id is not None:
        reason = RevocationReason.OTHER
        key = one.recognition.certificate_id
        await certificates.revoke(work, key, reason, remark, with_award=True)
    note(work, "revoked", one)
    return one


async def card(
    work: Work, words: Words, language: str, about: Mapping[str, Any]
) -> tuple[str, Any]:
    """The picture that goes with the ceremony's message, to be drawn in a thread."""
    one = await case(work, about["recognition_id"])
    filled = words.values(
        "recognition/card",
        language,
        name=one.person.name,
        award=one.about,
        most=len(work.policy.star_hours),
        day=one.recognition.awarded_at,
    )
    return "card.png", partial(typesetting.png, "recognition/card", filled)


# Looking


async def require(work: Work) -> None:
    """Raises NotAllowed to those who recognise nobody."""
    if not await access.organisations_with(work, Right.RECOGNISE):
        raise NotAllowed


async def given(work: Work, number: int) -> Slice[Case]:
    """What organisations in the actor's reach have awarded, the newest first. Raises NotAllowed."""
    await require(work)
    held = cases(
        Recognition.state == RecognitionState.AWARDED,
        await access.within_reach(work, Right.RECOGNISE, Recognition.organisation_id),
    )
    ordered = held.order_by(Recognition.awarded_at.desc(), Recognition.id.desc())
    page = await listing.of(work, ordered, number)
    return Slice([Case(*row) for row in page.rows], page.number, page.more)


async def of_person(work: Work, person_id: int) -> list[Case]:
    """Stars and awards that somebody holds, the newest first."""
    held = cases(Recognition.person_id == person_id, Recognition.state == RecognitionState.AWARDED)
    return await found(work, held.order_by(Recognition.awarded_at.desc(), Recognition.id.desc()))


async def star_of(work: Work, person_id: int) -> int:
    """The highest star that was awarded; 0 for none."""
    highest = select(func.max(Recognition.star)).where(
        Recognition.person_id == person_id, Recognition.state == RecognitionState.AWARDED
    )
    return await work.session.scalar(highest) or 0


# Letters of thanks


async def thank(
    work: Work,
    person_id: int,
    words: str,
    from_whom: str,
    *,
    photos: Sequence[str] = (),
) -> ThanksLetter:
    """A recipient's thanks reaches a volunteer and stays in their record.

    For other topics, which have asked for rights themselves. Raises Gone, Refusal.
    """
    lengths.check("thanks", words, WORDS)
    lengths.check("from_whom", from_whom, FROM_WHOM)
    person = await work.session.get(Person, person_id)
    if person is None or not person.name:
        raise Gone
    letter = ThanksLetter(
        person_id=person.id,
        organisation_id=person.organisation_id,
        from_whom=from_whom,
        words=words,
        at=work.now,
        entered_by_id=work.actor.id if work.actor else None,
    )
    work.session.add(letter)
    await work.session.flush()
    await enclosures.add(work, letter_subject(letter.id), photos)
    post = delivery.Post(
        "recognition/thanked",
        {"letter_id": letter.id},
        kind=KIND,
        subject=letter_subject(letter.id),
        attachment=delivery.photo(photos[0] if photos else None),
        due_at=delivery.after_quiet_hours(work, work.now),
    )
    own = {"words": words, "from_whom": from_whom}
    await _tell_sealed(work, post, person, own)
    audit.note(
        work,
        "thanks.entered",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
    )
    return letter


async def _tell_sealed(
    work: Work, post: delivery.Post, person: Person, own: Mapping[str, Any]
) -> None:
    """What a recipient wrote is nobody's business in the outbox either."""
    recipients = (
        select(
            Person.id,
            Account.telegram_id,
            Person.language,
            literal(delivery.sealed(own), delivery.NO_PARAMETERS.type),
        )
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id == person.id)
    )
    await delivery.tell_all(work, post, recipients)


def letter_subject(letter_id: int) -> str:
    return f"thanks:{letter_id}"


async def write_thanks(
    work: Work, person_id: int, words: str, from_whom: str, photos: Sequence[str] = ()
) -> ThanksLetter:
    """The same, entered by a coordinator of theirs. Raises Gone, NotAllowed, Refusal."""
    person = await work.session.get(Person, person_id)
    if person is None:
        raise Gone
    await access.require(work, Right.RECOGNISE, person.organisation_id)
    if person.id == work.person.id:
        raise Refusal("recognition_own")
    return await thank(work, person_id, words, from_whom, photos=photos)


async def letters_to(work: Work, person_id: int) -> list[ThanksLetter]:
    """The newest first. Whoever calls has asked for rights."""
    rows = await work.session.scalars(
        select(ThanksLetter)
        .where(ThanksLetter.person_id == person_id)
        .order_by(ThanksLetter.at.desc(), ThanksLetter.id.desc())
        .limit(LISTED)
    )
    return list(rows)


async def letters(work: Work, number: int) -> Slice[Any]:
    """(letter, the volunteer's name) in the actor's reach, the newest first. Raises NotAllowed."""
    await require(work)
    found: Any = (
        select(ThanksLetter, Person.name)
        .join(Person, Person.id == ThanksLetter.person_id)
        .where(await access.within_reach(work, Right.RECOGNISE, ThanksLetter.organisation_id))
        .order_by(ThanksLetter.at.desc(), ThanksLetter.id.desc())
    )
    return await listing.of(work, found, number, per_page=LISTED)


async def photos_of(work: Work, letter_ids: Sequence[int]) -> dict[int, list[Enclosure]]:
    """Of letters that the actor may read."""
    by_subject = await enclosures.of_all(work, [letter_subject(key) for key in letter_ids])
    return {key: by_subject.get(letter_subject(key), []) for key in letter_ids}


async def photos(work: Work, letter_id: int) -> list[Enclosure]:
    """Of a letter. Raises Gone, NotAllowed."""
    await letter(work, letter_id)
    return await enclosures.of(work, letter_subject(letter_id))


async def letter(work: Work, letter_id: int) -> ThanksLetter:
    """One, for whom it thanks and for their coordinators. Raises Gone, NotAllowed."""
    one = await work.session.get(ThanksLetter, letter_id)
    if one is None:
        raise Gone
    if one.person_id != work.person.id:
        await access.require(work, Right.RECOGNISE, one.organisation_id)
    return one


# Figures, and what is held about a person


def _given(what: ColumnElement[bool]) -> Any:
    return select(Recognition.organisation_id, Recognition.awarded_at, literal(1)).where(
        Recognition.state == RecognitionState.AWARDED, what
    )


def _nominated() -> Any:
    return (
        select(Person.organisation_id, Nomination.at, literal(1))
        .join(Recognition, Recognition.id == Nomination.recognition_id)
        .join(Person, Person.id == Recognition.person_id)
    )


def _thanked() -> Any:
    return select(ThanksLetter.organisation_id, ThanksLetter.at, literal(1))


MEASURES = (
    Measure("stars_awarded", "recognition", lambda: _given(Recognition.star.is_not(None))),
    Measure("awards_given", "recognition", lambda: _given(Recognition.kind_id.is_not(None))),
    Measure("nominations", "recognition", _nominated),
    Measure("thanks_letters", "recognition", _thanked),
)


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic; a nomination stays hidden until decided."""
    return {
        "recognition": select(Recognition).where(
            Recognition.person_id == person_id,
            Recognition.state.not_in((RecognitionState.NOMINATED, RecognitionState.PROPOSED)),
        ),
        "nominations_written": select(Nomination).where(Nomination.nominator_id == person_id),
        "objections_to_notices": select(NoticeObjection).where(
            NoticeObjection.person_id == person_id
        ),
        "star_bars": select(StarBar).where(StarBar.person_id == person_id),
        "honour_consent": select(HonourConsent).where(HonourConsent.person_id == person_id),
        "letters_of_thanks": select(ThanksLetter).where(ThanksLetter.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Letters, words and consent go; that something was awarded stays, about nobody."""
    letters = list(
        await work.session.scalars(
            select(ThanksLetter.id).where(ThanksLetter.person_id == person_id)
        )
    )
    for key in letters:
        await enclosures.remove(work, letter_subject(key))
    about = select(Recognition.id).where(Recognition.person_id == person_id)
    for gone in (
        delete(ThanksLetter).where(ThanksLetter.person_id == person_id),
        delete(HonourConsent).where(HonourConsent.person_id == person_id),
        delete(StarBar).where(StarBar.person_id == person_id),
        delete(NoticeObjection).where(
            (NoticeObjection.person_id == person_id) | NoticeObjection.recognition_id.in_(about)
        ),
        delete(Nomination).where(
            (Nomination.nominator_id == person_id) | Nomination.recognition_id.in_(about)
        ),
        delete(Recognition).where(
            Recognition.person_id == person_id,
            Recognition.state.not_in((RecognitionState.AWARDED, RecognitionState.REVOKED)),
        ),
        update(Recognition).where(Recognition.person_id == person_id).values(remark=None),
    ):
        await work.session.execute(gone.execution_options(synchronize_session=False))
