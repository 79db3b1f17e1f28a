"""Time passing: wakes the sweeps. Holds no truth; each sweep asks the tables what is due now."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot import tracing
from handlers.dispatch import Clock
from models import Database
from services import (
    accounts,
    aftermath,
    attendance,
    awards,
    boards,
    broadcasting,
    care,
    care_alerts,
    complaints,
    counting,
    days,
    drills,
    enrolment,
    error_reports,
    greetings,
    help_requests,
    hours,
    importing,
    incidents,
    insurance,
    manning,
    measures,
    mobilising,
    monthly,
    pairings,
    project_library,
    projects,
    readiness,
    relieving,
    reminders,
    reorganising,
    retention,
    scene,
    series,
    standing_down,
    stars,
    stores,
    swaps,
    tokens,
    training,
    traits,
    visiting,
    webhooks,
)
from services.policy import Policy
from services.work import Work

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """`run` answers how many things it did; `seconds` is how often it is woken."""

    run: Callable[..., Awaitable[int]]
    seconds: int
    look: Callable[[Work], Awaitable[Any]] | None = None
    """Asked first in a transaction that nobody waits for; `run` is given what it answers."""
    goes_on: bool = False
    """Whether it is run again at once while it has something to do."""

    @property
    def name(self) -> str:
        return f"{self.run.__module__.rpartition('.')[2]}.{self.run.__name__}"


SWEEPS: tuple[Sweep, ...] = (
    Sweep(mobilising.advance, 10),
    Sweep(scene.look_after, 10),
    Sweep(standing_down.ask_home, 30),
    Sweep(aftermath.hand_out, 30),
    Sweep(boards.report, 2),
    Sweep(traits.keep_counts, 600, traits.count),
    Sweep(monthly.send, 60),
    Sweep(counting.keep_people, 30, counting.find_moves, goes_on=True),
    Sweep(counting.keep_hours, 5, goes_on=True),
    Sweep(counting.keep_activities, 60, counting.look_at_activities),
    Sweep(counting.keep_abilities, 60, counting.look_at_abilities),
    Sweep(measures.keep, 60, measures.look),
    Sweep(series.send, 30, goes_on=True),
    Sweep(reorganising.move_people, 10, reorganising.left_behind, goes_on=True),
    Sweep(days.remind, 600),
    Sweep(insurance.warn, 3600),
    Sweep(incidents.raise_late, 60),
    Sweep(projects.tell_of_late, 600),
    Sweep(project_library.forget, 3600, project_library.to_forget),
    Sweep(readiness.ask, 600),
    Sweep(readiness.warn_of_expiry, 3600),
    Sweep(care_alerts.escalate, 15),
    Sweep(pairings.let_go, 600),
    Sweep(care.let_go, 600),
    Sweep(help_requests.let_go, 600),
    Sweep(visiting.plan, 600),
    Sweep(visiting.remind, 60),
    Sweep(visiting.follow_up, 60),
    Sweep(help_requests.remind, 60),
    Sweep(help_requests.forget, 3600),
    Sweep(relieving.remind, 60),
    Sweep(relieving.report_gaps, 60),
    Sweep(relieving.report_ends, 3600),
    Sweep(relieving.change_over, 30),
    Sweep(swaps.lapse, 30),
    Sweep(manning.report, 300),
    Sweep(stores.remind, 3600),
    Sweep(drills.remind, 3600),
    Sweep(drills.ask_for_lessons, 60),
    Sweep(broadcasting.advance, 1),
    Sweep(broadcasting.report, 10, broadcasting.measure),
    Sweep(importing.advance, 1, importing.prepare, goes_on=True),
    Sweep(importing.tidy_up, 3600),
    Sweep(enrolment.expire_offers, 20),
    Sweep(reminders.remind_hours_before, 60),
    Sweep(reminders.remind_day_before, 60),
    Sweep(reminders.report_gaps, 60),
    Sweep(attendance.ask_to_check_out, 60),
    Sweep(attendance.assume_check_outs, 60),
    Sweep(attendance.mark_no_shows, 60),
    Sweep(training.settle_lately, 60),
    Sweep(hours.remind_coordinators, 60),
    Sweep(awards.give, 5, awards.due, goes_on=True),
    Sweep(stars.report, 300),
    Sweep(greetings.send, 60, greetings.look),
    Sweep(greetings.offer_review, 60, greetings.look_at_year),
    Sweep(complaints.escalate, 600),
    Sweep(complaints.remind, 600),
    Sweep(accounts.forget_updates, 3600),
    Sweep(tokens.forget_answers, 3600),
    Sweep(webhooks.forget, 600),
    Sweep(error_reports.forget, 3600),
    Sweep(retention.drop, 600, retention.look, goes_on=True),
)


class Scheduler:
    """APScheduler as the clock's hand; a sweep that is still running is not started again."""

    def __init__(self, database: Database, policy: Policy, clock: Clock) -> None:
        self.database = database
        self.policy = policy
        self.clock = clock
        self.on_run: Callable[[str, float, bool], object] = lambda *_: None
        """Called with each sweep's name, its seconds, and whether it went well."""
        self._stopping = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def _ticker(self) -> AsyncIOScheduler:
        ticker = AsyncIOScheduler(timezone="UTC")
        for sweep in SWEEPS:
            ticker.add_job(
                self._tick,
                "interval",
                args=[sweep],
                seconds=sweep.seconds,
                id=sweep.name,
                max_instances=1,
                coalesce=True,
            )
        return ticker

    async def run(self) -> None:
        """Until `stop`. What is under way is finished first: the ticker would break it off."""
        ticker = self._ticker()
        ticker.start()
        await self._stopping.wait()
        ticker.pause()
        if self._under_way:
            await asyncio.wait(self._under_way)
        ticker.shutdown(wait=False)
        await asyncio.sleep(0)  # it ends in the loop's next turn; until then it would end twice
        self._stopping.clear()

    def stop(self) -> None:
        self._stopping.set()

    async def _tick(self, sweep: Sweep) -> None:
        task = asyncio.create_task(self._run_out(sweep), name=sweep.name)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _run_out(self, sweep: Sweep) -> None:
        """Each time in a transaction of its own, so that others get their turn in between."""
        while await self.sweep(sweep) and sweep.goes_on and not self._stopping.is_set():
            pass

    async def sweep(self, sweep: Sweep) -> int:
        """One sweep in one transaction; what goes wrong is logged and tried again next time.

        Answers how many things it did.
        """
        began, well = time.perf_counter(), False
        with tracing.coming_of(tracing.of_sweep(sweep.name, self.clock())):
            try:
                done = await self._run_once(sweep)
                well = True
            except Exception:
                log.exception("sweep failed", extra={"sweep": sweep.name})
                return 0
            finally:
                self.on_run(sweep.name, time.perf_counter() - began, well)
            if done:
                log.info("swept", extra={"sweep": sweep.name, "done": done})
            return done

    async def _run_once(self, sweep: Sweep) -> int:
        found = await self._look(sweep)
        return await self.database.transact(
            lambda session: sweep.run(Work(session, self.clock(), self.policy), *found)
        )

    async def _look(self, sweep: Sweep) -> list[Any]:
        if sweep.look is None:
            return []
        async with self.database.read() as session:
            return [await sweep.look(Work(session, self.clock(), self.policy))]

    async def run_all(self, sweeps: Iterable[Sweep] = SWEEPS) -> None:
        """One after the other, each until it has nothing left to do."""
        for sweep in sweeps:
            while await self.sweep(sweep) and sweep.goes_on:
                pass
