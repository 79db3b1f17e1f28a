"""All pages, gathered: what the program serves."""

from pathlib import Path

from aiohttp import web

from web import answers, boards, checkin, feeds, reports
from web.api import pages as api

STATIC = Path(__file__).parent / "static"

ROUTES: list[web.AbstractRouteDef] = [
    *checkin.routes,
    *answers.routes,
    *boards.routes,
    *reports.routes,
    *feeds.routes,
    *api.ROUTES,
    web.static("/static", STATIC),
]
