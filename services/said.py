"""What is said in a call-out, kept for its timeline and for answers to refer to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from models import Callout, Person, Word
from services.work import Work

QUOTED = 80
"""Letters of what is answered that stand above the answer."""
SHOWN = 30
"""The latest words that a timeline shows."""


def keep(
    work: Work,
    callout: Callout,
    text: str,
    *,
    to_command: bool,
    need_id: int | None = None,
    to: int | None = None,
    answers: Word | None = None,
) -> Word:
    """Notes what the actor says; its key is there once the session is flushed."""
    word = Word(
        callout_id=callout.id,
        person_id=work.person.id,
        at=work.now,
        text=text,
        to_command=to_command,
        need_id=need_id,
        to_id=to,
        answers_id=answers.id if answers else None,
    )
    work.session.add(word)
    return word


async def answered(work: Work, callout: Callout, word_id: int) -> Word | None:
    """What is answered: something that was said in this call-out, or None."""
    word = await work.session.get(Word, word_id) if word_id else None
    if word is None or word.callout_id != callout.id:
        return None
    return word


def quote(word: Word | None) -> str:
    """Its beginning, to stand above the answer; empty where nothing is answered."""
    if word is None:
        return ""
    return word.text if len(word.text) <= QUOTED else word.text[: QUOTED - 1] + "…"


async def latest(work: Work, callout: Callout) -> Sequence[dict[str, Any]]:
    """For the timeline: who said what, to whom. Words to one person are theirs: only that they
    were said is shown."""
    listener = aliased(Person)
    rows = await work.session.execute(
        select(Word, Person.name, listener.name)
        .join(Person, Person.id == Word.person_id)
        .outerjoin(listener, listener.id == Word.to_id)
        .where(Word.callout_id == callout.id)
        .order_by(Word.id.desc())
        .limit(SHOWN)
    )
    return [
        {
            "what": "wrote" if word.to_command else "said",
            "at": word.at,
            "name": name,
            "to": to or "",
            "text": "" if word.to_id and not word.to_command else word.text,
        }
        for word, name, to in rows
    ]
