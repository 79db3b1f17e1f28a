"""`python -m playground`: the local Telegram on its own, with its page."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from playground.crowd import RULES, Crowd, Script
from playground.server import Place, Playground


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="playground", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0: any free one")
    parser.add_argument("--token", default="100200:PLAYGROUND")
    parser.add_argument("--username", default="playground_bot")
    parser.add_argument("--bot-name", default="Bot")
    parser.add_argument(
        "--people", type=Path, help="JSON: [{first_name, last_name, language_code, role, ...}]"
    )
    parser.add_argument(
        "--places", type=Path, help="JSON: [{name, latitude, longitude}]; maps open at the first"
    )
    parser.add_argument("--crowd", type=int, default=0, help="how many simulated people")
    parser.add_argument("--crowd-rules", type=Path, default=RULES)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _read(file: Path | None) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file else []
    return entries


async def _serve(given: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    places = [Place(**place) for place in _read(given.places)]
    playground = Playground(host=given.host, port=given.port, page=True, places=places)
    playground.add_bot(given.token, given.username, given.bot_name)
    for person in _read(given.people):
        person_id = person.pop("id", None)
        playground.add_person(person_id=person_id, **person)
    async with playground:
        print(playground.url, flush=True)  # noqa: T201 - the address is what it is started for
        crowd = Crowd(playground.world, Script.read(given.crowd_rules), given.crowd, given.seed)
        crowd.start()
        await stopping.wait()
        crowd.stop()


def main() -> None:
    given = _arguments()
    try:
        asyncio.run(_serve(given))
    except OSError as fault:
        sys.exit(f"{given.host}:{given.port}: {fault.strerror}")


if __name__ == "__main__":
    main()
