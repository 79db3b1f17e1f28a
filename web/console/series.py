"""Series of knowledge cards: written, put in the world, read by how many."""

from typing import Any

from services import access, organisations, series
from services.access import Right
from services.series import Described, Written
from services.words import LANGUAGES
from web.console.fields import key, lines, words
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()

QUIZ = "quiz"


@pages.look("/series")
async def show_all(visit: Visit) -> Page:
    return Page("console/series/list", {"kept": await series.kept(visit.work)})


@pages.look("/series/new")
async def show_new(visit: Visit) -> Page:
    await access.require_anywhere(visit.work, Right.ANNOUNCE)
    whose = await organisations.at_hand(visit.work, Right.ANNOUNCE)
    return Page("console/series/new", {"organisations": whose, "series": None})


@pages.act("/series/new", again=show_new)
async def create(visit: Visit) -> Goto:
    made = await series.create(visit.work, key(visit, "organisation"), _described(visit))
    return Goto(f"/series/{made.id}", done="saved")


@pages.look("/series/{series_id}")
async def show(visit: Visit, series_id: int) -> Page:
    found, cards = await series.opened(visit.work, series_id)
    shown = {
        "series": found,
        "cards": cards,
        "answers": await series.results(visit.work, series_id),
    }
    return Page("console/series/one", shown)


@pages.act("/series/{series_id}", again=show)
async def change(visit: Visit, series_id: int) -> Goto:
    await series.change(visit.work, series_id, _described(visit))
    return Goto(f"/series/{series_id}", done="saved")


@pages.act("/series/{series_id}/publish", again=show)
async def publish(visit: Visit, series_id: int) -> Goto:
    await series.publish(visit.work, series_id, published="published" in visit.form)
    return Goto(f"/series/{series_id}", done="saved")


@pages.look("/series/{series_id}/card")
async def show_new_card(visit: Visit, series_id: int) -> Page:
    found, _ = await series.opened(visit.work, series_id)
    kind = QUIZ if visit.query.get("kind") == QUIZ else "card"
    return Page("console/series/card", {"series": found, "card": None, "kind": kind})


@pages.act("/series/{series_id}/card", again=show_new_card)
async def add_card(visit: Visit, series_id: int) -> Goto:
    await series.add_card(visit.work, series_id, _written(visit))
    return Goto(f"/series/{series_id}", done="saved")


@pages.look("/series/cards/{card_id}")
async def show_card(visit: Visit, card_id: int) -> Page:
    card, found = await series.to_change(visit.work, card_id)
    return Page("console/series/card", {"series": found, "card": card, "kind": card.kind.value})


@pages.act("/series/cards/{card_id}", again=show_card)
async def change_card(visit: Visit, card_id: int) -> Goto:
    card = await series.change_card(visit.work, card_id, _written(visit))
    return Goto(f"/series/{card.series_id}", done="saved")


@pages.act("/series/cards/{card_id}/remove")
async def remove_card(visit: Visit, card_id: int) -> Goto:
    return Goto(f"/series/{await series.remove_card(visit.work, card_id)}", done="removed")


def _described(visit: Visit) -> Described:
    return Described(
        words(visit, "emoji"),
        {language: words(visit, f"name_{language}") for language in LANGUAGES},
        {language: words(visit, f"about_{language}") for language in LANGUAGES},
    )


def _written(visit: Visit) -> Written:
    if str(visit.form.get("kind", "")) != QUIZ:
        return Written({language: _card(visit, language) for language in LANGUAGES})
    texts = {language: _quiz(visit, language) for language in LANGUAGES}
    chosen = words(visit, "correct")
    return Written(texts, int(chosen) - 1 if chosen.isascii() and chosen.isdigit() else -1)


def _card(visit: Visit, language: str) -> dict[str, Any]:
    return {
        "title": words(visit, f"title_{language}"),
        "text": lines(visit, f"text_{language}"),
    }


def _quiz(visit: Visit, language: str) -> dict[str, Any]:
    return {
        "question": words(visit, f"question_{language}"),
        "options": [one for one in lines(visit, f"options_{language}").splitlines() if one.strip()],
        "why": words(visit, f"why_{language}"),
    }
