"""Stories that volunteers tell: sent in by chat, looked at, published."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class StoryState(StrEnum):
    SUBMITTED = "submitted"
    SENT_BACK = "sent_back"
    PUBLISHED = "published"
    DECLINED = "declined"
    TAKEN_BACK = "taken_back"


class Credit(StrEnum):
    """How authors are named."""

    NAME = "name"
    FAMILY_NAME = "family_name"
    """Only the first character, "陈**"."""
    NONE = "none"


class Story(Base):
    """A story; its photos are enclosures of the subject "story:<id>"."""

    __tablename__ = "story"
    __table_args__ = (
        Index("ix_story_state_published_at", "state", "published_at"),
        Index("ix_story_organisation_id_state", "organisation_id", "state"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """The author's, whose coordinators look at it."""
    author_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    title: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    credit: Mapped[Credit] = mapped_column(choice(Credit))
    signed: Mapped[str] = mapped_column(String(64), default="")
    """The author as everybody reads it, from publication on; empty for a volunteer without name."""
    state: Mapped[StoryState] = mapped_column(choice(StoryState))
    code: Mapped[str] = mapped_column(String(16), unique=True)
    """In the address of its public page."""
    channels: Mapped[list[int]] = mapped_column(default=list)
    """Groups and channels by key that it was, or will be, published to."""
    submitted_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str | None] = mapped_column(String(500))
    published_at: Mapped[datetime | None]
