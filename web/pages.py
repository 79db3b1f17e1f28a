"""All pages, gathered: what the program serves."""

from aiohttp import web

ROUTES: list[web.AbstractRouteDef] = []
