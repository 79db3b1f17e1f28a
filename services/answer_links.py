"""Links with which somebody answers a message without Telegram: signed, expiring, for one person.

A link names a delivery, which is one message to one person, and nothing else.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from models import Account, Delivery, Message, Person
from models.sealed import keyring
from services.errors import Gone, Refusal
from services.words import Button, Rendered, Words
from services.work import Work

SIGNATURE = 20
HOME = frozenset({"distance"})
"""Parameters of templates that tell how far away the reader lives."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as its page shows it."""

    delivery_id: int
    person: Person
    account: Account
    """One that is not kept: what is asked in a chat can't be answered here."""
    language: str
    rendered: Rendered

    @property
    def first_name(self) -> str:
        """All that the page says of the person: it may be read over a shoulder."""
        name = self.person.name
        if name.isascii():
            return name.split(" ")[0]
        return name[2:] if len(name) > 3 else name[1:] or name

    @property
    def buttons(self) -> list[Button]:
        return [button for row in self.rendered.keyboard.buttons for button in row]


def token(delivery_id: int, expires_at: datetime) -> str:
    """What stands at the end of the link."""
    until = int(expires_at.timestamp())
    return f"{delivery_id}-{until}-{_signature(delivery_id, until)}"


def _signature(delivery_id: int, until: int) -> str:
    return keyring().sign(f"answer:{delivery_id}:{until}", SIGNATURE)


def impersonal(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a stranger who holds the link must not learn."""
    return {name: None if name in HOME else value for name, value in parameters.items()}


async def open_letter(work: Work, given: str, words: Words) -> Letter:
    """Raises Gone for a link that was not made here, Refusal("answer_link_expired")."""
    delivery_id, until = _read(given)
    if datetime.fromtimestamp(until, UTC) <= work.now:
        raise Refusal("answer_link_expired")
    row = (
        await work.session.execute(
            select(Delivery, Message, Person)
            .join(Message, Message.id == Delivery.message_id)
            .join(Person, Person.id == Delivery.person_id)
            .where(Delivery.id == delivery_id)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    delivery, message, person = row
    parameters = impersonal({**message.parameters, **(delivery.parameters or {})})
    rendered = words.render(message.template, delivery.language, **parameters)
    return Letter(delivery.id, person, _stand_in(person, work.now), delivery.language, rendered)


def _read(given: str) -> tuple[int, int]:
    parts = given.split("-")
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        raise Gone
    delivery_id, until = int(parts[0]), int(parts[1])
    if not hmac.compare_digest(_signature(delivery_id, until), parts[2]):
        raise Gone
    return delivery_id, until


def _stand_in(person: Person, now: datetime) -> Account:
    return Account(
        telegram_id=0, person_id=person.id, language=person.language, language_chosen=True,
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip


async def answered(work: Work, given: str) -> None:
    """They have pressed a button: a sign of life, by whatever channels the message came."""
    delivery_id, _ = _read(given)
    one = select(Delivery.message_id, Delivery.person_id).where(Delivery.id == delivery_id)
    message_id, person_id = (await work.session.execute(one)).one()
    await work.session.execute(
        update(Delivery)
        .where(
            Delivery.message_id == message_id,
            Delivery.person_id == person_id,
            Delivery.seen_at.is_(None),
        )
        .values(seen_at=work.now)
        .execution_options(synchronize_session=False)
    )
