"""How often one person looks at what is private, over all pages on which it shows."""

from services.errors import Refusal
from web.console.framework import Visit
from web.keys import CLOCK
from web.limits import LIMITS, Rate

LOOKS = Rate("reveals", most=60, seconds=3600.0)
"""What is private, looked at by one person: enough for a day's calls, too few to copy a town."""


def count(visit: Visit) -> None:
    """One look more. Raises Refusal("page_too_fast")."""
    now = visit.request.app[CLOCK]().timestamp()
    if visit.request.app[LIMITS].exceeded(LOOKS, visit.work.person.id, now):
        raise Refusal("page_too_fast")
