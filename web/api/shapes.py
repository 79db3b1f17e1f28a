"""What goes over the wire: pydantic models, from which the document's schemas are made as well."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

T = TypeVar("T")

LARGEST_KEY = 2**53 - 1
"""JSON's numbers are whole up to here everywhere."""
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WHOLE = re.compile(r"-?[0-9]{1,18}")
LINE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
"""One line that neither begins nor ends with a blank."""
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def _moment(value: Any) -> Any:
    """RFC 3339 only, in years that every database knows."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        raise ValueError("must be a date and time with its offset, as in RFC 3339")
    moment = datetime.fromisoformat(value.upper())
    if not 1900 <= moment.year <= 9000:
        raise ValueError("must be between the years 1900 and 9000")
    return moment.astimezone(UTC)


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not DAY.fullmatch(value):
        raise ValueError("must be a day as YYYY-MM-DD")
    return date.fromisoformat(value)


def _whole(value: Any) -> Any:
    """Of a query: digits and nothing else."""
    if not isinstance(value, str):
        return value
    if not WHOLE.fullmatch(value):
        raise ValueError("must be a whole number")
    return int(value)


Id = Annotated[int, Field(ge=1, le=LARGEST_KEY)]
AskedId = Annotated[int, Field(ge=1, le=LARGEST_KEY), BeforeValidator(_whole)]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Reason = Annotated[str, Field(min_length=2, max_length=200, pattern=LINE)]
Keys = Annotated[list[Id], Field(max_length=50)]
Names = dict[str, str]


def left_out() -> Any:
    """The default of what a change need not name."""
    return None


class Shape(BaseModel):
    """Anything that is sent out."""

    model_config = ConfigDict(frozen=True)


class Asked(BaseModel):
    """Anything that comes in: nothing unknown, no number as a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(Asked):
    """Names what is to be different, and that is at least one thing."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _names_something(self) -> "Change":
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self

    @property
    def named(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class Paged(Asked):
    """Which part of a list is asked for."""

    limit: Annotated[
        int,
        Field(ge=1, le=200, description="How many at most."),
        BeforeValidator(_whole),
    ] = 50
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=400,
        description="`next` of the answer before, for what follows it.",
    )


class Listing(Shape, Generic[T]):
    items: list[T]
    next: str | None = Field(description="Ask with it as `cursor` for what follows; null: the end.")


class Reasoned(Asked):
    reason: Reason
