"""What a change must pass: known vulnerabilities of dependencies are a fault, silence is not."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

AUDIT = Path(__file__).resolve().parent.parent / ".ci" / "audit"
KNOWN = {
    "id": "PYSEC-2026-1",
    "summary": "Made up for this test",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


class Knowing:
    """A service that knows vulnerabilities as osv.dev does: those of the packages named."""

    def __init__(self) -> None:
        self.of: dict[str, list[object]] = {}
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.text())
        found = self.of.get(asked["package"]["name"])
        return web.json_response({"vulns": found} if found else {})

    async def audited(self, folder: Path) -> tuple[int | None, str]:
        service = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": self.url}
        home = {"XDG_CACHE_HOME": str(folder), "HOME": str(folder)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(AUDIT), env={**os.environ, **home, **service},
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, said.decode()


@pytest.fixture
async def knowing() -> AsyncIterator[Knowing]:
    made = Knowing()
    app = web.Application()
    app.router.add_post("/query", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/query"
    yield made
    await runner.cleanup()


async def test_a_known_vulnerability_of_a_dependency_is_a_fault(
    knowing: Knowing, tmp_path: Path
) -> None:
    knowing.of["jinja2"] = [KNOWN]
    code, said = await knowing.audited(tmp_path)
    assert code == 1
    assert "PYSEC-2026-1, fixed in 99.0" in said
    assert ", 1 with known vulnerabilities" in said


async def test_a_service_that_is_not_reached_is_said_and_no_fault(
    knowing: Knowing, tmp_path: Path
) -> None:
    knowing.url = "http://127.0.0.1:9/query"
    code, said = await knowing.audited(tmp_path)
    assert code == 0
    assert "NOT audited" in said
