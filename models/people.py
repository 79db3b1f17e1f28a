"""People: who they are, how they are reached, what they can do and what they agreed to."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, validates

from models.base import Base, Key, as_of, choice
from models.processes import FIRST_BOT
from models.sealed import Keyed, Sealed, SealedDocument, keyring


class Standing(StrEnum):
    """Where a person's registration stands."""

    AWAITING_GUARDIAN = "awaiting_guardian"
    AWAITING_APPROVAL = "awaiting_approval"
    ACTIVE = "active"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"


class ConsentKind(StrEnum):
    PRIVACY = "privacy"
    ID_NUMBER = "id_number"
    EMERGENCY = "emergency"
    ANY_HOUR = "any_hour"
    """To be called in one's excluded hours, too, where lives are at stake."""
    GUARDIAN = "guardian"


class QualificationState(StrEnum):
    AWAITING = "awaiting"
    VERIFIED = "verified"
    REFUSED = "refused"


TAIL_HASH = 16
TAIL = 4
"""Digits at the end of a phone number by which people are looked for."""


def tail_hash(digits: str | None) -> str | None:
    """The keyed hash of the last digits of a phone number; None for what has fewer."""
    return next(iter(tail_hashes(digits)), None)


def tail_hashes(digits: str | None) -> list[str]:
    """All by which it may be kept, the newest first."""
    tail = "".join(c for c in digits or "" if c.isdigit())[-TAIL:]
    if len(tail) < TAIL:
        return []
    return [one[:TAIL_HASH] for one in keyring().fingerprints(f"tail:{tail}")]


def _tail_of_row(context: DefaultExecutionContext) -> str | None:
    return tail_hash(context.get_current_parameters().get("phone"))  # type: ignore[no-untyped-call]


class Person(Base):
    """A volunteer, or somebody on the way to becoming one.

    Sealed columns are encrypted at rest; the `..._hash` beside one is its keyed hash. The place in
    the clear is rounded to about 100 m and serves matching; the exact one is sealed.
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("availability BETWEEN 0 AND 2097151", "availability"),
        CheckConstraint("call_from BETWEEN 0 AND 1439", "call_from"),
        CheckConstraint("call_until BETWEEN 0 AND 1439", "call_until"),
        Index("ix_person_standing_organisation", "standing", "organisation_id"),
        Index("ix_person_standing_place", "standing", "latitude", "longitude"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    number: Mapped[str | None] = mapped_column(String(24), unique=True)
    """Registration number, given once when the registration becomes active."""
    standing: Mapped[Standing] = mapped_column(choice(Standing))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    language: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(64))
    name_search: Mapped[str] = mapped_column(String(255), default="")
    birth_date: Mapped[date | None] = mapped_column(Date)
    phone: Mapped[str | None] = mapped_column(Sealed)
    phone_hash: Mapped[str | None] = mapped_column(Keyed(), unique=True)
    phone_tail_hash: Mapped[str | None] = mapped_column(
        String(TAIL_HASH), default=_tail_of_row, index=True
    )
    """Keyed hash of the phone's last four digits, to find somebody by them.

    Follows the phone by itself, also where rows are inserted in bulk. To whoever has the database
    but not the key it gives away which people share their last four digits, and no digit; to
    whoever has the key, the four digits, and then they have the sealed phone anyway.
    """
    phone_verified: Mapped[bool] = mapped_column(default=False)
    email: Mapped[str | None] = mapped_column(Sealed)
    id_number: Mapped[str | None] = mapped_column(Sealed)
    id_number_hash: Mapped[str | None] = mapped_column(Keyed(), unique=True)
    home: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    """The exact place as {"latitude", "longitude"}, if one was shared."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    availability: Mapped[int] = mapped_column(default=0)
    """21 bits: bit 3 * weekday (Monday 0) + part of day (morning 0, afternoon 1, evening 2)."""
    emergency_opt_in: Mapped[bool] = mapped_column(default=False)
    call_from: Mapped[int | None]
    call_until: Mapped[int | None]
    """Hours at which not to be called, as minutes of the local day; both or neither."""
    emergency_contact: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    """{"name", "phone"}"""
    paused_until: Mapped[date | None] = mapped_column(Date)
    applied_at: Mapped[datetime]
    registered_at: Mapped[datetime | None] = mapped_column(index=True)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime | None] = mapped_column(default=as_of("applied_at"), index=True)
    """When their registration last changed, for programs that keep in step."""

    @validates("phone")
    def _keep_tail(self, _: str, phone: str | None) -> str | None:
        self.phone_tail_hash = tail_hash(phone)
        return phone


class Account(Base):
    """A Telegram account that has spoken to the bot; a person may move to another one."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    telegram_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    """User id, which is also the id of the private chat."""
    bot_id: Mapped[int] = mapped_column(SmallInteger, default=FIRST_BOT)
    """The bot that they spoke to last; Telegram lets no other one write to them."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), unique=True)
    language: Mapped[str] = mapped_column(String(16))
    language_chosen: Mapped[bool] = mapped_column(default=False)
    came_for: Mapped[str | None] = mapped_column(String(64))
    """The deep link that a stranger opened; where to go on once they are a volunteer."""
    unreachable_since: Mapped[datetime | None]
    unreachable_reason: Mapped[str | None] = mapped_column(String(64))
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Guardian(Base):
    """The guardian of a minor and their consent, given from their own chat with a code."""

    __tablename__ = "guardian"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), unique=True)
    name: Mapped[str] = mapped_column(Sealed)
    phone: Mapped[str] = mapped_column(Sealed)
    code_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    confirmed_at: Mapped[datetime | None]
    confirmed_by_telegram_id: Mapped[int | None] = mapped_column(BigInteger)


class Consent(Base):
    """What somebody agreed to, in which version of the text, and when they took it back."""

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[ConsentKind] = mapped_column(choice(ConsentKind))
    version: Mapped[str] = mapped_column(String(24))
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class PersonSkill(Base):
    __tablename__ = "person_skill"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id"), primary_key=True, index=True)


class PersonInterest(Base):
    __tablename__ = "person_interest"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    field_id: Mapped[int] = mapped_column(
        ForeignKey("service_field.id"), primary_key=True, index=True
    )


class PersonLanguage(Base):
    __tablename__ = "person_language"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    spoken_language_id: Mapped[int] = mapped_column(
        ForeignKey("spoken_language.id"), primary_key=True, index=True
    )


class Qualification(Base):
    """A document that a volunteer holds; it counts only once a coordinator has verified it."""

    __tablename__ = "qualification"
    __table_args__ = (UniqueConstraint("person_id", "kind_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    kind_id: Mapped[int] = mapped_column(ForeignKey("qualification_kind.id"), index=True)
    state: Mapped[QualificationState] = mapped_column(choice(QualificationState))
    document_number: Mapped[str | None] = mapped_column(Sealed)
    expires_on: Mapped[date | None] = mapped_column(Date)
    picture: Mapped[str | None] = mapped_column(String(255))
    """Telegram's file id of the photographed document."""
    warned_days: Mapped[int | None]
    """The last warning before it expires: so many days before."""
    renewal: Mapped[str | None] = mapped_column(String(255))
    """The picture of a new one, which takes its place once verified; until then this counts."""
    renewal_expires_on: Mapped[date | None] = mapped_column(Date)
    renewed_at: Mapped[datetime | None]
    """When the new one was handed in, while it waits."""
    submitted_at: Mapped[datetime]
    first_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """The first of two who must have seen it; somebody else is the second."""
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str | None] = mapped_column(String(255))
    course_id: Mapped[int | None] = mapped_column(ForeignKey("course.id"))
    """The course that gave it last; there is no picture of it."""
