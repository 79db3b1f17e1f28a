"""Call-outs: who is needed where, who was asked in which wave, and what became of each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Document, Key, choice
from models.sealed import Keyed, Sealed


class CalloutState(StrEnum):
    DRAFT = "draft"
    AWAITING_SECOND = "awaiting_second"
    """So large that a second commander must confirm it; lapses at `lapses_at`."""
    ACTIVE = "active"
    ENDED = "ended"
    """Stood down; everyone reached has been told."""
    LAPSED = "lapsed"
    """No second commander confirmed it in time."""


class Emergency(StrEnum):
    """What happened."""

    TYPHOON = "typhoon"
    FLOOD = "flood"
    FIRE = "fire"
    MISSING_PERSON = "missing_person"
    MEDICAL = "medical"
    EPIDEMIC = "epidemic"
    CROWD = "crowd"
    BLOOD = "blood"
    OTHER = "other"


class UsualText(StrEnum):
    """What the templates say of each kind of emergency, unless the commander says otherwise."""

    MESSAGE = "message"
    """What is going on and what people are needed for."""
    BRING = "bring"
    DANGERS = "dangers"


class ResponseState(StrEnum):
    ASKED = "asked"
    COMING = "coming"
    STANDBY = "standby"
    CANNOT = "cannot"
    RELEASED = "released"
    """Thanked and told that they are not needed (any more)."""
    NO_SHOW = "no_show"
    """Said that they were coming and are long overdue; the place is open again."""
    ON_SCENE = "on_scene"
    HOME = "home"
    """Left the scene and is home safe."""


class ScreenPage(StrEnum):
    """What a screen shows."""

    BOARD = "board"
    REPORT = "report"


class Callout(Base):
    """An urgent mobilisation. A drill takes the same path and says so in every message."""

    __tablename__ = "callout"
    __table_args__ = (Index("ix_callout_state", "state"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    commander_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[Emergency] = mapped_column(choice(Emergency))
    drill: Mapped[bool]
    critical: Mapped[bool] = mapped_column(default=False)
    """Life is at stake: goes at once, and waves look less far ahead."""
    details: Mapped[str] = mapped_column(Text, default="")
    """What happened, in the commander's own words."""
    bring: Mapped[str] = mapped_column(String(300), default="")
    dangers: Mapped[str] = mapped_column(String(300), default="")
    usual: Mapped[list[str]] = mapped_column(default=list)
    """`UsualText` values: what is said of it as of every emergency of its kind."""
    within: Mapped[int | None]
    """Minutes after the launch by which people should be there."""
    lasts: Mapped[int | None]
    """Minutes for which they are likely to be needed."""
    address: Mapped[str] = mapped_column(String(200))
    """The rally point, as people call it."""
    latitude: Mapped[float]
    longitude: Mapped[float]
    radius: Mapped[float]
    """Metres from the rally point within which people are asked."""
    state: Mapped[CalloutState] = mapped_column(choice(CalloutState))
    word: Mapped[str] = mapped_column(String(16))
    """To be typed before anything is sent."""
    created_at: Mapped[datetime]
    lapses_at: Mapped[datetime | None]
    second_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    launched_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    false_alarm: Mapped[bool] = mapped_column(default=False)
    holds: Mapped[bool] = mapped_column(default=False)
    """The commander has stopped the waves; those already asked may still answer."""
    acted_at: Mapped[datetime | None]
    """When a commander last did something here; silence lets a deputy take over."""
    deputies_asked_at: Mapped[datetime | None]
    offered_to_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Whom the commander has asked to take command, until they have answered."""
    neighbours_asked_at: Mapped[datetime | None]
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    """What the hours of those who were there belong to, once it has ended."""
    lessons: Mapped[list[str]] = mapped_column(Document, default=list)
    """What commanders wrote down afterwards."""
    reported_at: Mapped[datetime | None]
    """When the report was put onto the commanders' phones by itself."""
    shown: Mapped[dict[str, Any] | None]
    """The board as it stands on the commanders' phones."""
    shown_at: Mapped[datetime | None]


class Need(Base):
    """So many people of one kind: all of the skills, all of the qualifications, all equipment."""

    __tablename__ = "callout_need"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    callout_id: Mapped[int] = mapped_column(ForeignKey("callout.id"), index=True)
    quota: Mapped[int]
    skills: Mapped[list[int]]
    qualifications: Mapped[list[int]]
    languages: Mapped[list[int]]
    """Languages or dialects, all of which they speak."""
    equipment: Mapped[list[str]] = mapped_column(default=list)
    """`Equipment` values, all of which they can bring."""
    team_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    """Only its members are asked, wherever they live within the radius."""
    at_once: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Called as a team: all who fit are asked at once, however far away they live."""
    post_id: Mapped[int | None] = mapped_column(ForeignKey("team_post.id"))
    """Of those, only who holds this post; without one, who holds none."""
    full_at: Mapped[datetime | None]
    """When for the first time enough had said yes."""

    @property
    def as_team(self) -> bool:
        return self.at_once and self.team_id is not None


class Loan(Base):
    """A commander of another organisation lends its volunteers to a call-out."""

    __tablename__ = "callout_loan"

    callout_id: Mapped[int] = mapped_column(ForeignKey("callout.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    lent_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    lent_at: Mapped[datetime]


class Screen(Base):
    """A browser that shows a board or a report: opened once by a link, then known by a cookie."""

    __tablename__ = "callout_screen"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    callout_id: Mapped[int] = mapped_column(ForeignKey("callout.id"), index=True)
    page: Mapped[ScreenPage] = mapped_column(choice(ScreenPage))
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """What it shows is what this person may see."""
    language: Mapped[str] = mapped_column(String(16))
    link_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    cookie_hash: Mapped[str | None] = mapped_column(Keyed(), unique=True)
    made_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Word(Base):
    """What was said in a call-out: by its commanders to those in it, or by one of them back."""

    __tablename__ = "callout_word"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    callout_id: Mapped[int] = mapped_column(ForeignKey("callout.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    """Who said it."""
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Sealed)
    to_command: Mapped[bool]
    """Written back to the commanders; otherwise said by one of them."""
    need_id: Mapped[int | None] = mapped_column(ForeignKey("callout_need.id"))
    """Only to those of this need."""
    to_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Only to this person."""
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("callout_word.id"))


class Wave(Base):
    """One batch of people who were asked, and what the commander was told about it."""

    __tablename__ = "callout_wave"

    need_id: Mapped[int] = mapped_column(ForeignKey("callout_need.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    size: Mapped[int]
    response: Mapped[float]
    """Share that answers here and now, as learnt so far."""
    expected: Mapped[float]
    """Yes answers still expected from earlier waves."""


class Response(Base):
    """A person in a call-out: asked once, by one need, and everything they said since."""

    __tablename__ = "callout_response"
    __table_args__ = (
        Index("ix_callout_response_need_state", "need_id", "state"),
        Index("ix_callout_response_person_asked", "person_id", "asked_at"),
    )

    callout_id: Mapped[int] = mapped_column(ForeignKey("callout.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    need_id: Mapped[int] = mapped_column(ForeignKey("callout_need.id"))
    wave: Mapped[int]
    state: Mapped[ResponseState] = mapped_column(choice(ResponseState))
    metres: Mapped[float]
    """From where they live to the rally point when they were asked."""
    probability: Mapped[float]
    """That they say yes, as assumed when they were asked."""
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    """The first answer, from which the delay is learnt."""
    said_yes: Mapped[bool] = mapped_column(default=False)
    """Ever said that they were coming."""
    due_at: Mapped[datetime | None]
    """When they said that they would be there."""
    reason: Mapped[str | None] = mapped_column(String(32))
    """Why they cannot: away, ill, at_work, other."""
    arrived_at: Mapped[datetime | None]
    moved_up_at: Mapped[datetime | None]
    """When somebody on standby was asked to come after all."""
    safe_asked_at: Mapped[datetime | None]
    """The latest roll call on scene, and when they answered it."""
    safe_at: Mapped[datetime | None]
    safe_asks: Mapped[int] = mapped_column(default=0)
    """How often they were asked in that roll call."""
    sos_at: Mapped[datetime | None]
    home_at: Mapped[datetime | None]
    home_asked_at: Mapped[datetime | None]
    home_asks: Mapped[int] = mapped_column(default=0)
    """How often they were asked after the end whether they are home."""
    rest_warned_at: Mapped[datetime | None]
    """When they were told that they have been on scene for too long."""
    relief_at: Mapped[datetime | None]
    """When somebody else was called to take over from them."""
    relieved_at: Mapped[datetime | None]
    """When somebody had come to take over."""
    relieved_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Who that was; the notes of the hand-over are for them."""
    team: Mapped[int | None]
    """The number of their team on scene."""
    leads: Mapped[bool] = mapped_column(default=False)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    """Where they are, while they share it; erased at the end."""
    located_at: Mapped[datetime | None]
    rests_until: Mapped[datetime | None]
    """They asked not to be called again before this time."""
