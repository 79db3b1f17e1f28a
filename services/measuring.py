"""What a topic tells the statistics: which of its rows count, for whom, and when.

MEASURES = (Measure("visits", "care", lambda: select(
    CareFile.organisation_id, Visit.at, literal(1)).join(CareFile)),)
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select


class Unit(StrEnum):
    TIMES = "times"
    MINUTES = "minutes"
    CENTS = "cents"
    """Money, in hundredths."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`rows` selects (organisation_id, moment, number); a moment that is null does not count.

    Its words are in `templates/statistics/measures/<topic>.j2`.
    """

    name: str
    topic: str
    rows: Callable[[], Select[*tuple[Any, ...]]]
    unit: Unit = Unit.TIMES
    listed: bool = True
    """Whether the statistics show it as it is; others are kept for what is worked out of them."""
