"""All topics: importing one registers its commands, buttons, links and forms."""

from handlers import (
    activities,
    browsing,
    enrolment,
    forms,
    menu,
    my_groups,
    planning,
    roles,
    rosters,
)

__all__ = [
    "activities",
    "browsing",
    "enrolment",
    "forms",
    "menu",
    "my_groups",
    "planning",
    "roles",
    "rosters",
]
