"""The API fuzzed from its own OpenAPI document, over real HTTP."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans

from models import RoleKind
from services.policy import Policy
from tests.attending import propose
from tests.city import City
from tests.databases import Databases
from tests.programs import ALL, token_of
from tests.times import ManualClock

EXAMPLES = int(os.environ.get("MUSTER_FUZZ_EXAMPLES", "3"))
"""Of each operation, as it should be and as it should not; for a long run by hand set it higher."""
LIMITS = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(slots=True)
class Served:
    """Where the API is, a token for all of it, and what is real of all that can be named."""

    url: str
    token: str
    real: dict[str, Any]

    def point_at_what_exists(self, case: Any) -> None:
        """Keys made up at random hardly ever name anything."""
        body = case.body if isinstance(case.body, dict) else {}
        for said in (case.path_parameters, body, body.get("shift", {})):
            said |= {name: self.real[name] for name in said if name in self.real}


class Background:
    """A city in a loop of its own, since schemathesis asks from outside of any."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.city: City
        self.url = url

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def start(self) -> Served:
        self.city = City(self.url, ManualClock())
        self.city.policy = Policy(api_per_minute=1_000_000)
        await self.city.start()
        making = self.city.making
        boss = await making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
        chen = await making.volunteer("陈晓丽")
        activity = await making.activity(boss)
        shift = await making.shift(activity)
        there = await propose(making, await making.shift(activity), chen, 60)
        return Served(
            f"http://127.0.0.1:{self.city.program.web_port}",
            await token_of(making, boss, ALL),
            {
                "organisation_id": boss.organisation_id,
                "volunteer_id": chen.id,
                "activity_id": activity.id,
                "shift_id": shift.id,
                "enrolment_id": 1,
                "attendance_id": there,
                "field_id": activity.field_id,
                "starts_at": "2026-12-05T01:00:00Z",
                "ends_at": "2026-12-05T04:00:00Z",
                "birth_date": "1990-05-01",
                "name": "周敏",
                "language": "zh_Hans",
                "until": "2026-12-24",
                "minutes": 50,
                **dict.fromkeys(("skills", "interests", "languages", "qualifications"), ()),
                **dict.fromkeys(("email", "id_number", "enrolment_deadline")),
            },
        )

    def stop(self) -> None:
        self.run(self.city.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def served(sqlite_databases: Databases) -> Iterator[Served]:
    url = sqlite_databases.fresh()
    background = Background(url)
    yield background.run(background.start())
    background.stop()
    sqlite_databases.drop(url)


def test_whatever_is_asked_the_answer_is_as_the_document_says(served: Served) -> None:
    """No 5xx; each status, content type and body as documented; what does not fit is refused."""
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_schema_conformance,
        status_code_conformance,
        unsupported_method,
    )

    wanted = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
        negative_data_rejection,
        unsupported_method,
    ]
    schema = schemathesis.openapi.from_url(served.url + "/api/v1/openapi.json")
    headers = {"Authorization": f"Bearer {served.token}"}
    statuses: Counter[str] = Counter()

    def attempt(operation: Any, mode: Any) -> None:
        fits = mode is schemathesis.GenerationMode.POSITIVE

        @LIMITS
        @given(case=operation.as_strategy(mode), real=booleans())
        def ask(case: Any, real: bool) -> None:
            if real and fits:
                served.point_at_what_exists(case)
            answer = case.call_and_validate(headers=headers, checks=wanted)
            statuses[f"{case.method} {answer.status_code}"] += 1

        try:
            ask()
        except Unsatisfiable:
            assert not fits, operation.label  # nothing about it could be wrong

    for found in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            attempt(found.ok(), mode)
    if "MUSTER_FUZZ_EXAMPLES" in os.environ:
        print(sum(statuses.values()), dict(sorted(statuses.items())))  # noqa: T201
    assert statuses["GET 200"] and statuses["POST 422"] and statuses["POST 201"]
