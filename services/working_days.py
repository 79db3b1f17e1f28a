"""Working days: Monday to Friday, but for the days on which the policy says otherwise. Pure."""

from datetime import date, datetime, time, timedelta

from services.policy import Policy

SATURDAY = 5
LAST_SECOND = time(23, 59, 59)


def works(day: date, policy: Policy) -> bool:
    if day.weekday() >= SATURDAY:
        return day in policy.working_weekends
    return day not in policy.holidays


def end_of_notice(begun: datetime, policy: Policy) -> datetime:
    """When a public notice is over: so many whole working days after the day on which it began."""
    day = begun.astimezone(policy.zone).date()
    left = policy.notice_working_days
    while left:
        day += timedelta(days=1)
        left -= works(day, policy)
    return datetime.combine(day, LAST_SECOND, policy.zone)
