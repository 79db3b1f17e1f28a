"""All topics: importing one registers its commands, buttons, links and forms."""

from handlers import (
    activities,
    approvals,
    browsing,
    enrolment,
    forms,
    guardians,
    menu,
    moving,
    my_groups,
    planning,
    profile,
    qualifications,
    roles,
    rosters,
    signup,
)

__all__ = [
    "activities",
    "approvals",
    "browsing",
    "enrolment",
    "forms",
    "guardians",
    "menu",
    "moving",
    "my_groups",
    "planning",
    "profile",
    "qualifications",
    "roles",
    "rosters",
    "signup",
]
