"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI).astimezone(UTC)
"""A Monday morning in the city."""


class ManualClock:
    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        """forward(hours=2)"""
        self.now += timedelta(**duration)

    def at(self, local: str) -> datetime:
        """The moment of a local time "2026-12-05 14:00"."""
        return datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).astimezone(UTC)

    def go_to(self, local: str) -> None:
        self.now = self.at(local)
