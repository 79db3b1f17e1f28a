"""Whatever comes from Telegram: an answer or none, never an exception, nothing corrupted.

A few hundred updates here; `make fuzz` sends 100,000.
"""

from tests.city import City
from tests.databases import ON_SQLITE
from tests.fuzzing import fuzz

SEED, COUNT = 1, 300


@ON_SQLITE
async def test_random_updates_raise_nothing_and_leave_all_in_order(city: City) -> None:
    outcome = await fuzz(city, SEED, COUNT)
    assert outcome.faults == []
    assert outcome.wrong == []
    assert outcome.unreadable < COUNT / 3  # most of what is sent is looked at
