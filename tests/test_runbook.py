"""What the runbook, the dashboard and the code call things is the same."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from bot.cli import app
from bot.metrics import Metrics
from models import Database
from tests.times import ManualClock

ROOT = Path(__file__).resolve().parent.parent
RUNBOOKS = ("runbook.md", "runbook.zh.md")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"),
            "summary": ("_count", "_sum"), "gauge": ("",), "info": ("_info",)}  # fmt: skip
FINDING = re.compile(r'\b_?(?:fine|fault)\(\s*"(\w+)"')


def written(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bot").glob("*.py"))


@pytest.fixture
def samples(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    """What Prometheus sees, by the name of the metric."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/never.db")
    families = Metrics(database, ManualClock()).registry.collect()
    return {
        family.name: tuple(family.name + suffix for suffix in SUFFIXES[family.type])
        for family in families
    }


async def test_the_dashboard_shows_every_metric_and_none_besides(
    samples: dict[str, tuple[str, ...]],
) -> None:
    board = json.loads((ROOT / "deploy/grafana/muster.json").read_text(encoding="utf-8"))
    shown = " ".join(one["expr"] for panel in board["panels"] for one in panel.get("targets", ()))
    used = set(re.findall(r"\b(?:muster|process)_\w+", shown))
    assert used <= {sample for names in samples.values() for sample in names}
    own = {name for name in samples if name.startswith("muster")}
    assert {name for name in own if not used.intersection(samples[name])} == set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("name", RUNBOOKS)
async def test_the_runbook_names_what_there_is(
    name: str, samples: dict[str, tuple[str, ...]]
) -> None:
    text = written(name)
    there = {one for known, names in samples.items() for one in (known, *names)}
    assert set(re.findall(r"`(muster_\w+)`", text)) <= there
    commands = set(getattr(get_command(app), "commands", ()))
    assert set(re.findall(r"`muster ([a-z-]+)", text)) <= commands
    subjects = set(FINDING.findall(sources()))
    found = re.findall(r"doctor ((?:`\w+`(?:, | or |、| 或 )?)+)", text)
    told = {one for part in found for one in re.findall(r"`(\w+)`", part)}
    assert told and told <= subjects
    logged = re.findall(r"(?:log|日志) `([^`]+)`", text)
    assert logged and all(line in sources() for line in logged)
    assert len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) == 10


def test_both_runbooks_name_the_same_things() -> None:
    english, chinese = (
        [sorted(re.findall(r"`[^`]+`", part)) for part in written(name).split("\n## ")]
        for name in RUNBOOKS
    )
    assert english == chinese
