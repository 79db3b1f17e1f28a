"""All pages, gathered: what the program serves."""

from pathlib import Path

from aiohttp import web

from web import answers, boards, checkin, reports

STATIC = Path(__file__).parent / "static"

ROUTES: list[web.AbstractRouteDef] = [
    *checkin.routes,
    *answers.routes,
    *boards.routes,
    *reports.routes,
    web.static("/static", STATIC),
]
