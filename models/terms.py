"""What a city names: service fields, skills, kinds of qualification, languages. Data, not rules."""

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Document, Key


class Term:
    """What all of them have: a code that never changes and names by language."""

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    names: Mapped[dict[str, str]] = mapped_column(Document)
    search: Mapped[str] = mapped_column(Text, default="")
    """What typed words are compared with: names, pinyin and initials, lower case."""
    position: Mapped[int] = mapped_column(default=0)


class ServiceField(Term, Base):
    """A field of service (关爱他人, ...); a sub-field names its parent."""

    __tablename__ = "service_field"

    parent_id: Mapped[int | None] = mapped_column(ForeignKey("service_field.id"), index=True)
    emoji: Mapped[str] = mapped_column(String(8), default="")
    adults_only: Mapped[bool] = mapped_column(default=False)
    """No work for minors; holds for its sub-fields as well."""


class Skill(Term, Base):
    """Something a volunteer says they can do; `group` is the heading it is listed under."""

    __tablename__ = "skill"

    group: Mapped[dict[str, str]] = mapped_column(Document)


class QualificationKind(Term, Base):
    """A kind of document that backs a skill."""

    __tablename__ = "qualification_kind"

    expires: Mapped[bool] = mapped_column(default=True)
    medical: Mapped[bool] = mapped_column(default=False)


class SpokenLanguage(Term, Base):
    """A language or dialect that volunteers speak (ISO 639-3 code where there is one)."""

    __tablename__ = "spoken_language"
