"""The numbers that a city sets: each a default with its source, none of them read from elsewhere.

Knows no file and no environment; the program's settings carry one of these.
"""

from datetime import date, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field, field_validator

INDICATORS = (
    "registered", "active", "hours", "filled", "shown_up", "prompt", "rating", "answered", "plan",
)  # fmt: skip
"""Of an organisation's performance, see `services.performance`; its numbers are in this order."""


class Policy(BaseModel):
    """Rules' numbers. Times of day are local to `timezone`; durations are minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: str = Field("Asia/Shanghai", description="Zone in which people read and type times.")
    country: str = Field("CN", description="Country whose phone numbers need no country code.")
    currency: str = Field("CNY", description="ISO 4217 code of the money that projects spend.")
    default_language: str = Field("zh_Hans", description="Language for people who chose none.")
    number_prefix: str = Field("ZS", max_length=8, description="Start of registration numbers.")

    minor_minutes_per_day: int = Field(
        240, ge=0, description="Minutes that somebody under age serves on a day at most."
    )
    minor_minutes_per_week: int = Field(600, ge=0, description="... and in a week from Monday on.")
    minor_night_from: time = Field(time(21, 0), description="Nobody under age serves from here")
    minor_night_until: time = Field(time(7, 0), description="... until here.")
    insurance_warning_days: int = Field(
        14, ge=0, description="Days before an insurance ends that those concerned are told."
    )
    incident_minutes: int = Field(
        15, ge=1, description="After which a serious incident nobody took on goes a level up."
    )
    incident_minutes_minor: int = Field(24 * 60, ge=1, description="The same of a minor one.")

    privacy_version: str = Field("2026-11", description="Version of the privacy notice in force.")
    adult_age: int = Field(18, ge=1, description="Under this age a guardian must consent.")
    least_age: int = Field(8, ge=0, description="Under this age nobody is registered.")

    quiet_from: time = Field(time(22, 0), description="No announcements from here")
    quiet_until: time = Field(time(8, 0), description="... until here; they wait for the morning.")
    announcements_per_week: int = Field(
        5, ge=0, description="New activities that one person is told of in seven days."
    )
    day_reminder_days: int = Field(
        21, ge=0, description="Days before a volunteers' day that coordinators are reminded."
    )
    broadcasts_per_week: int = Field(
        3, ge=0, description="Broadcasts that one person gets in seven days; urgent ones pass."
    )
    broadcast_approval_size: int = Field(
        1000, ge=0, description="Broadcasts to more people need a second coordinator's approval."
    )
    watchword_size: int = Field(
        200, ge=0, description="Broadcasts to more people take the word that their sender chose."
    )
    announcement_watchword_size: int = Field(
        2000, ge=0, description="Activities announced to more people take that word, too."
    )
    watchword_wait_hours: int = Field(
        24, ge=0, description="After which such a word counts, so that no thief chooses one."
    )
    announcement_radius: float = Field(
        20_000, gt=0, description="Metres from a volunteer's place within which activities fit."
    )

    reminder_day_before: int = Field(24 * 60, ge=0, description="Minutes before a shift; 0: none.")
    reminder_hours_before: int = Field(2 * 60, ge=0, description="Minutes before a shift; 0: none.")
    offer_minutes: int = Field(
        120, ge=1, description="How long a freed place is held for the next on the waitlist."
    )
    late_cancel_minutes: int = Field(
        24 * 60, ge=0, description="Cancelling later than this before the start needs a reason."
    )

    check_in_early: int = Field(60, ge=0, description="Minutes before the start that one may come.")
    check_out_grace: int = Field(
        60, ge=0, description="Minutes after the end before a forgotten check-out is assumed."
    )
    code_seconds: int = Field(30, ge=5, description="How long an on-site check-in code is shown.")
    dispute_days: int = Field(7, ge=0, description="Days in which a volunteer may object to hours.")

    certificates_per_day: int = Field(
        20, ge=1, description="New certificates that one volunteer draws for themselves in a day."
    )

    api_per_minute: int = Field(
        300, ge=1, description="Requests a minute that one token of the API may make."
    )

    callout_second_size: int = Field(
        50, ge=1, description="Call-outs of more people need a second commander, but life-critical."
    )
    callout_second_minutes: int = Field(
        15, ge=1, description="In which a second commander must confirm; then it lapses."
    )
    callout_answer_minutes: int = Field(
        10, ge=1, description="In which people are asked to answer a call; later answers count."
    )
    callout_rest_minutes: int = Field(
        12 * 60, ge=0, description="After a call in which somebody is asked later than others."
    )
    callout_late_minutes: int = Field(
        30, ge=5, description="After somebody's own time of arrival when their place opens again."
    )
    callout_silent_minutes: int = Field(
        10, ge=1, description="Without a commander's sign of life, lives at stake: deputies asked."
    )
    callout_safe_minutes: int = Field(
        2, ge=1, description="To answer a roll call on scene, before one is asked again."
    )
    callout_longest_minutes: int = Field(
        8 * 60, ge=30, description="On scene at a stretch; then rest and relief are advised."
    )
    callout_home_minutes: int = Field(
        60, ge=5, description="After the end, until somebody is asked again whether they are home."
    )
    callout_keeps_places: bool = Field(
        False, description="Whether places shared during a call-out outlast its end."
    )
    readiness_days: int = Field(
        90, ge=7, description="After which somebody is asked whether they are still ready."
    )
    readiness_again_days: int = Field(
        30, ge=1, description="After which they are asked again, and then count as unconfirmed."
    )
    duty_day_before: int = Field(
        24 * 60, ge=0, description="Minutes before a turn on duty; 0: no reminder."
    )
    duty_hour_before: int = Field(
        60, ge=0, description="Minutes before a turn on duty; 0: no reminder."
    )
    duty_takeover_minutes: int = Field(
        30, ge=5, description="In which a turn must be taken over; then its leaders are told."
    )
    rally_radius: float = Field(
        300, gt=0, description="Metres from the rally point within which somebody has arrived."
    )

    project_leader_share: int = Field(
        20, ge=0, description="What a project's leader counts for in its score, beside the others."
    )
    project_recipients_share: int = Field(
        40, ge=0, description="What those whom a project served count for in its score."
    )
    project_reviewers_share: int = Field(
        40, ge=0, description="What the reviewers count for in a project's score."
    )
    sponsor_keep_days: int = Field(
        180, ge=1, description="After an offer's or its project's end until it names nobody."
    )
    care_reminder_minutes: int = Field(
        24 * 60, ge=0, description="Minutes before a standing visit; 0: no reminder."
    )
    care_grace_minutes: int = Field(
        60, ge=0, description="After a visit's time, before it is asked whether it took place."
    )
    care_circle_minutes: int = Field(
        180, ge=5, description="In which the circle may take over a missed visit."
    )
    care_alert_minutes: int = Field(
        10, ge=1, description="In which an alert must be taken on; then it goes a level up."
    )
    care_longest_minutes: int = Field(
        4 * 60, ge=15, description="Of one visit or errand at most that count as service."
    )
    care_radius: float = Field(
        5_000, gt=0, description="Metres from a recipient within which volunteers are proposed."
    )
    help_requests_per_day: int = Field(
        3, ge=1, description="Requests for help from one chat in 24 hours."
    )
    help_waits_minutes: int = Field(
        4 * 60, ge=10, description="After which its coordinators are reminded of a request."
    )
    help_keep_days: int = Field(
        90, ge=1, description="After a request's end until what it says is erased."
    )

    joins_per_day: int = Field(
        3, ge=1, description="Organisations that one person asks to let join in 24 hours."
    )
    registered_goal: float = Field(
        0.12,
        gt=0,
        le=1,
        description="Share of the population to be registered (the city's policy of 2012, no. 4).",
    )
    report_days: int = Field(
        5, ge=1, le=28, description="After the 1st on which a monthly report still goes out."
    )
    import_megabytes: int = Field(50, ge=1, description="A file to be imported may be so large.")
    import_rows: int = Field(500_000, ge=1, description="Rows that one imported file may have.")
    import_keep_days: int = Field(
        30, ge=1, description="How long rows at fault of an imported file can be fetched."
    )
    claim_days: int = Field(
        180, ge=1, description="In which the code on a slip claims an imported registration."
    )
    claim_guesses: int = Field(
        5, ge=1, description="Wrong claim codes from one chat in an hour; then none is looked at."
    )

    number_guesses: int = Field(
        10, ge=1, description="Typed phone and ID numbers from one chat in an hour, signing up."
    )

    session_share: float = Field(
        0.8, gt=0, le=1, description="Of a course's session that one must be there for it to count."
    )
    quiz_again_hours: int = Field(
        24, ge=0, description="After a quiz that was not passed, until it can be tried again."
    )
    quiz_attempts: int = Field(
        3, ge=1, description="Tries at a quiz in quiz_attempts_days; then one waits for the next."
    )
    quiz_attempts_days: int = Field(30, ge=1, description="The days in which tries are counted.")
    renewal_days: int = Field(
        60, ge=0, description="Before it runs out, when something can be renewed without loss."
    )
    rating_days: int = Field(
        14, ge=1, description="After a shift in which its volunteers rate it (our own choice)."
    )
    recipient_rating_days: int = Field(
        60, ge=1, description="After an activity in which recipients rate it (our own choice)."
    )
    reliability_prior: float = Field(
        0.9, gt=0, lt=1, description="Share of places that people keep, before one is known."
    )
    reliability_weight: float = Field(
        5.0, gt=0, description="Places that it takes to know somebody's own share half way."
    )
    reliability_late: float = Field(
        0.5, ge=0, le=1, description="What a late cancellation counts, beside a no-show's 1."
    )
    complaint_days: int = Field(
        15, ge=1, description="To answer a complaint (our own choice); then it goes a level up."
    )
    complaint_warn_days: int = Field(
        3, ge=0, description="Before that when those who handle it are reminded."
    )
    complaints_per_day: int = Field(
        5, ge=1, description="Complaints that one person makes in 24 hours."
    )
    performance_weights: tuple[float, ...] = Field(
        (15.0, 15.0, 15.0, 10.0, 10.0, 10.0, 15.0, 10.0, 10.0),
        description="What each of `INDICATORS` counts in an organisation's score; 0: not at all.",
    )
    performance_full: tuple[float, ...] = Field(
        (1.0, 0.5, 20.0, 0.9, 0.95, 72.0, 5.0, 1.0, 1.0),
        description="The value at which each of `INDICATORS` counts in full (our own choice).",
    )

    star_hours: tuple[int, ...] = Field(
        (100, 300, 600, 1000, 1500),
        description="Hours for one to five stars (Guangdong's star rules).",
    )
    star_city_from: int = Field(
        4, ge=1, description="Stars from this one are the city's to award, lower ones the towns'."
    )
    notice_working_days: int = Field(
        5, ge=1, description="Working days of public notice of a star (Guangdong's star rules)."
    )
    holidays: tuple[date, ...] = Field(
        (), description="Days from Monday to Friday on which offices are shut."
    )
    working_weekends: tuple[date, ...] = Field(
        (), description="Saturdays and Sundays on which offices work in exchange."
    )
    bar_years: tuple[int, int] = Field(
        (1, 3), description="Years for which false hours bar from stars (Guangdong's star rules)."
    )
    award_most: int = Field(
        1000, ge=1, description="People whom one list of proposals for an award may have."
    )
    points_per_hour: int = Field(
        10, ge=0, description="Points that an hour of service is worth; 0: there are no points."
    )
    greeting_at: time = Field(
        time(9, 0), description="When thanks for birthdays and anniversaries go out, same day only."
    )
    review_day: int = Field(
        15, ge=1, le=31, description="In December, from when the year's review is offered."
    )

    update_keep_days: int = Field(
        2, ge=2, description="Days that an answered update is known; Telegram repeats it for one."
    )
    delivery_keep_days: int = Field(
        180, ge=30, description="Days that a message and its receipts are kept; calls for good."
    )
    error_keep_days: int = Field(
        90, ge=1, description="Days after its last time that a kind of error is kept."
    )

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no zone {value!r}") from None
        return value

    @field_validator("country")
    @classmethod
    def _country_has_phones(cls, value: str) -> str:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("must be a country's two capital letters, such as CN")
        return value

    @field_validator("performance_weights", "performance_full")
    @classmethod
    def _each_indicator_has_one(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) != len(INDICATORS) or min(value) < 0:
            raise ValueError(f"must be {len(INDICATORS)} numbers of 0 or more")
        return value

    @field_validator("performance_full")
    @classmethod
    def _full_is_more_than_nothing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError("must be above 0")
        return value

    @field_validator("star_hours")
    @classmethod
    def _stars_rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or value[0] <= 0 or list(value) != sorted(set(value)):
            raise ValueError("must be hours above 0, each more than the one before")
        return value

    @field_validator("bar_years")
    @classmethod
    def _years_rise(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("must be the least and the most, above 0")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
