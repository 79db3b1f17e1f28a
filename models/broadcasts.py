"""What coordinators say to many: audiences, broadcasts, and what people answered."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class BroadcastState(StrEnum):
    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Ended by a coordinator before all had got it."""
    FINISHED = "finished"
    RECALLED = "recalled"
    """Deleted from the phones."""


class SavedAudience(Base):
    """An audience with a name; its description as `services.audiences` writes it."""

    __tablename__ = "saved_audience"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    audience: Mapped[dict[str, Any]]
    created_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime]


class Broadcast(Base):
    """A text to an audience. Its deliveries are written in portions while it is running."""

    __tablename__ = "broadcast"
    __table_args__ = (Index("ix_broadcast_state_starts_at", "state", "starts_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[str] = mapped_column(String(32))
    """What one can opt out of: newsletter, survey, notice."""
    urgent: Mapped[bool] = mapped_column(default=False)
    """Passes the quiet hours and the limit a week, but not an opt-out."""
    title: Mapped[str] = mapped_column(String(64))
    """How its text begins, by which coordinators know it."""
    versions: Mapped[dict[str, str]]
    """Telegram HTML by language."""
    attachment: Mapped[dict[str, Any] | None]
    buttons: Mapped[dict[str, Any]]
    """{"activity": key, "link": {"text", "url"}, "choices": [text, ...], "opens": address}, each
    optional; `opens` leads from a group to the broadcast in a chat of one's own."""
    audience: Mapped[dict[str, Any]]
    state: Mapped[BroadcastState] = mapped_column(choice(BroadcastState))
    size: Mapped[int] = mapped_column(default=0)
    """How many it could reach when it was submitted."""
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    written_to: Mapped[int] = mapped_column(default=0)
    """The person up to whose key deliveries have been written."""
    all_written: Mapped[bool] = mapped_column(default=False)
    left_out: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """How many it fitted who did not get it, by reason."""
    finished_at: Mapped[datetime | None]
    correction_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    """What replaces it on the phones, or takes it away."""
    correcting: Mapped[bool] = mapped_column(default=False)
    """Not all corrections have been written yet."""
    corrected_to: Mapped[int] = mapped_column(Key, default=0)
    """The delivery up to whose key corrections have been written."""
    outcome: Mapped[dict[str, Any] | None]
    """What became of its deliveries, {"state:reason": [how many, how many seen]}, counted before
    they were dropped."""


class BroadcastAnswer(Base):
    """What somebody answered to a broadcast's question; the last press counts."""

    __tablename__ = "broadcast_answer"

    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcast.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    choice: Mapped[int]
    """Index into the broadcast's choices."""
    answered_at: Mapped[datetime]
