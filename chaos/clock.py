"""A clock that jumps: the program's own one, by as many seconds as a file says.

In the program's process alone. libfaketime, which would do the same from outside, makes Python's
sleeping fail (`clock_nanosleep` to an absolute time).
"""

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from bot import program

VARIABLE = "CHAOS_CLOCK"


def follow(file: Path) -> None:
    """From now on Muster's clock is this machine's, shifted by what stands in the file."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=int(file.read_text()))

    vars(program)["datetime"] = Shifted
