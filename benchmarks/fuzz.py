"""100,000 random updates through the whole program: `python -m benchmarks.fuzz`, or `make fuzz`.

In portions, each with a city of its own and a seed that tells all; the first fault of a kind is
printed with the seed. It ends with 1 if anything was raised or anything is wrong afterwards.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from benchmarks.__main__ import machine
from models.sealed import Keyring, use_keyring
from tests.city import City
from tests.databases import SqliteFolder
from tests.fuzzing import Outcome, fuzz
from tests.times import ManualClock

PORTION = 2_000


def portion(seed: int, count: int) -> Outcome:
    """In a process of its own."""
    use_keyring(Keyring.fresh())
    with tempfile.TemporaryDirectory(prefix="muster-fuzz-") as folder:
        return asyncio.run(_portion(SqliteFolder(Path(folder)), seed, count))


async def _portion(databases: SqliteFolder, seed: int, count: int) -> Outcome:
    city = City(databases.fresh(), ManualClock())
    await city.start()
    try:
        return await fuzz(city, seed, count)
    finally:
        await city.stop()


def kind_of(fault: str) -> str:
    """Its last line, and where in our own code it was raised."""
    lines = [line.strip() for line in fault.strip().splitlines()]
    ours = [line for line in lines if line.startswith('File "') and "site-packages" not in line]
    return f"{lines[-1][:160]} | {ours[-1][-90:] if ours else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first portion")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    given = parser.parse_args()
    out = Console(highlight=False, soft_wrap=True)
    began = time.perf_counter()
    sent: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    unreadable = wrong = 0
    portions = -(-given.updates // PORTION)
    with ProcessPoolExecutor(given.processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        under_way = [
            pool.submit(
                portion, given.seed + number, min(PORTION, given.updates - number * PORTION)
            )
            for number in range(portions)
        ]
        for done in as_completed(under_way):
            found = done.result()
            sent += found.sent
            unreadable += found.unreadable
            wrong += len(found.wrong)
            for one in found.wrong:
                out.print(f"seed {found.seed}: WRONG {one}", markup=False)
            for fault in found.faults:
                kind = kind_of(fault)
                if not kinds[kind]:
                    out.print(f"seed {found.seed}: {fault}", markup=False)
                kinds[kind] += 1
    seconds = time.perf_counter() - began
    figures = {
        "updates": sent.total(), "kinds": dict(sent), "unreadable": unreadable,
        "exceptions": kinds.total(), "wrong": wrong, "seconds": round(seconds),
        "updates_per_second": round(sent.total() / seconds),
    }  # fmt: skip
    for kind, number in kinds.most_common():
        out.print(f"{number:6} {kind}", markup=False)
    out.print(json.dumps(figures, indent=2))
    if given.json is not None:
        given.json.write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
    sys.exit(1 if kinds or wrong else 0)


if __name__ == "__main__":
    main()
