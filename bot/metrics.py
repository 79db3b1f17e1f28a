"""All that an operator can measure, declared in one place; whoever has something to count calls it.

Each program has a registry of its own. What only the database knows is asked when it is read, at
most every `ASKED_EVERY` seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from typing import Any

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    Summary,
    generate_latest,
)
from telegram import Update

from bot import tracing
from bot.intake import ALLOWED
from handlers.dispatch import Clock
from models import Database, DeliveryState, Lane
from services import queues
from services.outbox import Due, Receipt

ASKED_EVERY = 5.0
"""Seconds; how deep the queues are is asked of the database no more often."""
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds, for what somebody waits for."""
PATIENT = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
"""Seconds, for what waits for its turn."""
LANES = {lane: lane.name.lower() for lane in Lane}
REPLYING = ("send", "edit", "answer", "delete", "copy", "forward")
OTHER = "other"


def kind_of(update: Mapping[str, object] | Update) -> str:
    """The kind of an update, raw or not."""
    for kind in ALLOWED:
        there = update.get(kind) if isinstance(update, Mapping) else getattr(update, kind)
        if there is not None:
            return kind
    return OTHER


class Metrics:
    """The figures of one program. `ask` sets those that only the database knows."""

    def __init__(self, database: Database, clock: Clock, role: str = "all") -> None:
        self.database = database
        self.clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self.registry = CollectorRegistry()
        at: dict[str, Any] = {"registry": self.registry}
        ProcessCollector(**at)
        Info("muster", "The program.", **at).info({"version": version("muster"), "role": role})

        self.updates_received = Counter(
            "muster_updates_received", "Updates stored, by kind.", ["kind"], **at
        )
        self.update_seconds = Histogram(
            "muster_update_seconds", "From the application's queue to the answer.", ["kind"],
            buckets=QUICK, **at,
        )  # fmt: skip
        self.updates_waiting = Gauge(
            "muster_updates_waiting", "Updates stored and not yet answered.", **at
        )
        self.oldest_update = Gauge(
            "muster_updates_oldest_seconds", "How long the first of them has waited.", **at
        )
        self.telegram_requests = Counter(
            "muster_telegram_requests", "Calls of the Bot API.", ["method", "outcome"], **at
        )
        self.telegram_seconds = Histogram(
            "muster_telegram_seconds", "How long Telegram takes, but for getUpdates.",
            buckets=QUICK, **at,
        )  # fmt: skip
        self.replies = Counter(
            "muster_replies",
            "Direct answers to updates, by what became of them.",
            ["outcome"],
            **at,
        )
        self.pace = Gauge(
            "muster_pace_messages_per_second", "The rate at which may be sent now.", **at
        )

        self.deliveries_queued = Gauge(
            "muster_deliveries_queued",
            "Deliveries that wait; 50,000 are counted at most.",
            ["lane"],
            **at,
        )
        self.oldest_delivery = Gauge(
            "muster_deliveries_oldest_due_seconds", "For how long the first has been due.",
            ["lane"], **at,
        )  # fmt: skip
        self.deliveries_in_flight = Gauge(
            "muster_deliveries_in_flight", "Deliveries claimed and not yet recorded.", **at
        )
        self.deliveries_sent = Counter(
            "muster_deliveries_sent", "Deliveries that Telegram took.", ["lane"], **at
        )
        self.deliveries_failed = Counter(
            "muster_deliveries_failed", "Deliveries given up.", ["lane", "reason"], **at
        )
        self.deliveries_retried = Counter(
            "muster_deliveries_retried", "Attempts that are made again.", ["lane", "reason"], **at
        )
        self.delivery_delay = Histogram(
            "muster_delivery_delay_seconds", "From due to sent.", ["lane"], buckets=PATIENT, **at
        )
        self.channel_queued = Gauge(
            "muster_channel_queued", "Deliveries by other channels that wait.", ["channel"], **at
        )
        self.channel_sends = Counter(
            "muster_channel_sends", "Attempts by other channels.", ["channel", "outcome"], **at
        )
        self.webhooks_waiting = Gauge(
            "muster_webhooks_waiting", "Events on their way to other programs.", **at
        )
        self.webhook_sends = Counter(
            "muster_webhook_sends", "Attempts to hand over an event.", ["outcome"], **at
        )

        self.sweep_runs = Counter(
            "muster_sweep_runs", "Runs of a sweep.", ["sweep", "outcome"], **at
        )
        self.sweep_seconds = Summary("muster_sweep_seconds", "How long it took.", ["sweep"], **at)
        self.sweep_succeeded = Gauge(
            "muster_sweep_success_timestamp_seconds", "When it last went well.", ["sweep"], **at
        )
        self.transaction_seconds = Histogram(
            "muster_transaction_seconds", "Writing transactions, with the wait for their turn.",
            ["outcome"], buckets=QUICK, **at,
        )  # fmt: skip
        self.lease_held = Gauge("muster_lease_held", "1 while it is held here.", ["lease"], **at)
        self.loop_lag = Gauge(
            "muster_loop_lag_seconds", "How late the event loop was at worst, lately.", **at
        )
        self.page_requests = Counter(
            "muster_page_requests", "Requests for pages.", ["method", "route", "status"], **at
        )
        self.page_seconds = Histogram(
            "muster_page_seconds", "How long a page takes.", buckets=QUICK, **at
        )
        self.errors = Counter("muster_errors", "Errors that were not expected.", **at)
        self.backup_verified = Gauge(
            "muster_backup_verified_timestamp_seconds", "When a backup was last restored to verify"
            " it; 0: never.", **at,
        )  # fmt: skip

    # Listeners

    def received(self, raw: Mapping[str, object]) -> None:
        """Of the intake: an update was stored."""
        self.updates_received.labels(kind_of(raw)).inc()

    @contextmanager
    def handling(self, update: Update) -> Iterator[None]:
        with self.update_seconds.labels(kind_of(update)).time():
            yield

    def called(self, method: str, outcome: str, seconds: float, direct: bool) -> None:
        """Of the requests: Telegram answered, or did not."""
        self.telegram_requests.labels(method, outcome).inc()
        if method != "getUpdates":
            self.telegram_seconds.observe(seconds)
        if direct and method.startswith(REPLYING):
            self.replies.labels(outcome).inc()

    def landed(self, due: Due, receipt: Receipt) -> None:
        """Of the sender: what became of an attempt."""
        lane = LANES[due.lane]
        if receipt.state is DeliveryState.SENT:
            self.deliveries_sent.labels(lane).inc()
            delay = (self.clock() - due.due_at).total_seconds()
            self.delivery_delay.labels(lane).observe(max(0.0, delay))
        elif receipt.state is DeliveryState.FAILED:
            self.deliveries_failed.labels(lane, receipt.why or OTHER).inc()
        elif receipt.attempted:
            self.deliveries_retried.labels(lane, receipt.why or OTHER).inc()

    def sent_elsewhere(self, channel: str, why: str | None) -> None:
        """Of the other channels."""
        self.channel_sends.labels(channel, why or "sent").inc()

    def carried(self, taken: bool) -> None:
        """Of the webhooks."""
        self.webhook_sends.labels("taken" if taken else "not_taken").inc()

    def holds(self, lease: str, held: bool) -> None:
        self.lease_held.labels(lease).set(held)

    def swept(self, sweep: str, seconds: float, well: bool) -> None:
        """Of the scheduler."""
        self.sweep_runs.labels(sweep, "ok" if well else "failed").inc()
        self.sweep_seconds.labels(sweep).observe(seconds)
        if well:
            self.sweep_succeeded.labels(sweep).set(self.clock().timestamp())

    def transaction(self, outcome: str, seconds: float) -> None:
        """Of the database."""
        self.transaction_seconds.labels(outcome).observe(seconds)

    @web.middleware
    async def page(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Counts requests by route, never by path: that may name somebody."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else OTHER
        method = request.method if resource is not None else OTHER
        began, status = time.perf_counter(), 500
        try:
            with tracing.coming_of(tracing.of_request()):
                response = await handler(request)
            status = response.status
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            self.page_requests.labels(method, route, str(status)).inc()
            self.page_seconds.observe(time.perf_counter() - began)
        return response

    # Reading

    async def read(self) -> tuple[bytes, str]:
        """All figures as Prometheus takes them, and the type of that."""
        await self.ask()
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    async def ask(self) -> None:
        """Sets what only the database knows."""
        async with self._asking:
            if time.monotonic() - self._asked_at < ASKED_EVERY:
                return
            async with self.database.read() as session:
                found = await queues.depths(session)
            self._set(found)
            self._asked_at = time.monotonic()

    def _set(self, found: queues.Depths) -> None:
        now = self.clock()
        self.updates_waiting.set(found.updates)
        self.oldest_update.set(_age(now, found.oldest_update))
        for lane, name in LANES.items():
            self.deliveries_queued.labels(name).set(found.deliveries.get(lane, 0))
            self.oldest_delivery.labels(name).set(_age(now, found.oldest_due.get(lane)))
        for channel, count in found.channels.items():
            self.channel_queued.labels(channel).set(count)
        self.webhooks_waiting.set(found.webhooks)
        verified = found.verified_at
        self.backup_verified.set(verified.timestamp() if verified else 0)


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
