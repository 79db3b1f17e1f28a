"""All pages, gathered: what the program serves."""

from importlib.metadata import distribution
from pathlib import Path

from aiohttp import web

from web import answers, boards, checkin, feeds, reports, verify
from web.api import pages as api
from web.console import (
    activities,
    audiences,
    audit,
    broadcasts,
    callouts,
    care,
    certificates,
    command,
    decisions,
    entry,
    exchange,
    groups,
    hours,
    imports,
    lists,
    many,
    organisations,
    planning,
    rally_points,
    roles,
    rosters,
    settings,
    statistics,
    today,
    volunteers,
)

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
    *feeds.routes,
    *api.ROUTES,
    *entry.routes,
    *today.pages,
    *planning.pages,
    *activities.pages,
    *rosters.pages,
    *hours.pages,
    *lists.pages,
    *audit.pages,
    *decisions.pages,
    *groups.pages,
    *many.pages,
    *organisations.pages,
    *rally_points.pages,
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
    *exchange.pages,
    web.static("/static", STATIC),
    web.static(
        "/vendor/bootstrap", _of_package("bootstrap-flask", "flask_bootstrap/static/bootstrap5")
    ),
    web.static("/vendor/leaflet", _of_package("xstatic-leaflet", "xstatic/pkg/leaflet/data")),
]
