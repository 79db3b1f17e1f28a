"""The place of a form: a pin on a map, typed coordinates, or a map's link, all in one field."""

from services import places
from services.errors import Refusal
from services.places import At
from web.console.framework import Visit

FIELD = "at"


def place_in(visit: Visit) -> At | None:
    """None for an empty field. Raises Refusal("page_place") for what names no place."""
    typed = str(visit.form.get(FIELD, "")).strip()
    if not typed:
        return None
    found = places.place_in(typed)
    if found is None:
        raise Refusal("page_place")
    return found


def required(visit: Visit) -> At:
    """Raises Refusal("page_place")."""
    found = place_in(visit)
    if found is None:
        raise Refusal("page_place")
    return found
