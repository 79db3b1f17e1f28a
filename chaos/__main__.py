"""Runs the cases and prints what each came to: `python -m chaos --help`."""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.cases import CASES, Order
from chaos.stage import Result

KILLS = 10
"""By default, so that all cases end within a quarter of an hour; 200 for the whole measurement."""
PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
HEADINGS = (
    "What happens", "Database", "How much", "Accepted", "Lost", "Doubles (bound)", "Over quota",
    "Ledger", "Doctor", "Emergencies (missing)", "Works again, median / longest s",
    "Ended by itself",
)  # fmt: skip


def main() -> None:
    given = _arguments()
    names = given.case or list(CASES)
    seed = given.seed if given.seed is not None else random.randrange(10**6)
    console = Console(stderr=True)
    console.print(f"seed {seed}", highlight=False)
    results = []
    began = time.monotonic()
    for name in names:
        result = asyncio.run(_run(name, seed, given.kills, console))
        results.append(result)
        console.print(_verdict(name, result), highlight=False)
        if given.write:
            _write([result])
    console.print(f"{time.monotonic() - began:.0f} s in all", highlight=False)
    if given.json:
        print(json.dumps([asdict(one) for one in results], indent=1, default=str))
    else:
        _print(results)
    sys.exit(0 if all(one.skipped or one.holds for one in results) else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    known = ", ".join(CASES)
    parser.add_argument("--case", action="append", choices=CASES, metavar="NAME",
                        help=f"Only this one; may be repeated. One of {known}.")  # fmt: skip
    parser.add_argument("--kills", type=int, default=KILLS, help="Of each role; 200 for a release.")
    parser.add_argument("--seed", type=int, help="Of all that is random; printed at each run.")
    parser.add_argument("--json", action="store_true", help="All figures as JSON.")
    parser.add_argument("--write", action="store_true", help=f"Renews the rows in {PAGE.name}.")
    return parser.parse_args()


async def _run(name: str, seed: int, kills: int, console: Console) -> Result:
    with tempfile.TemporaryDirectory(prefix="muster-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            return await CASES[name](Order(Path(folder), seed, kills))
        except Exception as fault:  # must not hide the other cases
            console.print(traceback.format_exc(), markup=False, highlight=False)
            failed = Result(name, "")
            failed.outcome.lost = [f"the case itself failed: {type(fault).__name__}"]
            return failed


def _verdict(name: str, result: Result) -> str:
    if result.skipped:
        return f"{name}: skipped, {result.skipped}"
    if result.holds:
        return f"{name}: holds"
    one = result.outcome
    wrong = [*one.lost[:5], *one.missing[:5], *one.doctor]
    if one.doubles > result.bound:
        wrong.append(f"{one.doubles} doubles, {result.bound} were in flight")
    return f"{name}: DOES NOT HOLD: {'; '.join(wrong)}"


def _cells(one: Result) -> tuple[str, ...]:
    if one.skipped:
        return (one.case, one.database, f"skipped: {one.skipped}", *[""] * (len(HEADINGS) - 3))
    found = one.outcome
    back = f"{statistics.median(one.back):.1f} / {max(one.back):.1f}" if one.back else ""
    return (
        one.case, one.database, one.what, f"{found.accepted:,}", str(len(found.lost)),
        f"{found.doubles} ({one.bound})", str(found.quota_broken),
        "whole" if not found.ledger_faults else f"{found.ledger_faults} faults",
        f"{len(found.doctor)} faults" if found.doctor else "all right",
        f"{found.emergencies} ({len(found.missing)})", back, str(one.exits),
    )  # fmt: skip


def _print(results: list[Result]) -> None:
    table = Table(*HEADINGS)
    for one in results:
        table.add_row(*_cells(one))
    console = Console(width=200)
    console.print(table)
    for one in results:
        for note in _notes(one):
            console.print(f"{one.case}: {note}", highlight=False)


def _notes(one: Result) -> list[str]:
    stuck = [f"{one.stuck} updates or deliveries waited for a restart"] if one.stuck else []
    left = one.outcome.undelivered
    return [*one.notes, *stuck, *([f"{left} other messages not delivered"] if left else [])]


def _write(results: list[Result]) -> None:
    """Renews the rows of these cases; those of others stay as they were measured."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = [line for line in old.splitlines() if line.startswith("| ")][1:]
    rows = {_key(line): line for line in kept}
    rows |= {_key(line): line for line in (f"| {' | '.join(_cells(one))} |" for one in results)}
    said = [line for line in old.splitlines() if line.startswith("* ")]
    names = tuple(f"* {one.case}:" for one in results)
    notes = [line for line in said if not line.startswith(names)]
    notes += [f"* {one.case}: {note}." for one in results for note in _notes(one)]
    head = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    table = "\n".join([BEGIN, "", *head, *rows.values(), "", *notes, "", END])
    PAGE.write_text(before + table + after, encoding="utf-8")


def _key(line: str) -> tuple[str, ...]:
    """Case and database."""
    return tuple(cell.strip() for cell in line.split("|")[1:3])


if __name__ == "__main__":
    main()
