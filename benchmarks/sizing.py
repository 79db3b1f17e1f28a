"""What a city, a province and a country need, computed from what one machine was measured to do.

`python -m benchmarks.sizing` prints the tables of docs/scaling.md; `--write` puts them there. All
assumptions are constants here. What was measured comes from `scaling.json` (`benchmarks.scaling`).
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

MEASURED = Path(__file__).resolve().parent / "scaling.json"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "scaling.md"
DAY, YEAR = 86_400, 365

UPDATES_A_DAY = 0.3
"""Of a volunteer: two presses or words a week."""
READS = 0.7
"""Of the updates; the others write."""
PEAK = 4.0
"""The busiest hour beside the mean of the day."""
MESSAGES_A_DAY = 0.5
"""To a volunteer: confirmations, reminders, a newsletter a week."""
ENTRIES_A_YEAR = 3.0
"""Of a volunteer in the ledger, each with an enrolment and an attendance."""
ENROLMENTS_AN_ENTRY = 1.1
"""Some do not come."""
VOLUNTEERS_A_COORDINATOR = 200
PAGES_A_DAY = 30
"""Of a coordinator."""
DELIVERIES_KEPT, UPDATES_KEPT = 180, 2
"""Days."""
ANSWERING, PRESSES, WITHIN = 0.10, 3, 600
"""In a typhoon: of those who are told, who answers, how often, within how many seconds."""
LOOKING = 10.0
"""Pages beside the usual peak, where a typhoon strikes."""
BUSY = 0.6
"""Of a core at most, so that nobody waits for long."""
PARTS = 2
"""Processes of a role at least, so that one may fail."""
FREE, PAID, USED = 30, 1000, 0.95
"""Messages a second of a token, and the share of it that is reached."""
CORES = 32
"""Of one large server for PostgreSQL."""
CONNECTIONS = 14
"""That one process may open: pool, overflow, and those that listen."""


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    volunteers: int
    struck: float
    """Share of the people that one typhoon concerns."""


PLACES = (
    Place("city", 400_000, 1.0),
    Place("province", 15_000_000, 0.25),
    Place("country", 200_000_000, 0.05),
)
Figures = dict[str, float]


def read(file: Path = MEASURED) -> Figures:
    """The median of each thing that was measured."""
    found = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return {what: figure["median"] for what, figure in found.items()}


@dataclass(frozen=True, slots=True)
class Need:
    """Of one place; rates are a second, sizes bytes."""

    place: Place
    measured: Figures

    # What there is to do

    @property
    def mean_updates(self) -> float:
        return self.place.volunteers * UPDATES_A_DAY / DAY

    @property
    def storm_updates(self) -> float:
        """Beside the usual peak."""
        told = self.place.volunteers * self.place.struck
        return self.mean_updates * PEAK + told * ANSWERING * PRESSES / WITHIN

    @property
    def messages(self) -> float:
        return self.place.volunteers * MESSAGES_A_DAY / DAY

    @property
    def told(self) -> int:
        return int(self.place.volunteers * self.place.struck)

    @property
    def storm_sends(self) -> float:
        """Everyone concerned within fifteen minutes."""
        return self.told / 900

    @property
    def pages(self) -> float:
        coordinators = self.place.volunteers / VOLUNTEERS_A_COORDINATOR
        return coordinators * PAGES_A_DAY / DAY * PEAK

    @property
    def storm_pages(self) -> float:
        """Only where it strikes, more is looked at."""
        return self.pages * (1 + (LOOKING - 1) * self.place.struck)

    # What that costs

    def _mixed(self, what: str) -> float:
        """Of an update, the mean of those that read and those that write."""
        reads, writes = (self.measured[f"update that {do}.{what}"] for do in ("reads", "writes"))
        return READS * reads + (1 - READS) * writes

    def processes(self, rate: float, cpu_ms: float) -> int:
        return max(PARTS, ceil(rate * cpu_ms / 1000 / BUSY))

    @property
    def bots(self) -> int:
        return self.processes(self.storm_updates, self._mixed("own_ms"))

    @property
    def senders(self) -> int:
        return self.processes(self.storm_sends, self.measured["send.own_ms"])

    @property
    def webs(self) -> int:
        return self.processes(self.storm_pages, self.measured["page.own_ms"])

    def server_cores(self, updates: float, sends: float, pages: float) -> float:
        """Of PostgreSQL, at the share that leaves room."""
        spent = (
            updates * self._mixed("server_ms")
            + sends * (self.measured["send.server_ms"] + self.measured["post.server_ms"])
            + pages * self.measured["page.server_ms"]
        )
        return spent / 1000 / BUSY

    @property
    def usual_cores(self) -> float:
        return self.server_cores(self.mean_updates * PEAK, self.messages * PEAK, self.pages)

    @property
    def storm_cores(self) -> float:
        return self.server_cores(self.storm_updates, self.storm_sends, self.storm_pages)

    def log_bytes(self, updates: float, sends: float) -> float:
        a_send = self.measured["send.log_bytes"] + self.measured["post.log_bytes"]
        return updates * self._mixed("log_bytes") + sends * a_send

    @property
    def connections(self) -> int:
        return (self.bots + self.senders + self.webs + PARTS) * CONNECTIONS

    # Room on the disk

    @property
    def people_bytes(self) -> float:
        return self.place.volunteers * self.measured["volunteer.bytes"]

    @property
    def postings_bytes(self) -> float:
        return self.place.volunteers * self.measured["postings of a volunteer.bytes"]

    @property
    def service_bytes(self) -> float:
        """That a year adds, for good."""
        places = ENROLMENTS_AN_ENTRY * self.measured["enrolment.bytes"]
        entry = self.measured["attendance.bytes"] + self.measured["ledger entry.bytes"]
        return self.place.volunteers * ENTRIES_A_YEAR * (places + entry)

    @property
    def deliveries_bytes(self) -> float:
        return self.messages * DAY * DELIVERIES_KEPT * self.measured["delivery.bytes"]

    @property
    def inbox_bytes(self) -> float:
        return self.mean_updates * DAY * UPDATES_KEPT * self.measured["inbox row.bytes"]

    def after(self, years: int) -> float:
        standing = self.people_bytes + self.deliveries_bytes + self.inbox_bytes
        return standing + years * self.service_bytes


# Tables

Row = Sequence[str]


def number(value: float) -> str:
    """With two or three digits that mean something; what is counted, up to a thousand whole."""
    if isinstance(value, int) and value < 1000:
        return str(value)
    if value >= 1000:
        digits = 10 ** (len(str(int(value))) - 3)
        return f"{round(value / digits) * digits:,}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def size(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{number(value)} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measured(figures: Figures) -> str:
    def row(name: str, thing: str, beside: str = "") -> Row:
        own, server = figures[f"{thing}.own_ms"], figures[f"{thing}.server_ms"]
        ratio = f"{number(own / figures[f'{beside}.own_ms'])} x {beside}"
        return name, number(own), ratio, number(server), size(figures[f"{thing}.log_bytes"])

    spent = table(
        ("", "own ms", "beside", "PostgreSQL ms", "log"),
        (
            row("an update that reads", "update that reads", "bare update"),
            row("an update that writes", "update that writes", "bare update"),
            row("a message sent", "send", "bare send"),
            row("a page of the console", "page", "sign of life"),
        ),
    )
    kept = table(
        ("", "bytes with its indexes"),
        (
            (name, number(figures[f"{name}.bytes"]))
            for name in (
                "volunteer", "postings of a volunteer", "delivery", "inbox row", "enrolment",
                "attendance", "ledger entry",
            )
        ),
    )  # fmt: skip
    return f"{spent}\n\n{kept}"


def by_place(figures: Figures, rows: dict[str, Callable[[Need], str]]) -> str:
    needs = [Need(place, figures) for place in PLACES]
    head = ("", *(f"{need.place.name}, {number(need.place.volunteers)}" for need in needs))
    return table(head, ((name, *(say(need) for need in needs)) for name, say in rows.items()))


def load(figures: Figures) -> str:
    return by_place(
        figures,
        {
            "updates a second, mean": lambda n: number(n.mean_updates),
            "updates a second, busiest hour": lambda n: number(n.mean_updates * PEAK),
            "updates a second, typhoon": lambda n: number(n.storm_updates),
            "people whom one typhoon concerns": lambda n: number(n.told),
            "messages a second, mean": lambda n: number(n.messages),
            "messages a second, typhoon (all within 15 min)": lambda n: number(n.storm_sends),
            "pages a second, busiest hour": lambda n: number(n.pages),
            "pages a second, typhoon": lambda n: number(n.storm_pages),
        },
    )


def processes(figures: Figures) -> str:
    return by_place(
        figures,
        {
            "`bot`": lambda n: number(n.bots),
            "`sender`": lambda n: number(n.senders),
            "`web`": lambda n: number(n.webs),
            "`scheduler`": lambda _: f"{PARTS} (1 works)",
            "tokens at 30/s for the typhoon": lambda n: number(tokens(n.told, 15, FREE)),
            "tokens at 1000/s": lambda n: number(tokens(n.told, 15, PAID)),
            "connections to PostgreSQL": lambda n: number(n.connections),
            "cores of PostgreSQL, busiest hour": lambda n: number(n.usual_cores),
            "cores of PostgreSQL, typhoon": lambda n: number(n.storm_cores),
            "log of PostgreSQL a second, typhoon": lambda n: size(
                n.log_bytes(n.storm_updates, n.storm_sends)
            ),
            "log of PostgreSQL a day": lambda n: size(
                DAY * n.log_bytes(n.mean_updates, n.messages)
            ),
        },
    )


def sizes(figures: Figures) -> str:
    return by_place(
        figures,
        {
            "volunteers, and all that describes them": lambda n: size(n.people_bytes),
            "of these postings, to be held in memory": lambda n: size(n.postings_bytes),
            "service, a year": lambda n: size(n.service_bytes),
            f"deliveries of {DELIVERIES_KEPT} days": lambda n: size(n.deliveries_bytes),
            f"updates of {UPDATES_KEPT} days": lambda n: size(n.inbox_bytes),
            "in all after 1 year": lambda n: size(n.after(1)),
            "in all after 5 years": lambda n: size(n.after(5)),
        },
    )


def tokens(messages: float, minutes: float, rate: float) -> int:
    """Bots that it takes to send so many messages within so many minutes."""
    return ceil(messages / (minutes * 60 * rate * USED))


def bots(_figures: Figures) -> str:
    minutes = (5, 15, 60)
    return table(
        ("messages", *(f"{rate}/s, {m} min" for rate in (FREE, PAID) for m in minutes)),
        (
            (number(n), *(number(tokens(n, m, rate)) for rate in (FREE, PAID) for m in minutes))
            for n in (1_000, 20_000, 100_000, 400_000, 3_750_000, 10_000_000)
        ),
    )


def limits(figures: Figures) -> str:
    """How far each part goes by itself."""
    one = Need(PLACES[0], figures)
    a_process = 1000 * BUSY / one._mixed("own_ms")
    a_server = 1000 * BUSY * CORES / one._mixed("server_ms")
    a_sender = 1000 * BUSY / figures["send.own_ms"]
    posts = figures["send.server_ms"] + figures["post.server_ms"]
    storm_share = UPDATES_A_DAY / DAY * PEAK + ANSWERING * PRESSES / WITHIN
    return table(
        ("what", "goes to", "reached, in a typhoon that concerns everyone, at"),
        (
            ("one process with all roles", f"{number(a_process)} updates/s",
             f"{number(a_process / storm_share)} volunteers"),
            (f"one server of {CORES} cores", f"{number(a_server)} updates/s",
             f"{number(a_server / storm_share)} volunteers"),
            ("one token, free, everyone within 15 min", f"{FREE} messages/s",
             f"{number(900 * FREE * USED)} volunteers"),
            ("one token, paid, everyone within 15 min", f"{PAID} messages/s",
             f"{number(900 * PAID * USED)} volunteers"),
            ("one sender process", f"{number(a_sender)} messages/s",
             f"{number(a_sender / FREE)} tokens at 30/s"),
            (f"one server of {CORES} cores, sending alone",
             f"{number(1000 * BUSY * CORES / posts)} messages/s", ""),
        ),
    )  # fmt: skip


TABLES: dict[str, Callable[[Figures], str]] = {
    "measured": measured,
    "load": load,
    "processes": processes,
    "bots": bots,
    "sizes": sizes,
    "limits": limits,
}


def written(text: str, figures: Figures) -> str:
    """The document with its tables made anew, each between its marks."""
    for name, make in TABLES.items():
        before, opens, rest = text.partition(f"<!-- {name} -->\n")
        _, closes, after = rest.partition("\n<!-- end -->")
        if not opens or not closes:
            raise ValueError(f"{DOCUMENT} has no place for the table {name}")
        text = before + opens + make(figures) + closes + after
    return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--json", type=Path, default=MEASURED, help="what was measured")
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md")
    asked = parser.parse_args()
    figures = read(asked.json)
    if asked.write:
        text = written(DOCUMENT.read_text(encoding="utf-8"), figures)
        DOCUMENT.write_text(text, encoding="utf-8")
        return
    for name, make in TABLES.items():
        print(f"{name}\n\n{make(figures)}\n")


if __name__ == "__main__":
    main()
