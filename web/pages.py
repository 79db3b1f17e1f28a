"""All pages, gathered: what the program serves."""

from importlib.metadata import distribution
from pathlib import Path

from aiohttp import web

from web import (
    answers,
    boards,
    checkin,
    evaluating,
    feeds,
    projects,
    ratings,
    reports,
    stories,
    verify,
)
from web.api import pages as api
from web.app import laid_out
from web.console import (
    activities,
    activity_files,
    affiliates,
    audiences,
    audit,
    broadcasts,
    callouts,
    care,
    certificates,
    command,
    courses,
    days,
    decisions,
    entry,
    exchange,
    feedback,
    groups,
    hours,
    imports,
    incidents,
    insurance,
    kinds,
    lists,
    many,
    organisations,
    performance,
    planning,
    plans,
    rally_points,
    recognition,
    reorganising,
    roles,
    rosters,
    series,
    settings,
    statistics,
    teams,
    today,
    volunteers,
)
from web.console import (
    projects as console_projects,
)
from web.console import stories as stories_desk

STATIC = Path(__file__).parent / "static"


def _of_package(name: str, folder: str) -> Path:
    """A folder of files that a package carries; the package itself is not imported."""
    return Path(str(distribution(name).locate_file(folder)))


ROUTES: list[web.AbstractRouteDef] = [
    *checkin.routes,
    *answers.routes,
    *boards.routes,
    *reports.routes,
    *verify.routes,
    *stories.routes,
    *projects.routes,
    *evaluating.routes,
    *ratings.routes,
    *feeds.routes,
    *api.ROUTES,
    *entry.routes,
    *today.pages,
    *planning.pages,
    *activities.pages,
    *activity_files.pages,
    *kinds.pages,
    *affiliates.pages,
    *rosters.pages,
    *hours.pages,
    *lists.pages,
    *audit.pages,
    *courses.pages,
    *decisions.pages,
    *groups.pages,
    *many.pages,
    *reorganising.pages,
    *organisations.pages,
    *plans.pages,
    *rally_points.pages,
    *recognition.pages,
    *console_projects.pages,
    *care.pages,
    *roles.pages,
    *volunteers.pages,
    *settings.pages,
    *audiences.pages,
    *broadcasts.pages,
    *callouts.pages,
    *command.pages,
    *statistics.pages,
    *imports.pages,
    *certificates.pages,
    *stories_desk.pages,
    *series.pages,
    *insurance.pages,
    *incidents.pages,
    *days.pages,
    *exchange.pages,
    *teams.pages,
    *feedback.pages,
    *performance.pages,
    web.static("/static", STATIC),
    web.static(
        "/vendor/bootstrap", _of_package("bootstrap-flask", "flask_bootstrap/static/bootstrap5")
    ),
    web.static("/vendor/leaflet", _of_package("xstatic-leaflet", "xstatic/pkg/leaflet/data")),
]
RESOURCES = laid_out(ROUTES)
