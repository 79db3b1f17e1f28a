"""Knowledge cards in series: written by coordinators, subscribed to, sent a card at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, delete, func, literal, or_, select, update

from models import (
    Account,
    CardAnswer,
    CardKind,
    Lane,
    Organisation,
    Person,
    Series,
    SeriesCard,
    Standing,
    Subscription,
)
from services import access, audit, delivery, organisations
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "knowledge"
HOURS = (7, 8, 12, 18, 20, 21)
"""Local hours that are offered."""
RHYTHMS = (1, 3, 7)
"""Days between two cards that are offered."""
PORTION = 5_000
"""Subscribers that one transaction writes to."""
NAME, ABOUT, TITLE, TEXT = 40, 200, 60, 1500
OPTIONS, OPTION = (2, 6), 60

MEASURES = (
    Measure(
        "subscriptions",
        "culture",
        lambda: select(Person.organisation_id, Subscription.since, literal(1)).join(
            Person, Person.id == Subscription.person_id
        ),
    ),
    Measure(
        "quiz_answers",
        "culture",
        lambda: select(Person.organisation_id, CardAnswer.at, literal(1)).join(
            Person, Person.id == CardAnswer.person_id
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Described:
    """What a coordinator says of a series, by language."""

    emoji: str
    names: Mapping[str, str]
    about: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A card, or with `correct` a quiz: texts by language, as in `SeriesCard`."""

    texts: Mapping[str, Mapping[str, Any]]
    correct: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A series as somebody sees it who may subscribe to it."""

    series: Series
    cards: int
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an answer: of all who answered, the share of each option."""

    card: SeriesCard
    series: Series
    chosen: int
    shares: list[float]

    @property
    def is_right(self) -> bool:
        return self.chosen == self.card.correct


# Reading


async def offers(work: Work) -> list[Offer]:
    """The published series of the actor's organisation and of those above it, with cards."""
    person = work.person
    own = select(Subscription).where(Subscription.person_id == person.id).subquery()
    count = func.count(SeriesCard.id)
    rows = await work.session.execute(
        select(Series, count)
        .join(SeriesCard, SeriesCard.series_id == Series.id)
        .outerjoin(own, own.c.series_id == Series.id)
        .where(
            or_(
                (Series.organisation_id.in_(await _above(work)) & Series.published),
                own.c.series_id.is_not(None),
            )
        )
        .group_by(Series.id)
        .order_by(Series.id)
    )
    kept = await work.session.scalars(
        select(Subscription).where(Subscription.person_id == person.id)
    )
    mine = {one.series_id: one for one in kept}
    return [Offer(series, number, mine.get(series.id)) for series, number in rows]


async def offer(work: Work, series_id: int) -> Offer:
    """Raises Gone for what is not offered to the actor."""
    found = next((one for one in await offers(work) if one.series.id == series_id), None)
    if found is None:
        raise Gone
    return found


async def _above(work: Work) -> list[int]:
    path = await work.session.scalar(
        select(Organisation.path).where(Organisation.id == work.person.organisation_id)
    )
    return [int(key) for key in (path or "").split(".") if key]


async def subscribe(work: Work, series_id: int, hour: int, every: int) -> Subscription:
    """From the next such hour on; who has a subscription changes it. Raises Gone."""
    if hour not in HOURS or every not in RHYTHMS:
        raise Gone
    found = (await offer(work, series_id)).subscription
    if found is None:
        found = Subscription(
            person_id=work.person.id, series_id=series_id, since=work.now, reached=0
        )
        work.session.add(found)
    found.hour, found.every = hour, every
    found.next_at = _next_at(work, hour, 0)
    await work.session.flush()
    return found


async def unsubscribe(work: Work, series_id: int) -> Series:
    """Raises Gone."""
    done = await work.session.execute(
        delete(Subscription).where(
            Subscription.person_id == work.person.id, Subscription.series_id == series_id
        )
    )
    series = await work.session.get(Series, series_id)
    if series is None or not getattr(done, "rowcount", 0):
        raise Gone
    return series


async def read_on(work: Work, series_id: int) -> dict[str, Any]:
    """The next card at once, as the template takes it. Raises Gone, Refusal("series_at_end")."""
    found = (await offer(work, series_id)).subscription
    if found is None:
        raise Gone
    card = await _next_card(work, series_id, found.reached)
    if card is None:
        raise Refusal("series_at_end")
    found.reached = card.position
    found.next_at = _next_at(work, found.hour, found.every)
    await work.session.flush()
    return await _shown(work, card)


async def answer(work: Work, card_id: int, chosen: int) -> Result:
    """The first answer counts; a later press shows what was answered first. Raises Gone."""
    card = await work.session.get(SeriesCard, card_id)
    if card is None or card.kind is not CardKind.QUIZ:
        raise Gone
    series = (await offer(work, card.series_id)).series
    given = await work.session.get(CardAnswer, (work.person.id, card_id))
    if given is None:
        options = next(iter(card.texts.values()))["options"]
        if not 0 <= chosen < len(options):
            raise Gone
        given = CardAnswer(person_id=work.person.id, card_id=card_id, chosen=chosen, at=work.now)
        work.session.add(given)
        await work.session.flush()
    return Result(card, series, given.chosen, await _shares(work, card))


async def _shares(work: Work, card: SeriesCard) -> list[float]:
    rows = await work.session.execute(
        select(CardAnswer.chosen, func.count())
        .where(CardAnswer.card_id == card.id)
        .group_by(CardAnswer.chosen)
    )
    numbers = {row[0]: row[1] for row in rows}
    total = sum(numbers.values()) or 1
    options = next(iter(card.texts.values()))["options"]
    return [numbers.get(place, 0) / total for place in range(len(options))]


# Sending


async def send(work: Work) -> int:
    """Sweep: the next card to some of those whose hour it is; answers how many people."""
    due = Subscription.next_at <= work.now
    columns = (
        Subscription.series_id, Subscription.reached, Subscription.hour, Subscription.every
    )  # fmt: skip
    row = (await work.session.execute(select(*columns).where(due).limit(1))).first()
    if row is None:
        return 0
    series_id, reached, hour, every = row
    alike = due & (Subscription.series_id == series_id) & (Subscription.reached == reached)
    alike &= (Subscription.hour == hour) & (Subscription.every == every)
    some = select(Subscription.person_id).where(alike).order_by(Subscription.person_id)
    people = list(await work.session.scalars(some.limit(PORTION).with_for_update()))
    card = await _next_card(work, series_id, reached)
    if card is not None:
        await _tell(work, card, people)
    await work.session.execute(
        update(Subscription)
        .where(Subscription.series_id == series_id, Subscription.person_id.in_(people))
        .values(
            reached=card.position if card else reached,
            next_at=_next_at(work, hour, every) if card else None,
        )
        .execution_options(synchronize_session=False)
    )
    return len(people)


async def _tell(work: Work, card: SeriesCard, people: Sequence[int]) -> None:
    """Who takes a break, or has left, misses the card; the series waits for nobody's return."""
    shown = await _shown(work, card)
    post = Post(
        "series/card",
        shown,
        kind=KIND,
        lane=Lane.BROADCAST,
        subject=f"card:{card.id}",
        due_at=delivery.after_quiet_hours(work, work.now),
    )
    reachable = (
        select(Person.id, Account.telegram_id, Person.language, delivery.NO_PARAMETERS)
        .join(Account, Account.person_id == Person.id)
        .where(
            Person.id.in_(people),
            Person.standing == Standing.ACTIVE,
            or_(Person.paused_until.is_(None), Person.paused_until <= work.today),
        )
    )
    await delivery.tell_all(work, post, reachable)


async def _next_card(work: Work, series_id: int, reached: int) -> SeriesCard | None:
    return await work.session.scalar(
        select(SeriesCard)
        .join(Series, Series.id == SeriesCard.series_id)
        .where(
            SeriesCard.series_id == series_id,
            SeriesCard.position > reached,
            Series.published,
        )
        .order_by(SeriesCard.position)
        .limit(1)
    )


async def _shown(work: Work, card: SeriesCard) -> dict[str, Any]:
    series = await work.session.get_one(Series, card.series_id)
    place, total = (
        await work.session.execute(
            select(
                func.sum((SeriesCard.position <= card.position).cast(SeriesCard.position.type)),
                func.count(),
            ).where(SeriesCard.series_id == series.id)
        )
    ).one()
    return {
        "series_id": series.id,
        "card_id": card.id,
        "emoji": series.emoji,
        "names": series.names,
        "kind": card.kind.value,
        "texts": card.texts,
        "place": int(place),
        "total": total,
    }


def _next_at(work: Work, hour: int, days: int) -> datetime:
    """The next such local hour, not sooner than so many days from today."""
    local = work.now.astimezone(work.policy.zone)
    wanted = local.replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=days)
    if wanted <= local:
        wanted += timedelta(days=1)
    return wanted.astimezone(work.now.tzinfo)


# Writing


async def kept(work: Work) -> list[tuple[Series, dict[str, str], int, int]]:
    """Those that the actor may change, with organisation, cards, subscribers. Raises NotAllowed."""
    await access.require_anywhere(work, Right.ANNOUNCE)
    reach = await access.within_reach(work, Right.ANNOUNCE, Series.organisation_id)
    cards = select(func.count()).where(SeriesCard.series_id == Series.id).scalar_subquery()
    readers = select(func.count()).where(Subscription.series_id == Series.id).scalar_subquery()
    rows = await work.session.execute(
        select(Series, Organisation.names, cards, readers)
        .join(Organisation, Organisation.id == Series.organisation_id)
        .where(reach)
        .order_by(Series.id)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def opened(work: Work, series_id: int) -> tuple[Series, list[SeriesCard]]:
    """One that the actor may change, with its cards in order. Raises Gone, NotAllowed."""
    series = await work.session.get(Series, series_id)
    if series is None:
        raise Gone
    await access.require(work, Right.ANNOUNCE, series.organisation_id)
    cards = await work.session.scalars(
        select(SeriesCard).where(SeriesCard.series_id == series_id).order_by(SeriesCard.position)
    )
    return series, list(cards)


async def results(work: Work, series_id: int) -> dict[int, tuple[int, int]]:
    """Quiz -> how many answered, and how many of them were right."""
    right = func.sum(case((CardAnswer.chosen == SeriesCard.correct, 1), else_=0))
    rows = await work.session.execute(
        select(SeriesCard.id, func.count(), right)
        .join(CardAnswer, CardAnswer.card_id == SeriesCard.id)
        .where(SeriesCard.series_id == series_id)
        .group_by(SeriesCard.id)
    )
    return {key: (count, int(good)) for key, count, good in rows}


async def create(work: Work, organisation_id: int, said: Described) -> Series:
    """Not published yet. Raises NotAllowed, Refusal."""
    await access.require(work, Right.ANNOUNCE, organisation_id)
    await organisations.require_open(work, organisation_id)
    series = Series(organisation_id=organisation_id, **_described(work, said))
    work.session.add(series)
    await work.session.flush()
    _note(work, series, "created")
    return series


async def change(work: Work, series_id: int, said: Described) -> None:
    """Raises Gone, NotAllowed, Refusal."""
    series, _ = await opened(work, series_id)
    for name, value in _described(work, said).items():
        setattr(series, name, value)
    series.edited = True
    _note(work, series, "changed")


async def publish(work: Work, series_id: int, *, published: bool) -> None:
    """Whether it is offered, and goes on. Raises Gone, NotAllowed, Refusal("series_empty")."""
    series, cards = await opened(work, series_id)
    if published and not cards:
        raise Refusal("series_empty")
    series.published, series.edited = published, True
    if published:
        await _go_on(work, series)
    _note(work, series, "published" if published else "withdrawn")


async def add_card(work: Work, series_id: int, said: Written) -> SeriesCard:
    """At the end; who had read all gets it next. Raises Gone, NotAllowed, Refusal."""
    series, cards = await opened(work, series_id)
    position = cards[-1].position + 1 if cards else 1
    card = SeriesCard(series_id=series_id, position=position, **_written(work, said))
    work.session.add(card)
    series.edited = True
    await work.session.flush()
    await _go_on(work, series)
    _note(work, series, "changed")
    return card


async def change_card(work: Work, card_id: int, said: Written) -> SeriesCard:
    """Raises Gone, NotAllowed, Refusal."""
    card, series = await to_change(work, card_id)
    for name, value in _written(work, said).items():
        setattr(card, name, value)
    series.edited = True
    await work.session.flush()
    _note(work, series, "changed")
    return card


async def remove_card(work: Work, card_id: int) -> int:
    """Answers of which series. Raises Gone, NotAllowed."""
    card, series = await to_change(work, card_id)
    await work.session.execute(delete(CardAnswer).where(CardAnswer.card_id == card_id))
    await work.session.delete(card)
    series.edited = True
    await work.session.flush()
    _note(work, series, "changed")
    return series.id


async def to_change(work: Work, card_id: int) -> tuple[SeriesCard, Series]:
    """Raises Gone, NotAllowed."""
    card = await work.session.get(SeriesCard, card_id)
    if card is None:
        raise Gone
    series, _ = await opened(work, card.series_id)
    return card, series


async def _go_on(work: Work, series: Series) -> None:
    """Who has come to the end waits for the next card at their hour."""
    for hour in HOURS:
        await work.session.execute(
            update(Subscription)
            .where(
                Subscription.series_id == series.id,
                Subscription.hour == hour,
                Subscription.next_at.is_(None),
            )
            .values(next_at=_next_at(work, hour, 0))
            .execution_options(synchronize_session=False)
        )


def _described(work: Work, said: Described) -> dict[str, Any]:
    """The columns. Raises Refusal."""
    names, about = _short(said.names, NAME), _short(said.about, ABOUT)
    if work.policy.default_language not in names:
        raise Refusal("series_name")
    return {"emoji": said.emoji.strip()[:8], "names": names, "about": about}


def _short(said: Mapping[str, str], most: int) -> dict[str, str]:
    return {language: _fitting(text, most) for language, text in said.items() if text.strip()}


def _fitting(text: str, most: int) -> str:
    """Raises Refusal."""
    text = text.strip().replace("\r\n", "\n")
    if len(text) > most:
        raise Refusal("form_too_long", most=most, length=len(text))
    return text


def _written(work: Work, said: Written) -> dict[str, Any]:
    """The columns of a card. Raises Refusal for what is missing."""
    check = _card if said.correct is None else _quiz
    texts = {code: check(text) for code, text in said.texts.items() if any(text.values())}
    if work.policy.default_language not in texts:
        raise Refusal("card_text")
    if said.correct is not None:
        lengths = {len(text["options"]) for text in texts.values()}
        if len(lengths) > 1 or not 0 <= said.correct < min(lengths):
            raise Refusal("card_options", least=OPTIONS[0], most=OPTIONS[1])
    kind = CardKind.CARD if said.correct is None else CardKind.QUIZ
    return {"kind": kind, "texts": texts, "correct": said.correct}


def _card(text: Mapping[str, Any]) -> dict[str, Any]:
    title, body = _fitting(text.get("title", ""), TITLE), _fitting(text.get("text", ""), TEXT)
    if not title or not body:
        raise Refusal("card_text")
    return {"title": title, "text": body}


def _quiz(text: Mapping[str, Any]) -> dict[str, Any]:
    question, why = _fitting(text.get("question", ""), 300), _fitting(text.get("why", ""), 500)
    options = [_fitting(one, OPTION) for one in text.get("options", ()) if one.strip()]
    if not question:
        raise Refusal("card_text")
    if not OPTIONS[0] <= len(options) <= OPTIONS[1]:
        raise Refusal("card_options", least=OPTIONS[0], most=OPTIONS[1])
    return {"question": question, "options": options, "why": why}


def _note(work: Work, series: Series, what: str) -> None:
    subject = f"series:{series.id}"
    audit.note(work, f"series.{what}", subject, organisation_id=series.organisation_id)


# Personal data


def rows_about(person_id: int) -> dict[str, Select[Any]]:
    """As `services.personal_data` asks every topic."""
    return {
        "subscriptions": select(Subscription).where(Subscription.person_id == person_id),
        "quiz_answers": select(CardAnswer).where(CardAnswer.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Nothing rests on what somebody read."""
    for table in (Subscription, CardAnswer):
        await work.session.execute(delete(table).where(table.person_id == person_id))
