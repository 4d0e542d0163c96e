"""The daemon in a simulated time: its own scheduler, triggers and jobs, with the clocks of a world that leaps.

The world has a true time, which the mail server keeps; the machine's wall clock, which may be set; and a monotonic
clock, which stands still while the machine sleeps, as the wait of the scheduler does.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import apscheduler.schedulers.base
import apscheduler.triggers.date
import apscheduler.triggers.interval
import pytest
from apscheduler.executors.base import BaseExecutor, run_job

import triage.daemon
import triage.delivery
from tests.support.cases import verdict
from tests.support.memory import MemoryMailbox, Server, Stored
from triage.config import Config
from triage.daemon import Daemon
from triage.days import digest_end
from triage.delivery import deliver
from triage.digest import Digest, to_mail
from triage.judge import Context, Judgement, RawMail
from triage.mailbox import Mailbox
from triage.prompts import Around, Wording, make_card
from triage.session import Session
from triage.store import Store

if TYPE_CHECKING:
    from triage.worker import Worker

# What a mail's X-Kind says of it.
KINDS: dict[str, dict[str, object]] = {
    "homework": {},
    "charged": {"labels": ("behavior",), "primary": "behavior"},
    "asks": {"labels": ("meeting_request",), "primary": "meeting_request", "needs_reply": True},
}
SHORT = timedelta(minutes=2)


@dataclass
class World:
    """The clocks. `ahead`: how much the machine's wall clock is wrong."""

    true: datetime
    ahead: timedelta = timedelta(0)
    ticks: float = 0.0

    def wall(self) -> datetime:
        # No two looks at a clock show the same time.
        self.true += timedelta(microseconds=1)
        return self.true + self.ahead

    def monotonic(self) -> float:
        return self.ticks

    def pass_by(self, seconds: float) -> None:
        self.true += timedelta(seconds=seconds)
        self.ticks += seconds


class Waiting(BaseExecutor):  # type: ignore[misc]
    """One thread's worth of jobs, run when the world lets them."""

    def __init__(self, _threads: int) -> None:
        super().__init__()
        self._waiting: list[tuple[Any, Any]] = []

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        self._waiting.append((job, run_times))

    def run(self) -> None:
        """Run what waits, one after the other."""
        waiting, self._waiting = self._waiting, []
        for job, run_times in waiting:
            events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
            if failed := [event for event in events if event.exception]:
                raise failed[0].exception
            self._run_job_success(job.id, events)


class Stepped(apscheduler.schedulers.base.BaseScheduler):  # type: ignore[misc]
    """The scheduler without its thread: the world calls its step where the thread's wait would have ended."""

    woken = False

    def wakeup(self) -> None:
        self.woken = True

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)

    def step(self) -> float:
        """Start what is due; how long the thread would wait now."""
        self.woken = False
        wait = self._process_jobs()
        return float("inf") if wait is None else float(wait)


class Reader:
    """Stands in for the worker: a mail is what its X-Kind says."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def judge(self, mails: Sequence[RawMail], context: Context, **_words: bool) -> list[Judgement]:
        return [self._judged(mail, context) for mail in mails]

    def _judged(self, mail: RawMail, context: Context) -> Judgement:
        head = dict(re.findall(r"(?m)^([\w-]+): (.*?)\r?$", mail.raw.decode()))
        if "X-Triage" in head:
            return Judgement(message_id=head["Message-ID"], ours=True)
        judged = verdict(**KINDS[head["X-Kind"]])
        judged = replace(judged, message_id=head["Message-ID"], subject=head["Subject"])
        card = make_card(judged, self._config, Wording("en"), Around(context.today))
        note = f"X-Triage: note\nSubject: about {head['Subject']}\n\nbreathe\n"
        return Judgement(head["Message-ID"], verdict=judged, card=card, note_text="breathe", note=note)

    def close_if_idle(self, _seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


class Box(MemoryMailbox):
    """A mailbox of a parent who answers nothing."""

    def sent_folder(self) -> str:
        return ""


@dataclass
class House:
    """A household whose daemon runs in a world. `digests` are those that were put into the inbox, in order."""

    world: World
    config: Config
    store: Store
    server: Server
    digests: list[Digest] = field(default_factory=list)
    # When each was made, by the machine's clock.
    made: list[datetime] = field(default_factory=list)
    # Local dates on which the daemon was awake after the hour of the digest: at all, or so long that it must be there.
    reached: set[date] = field(default_factory=set)
    due: set[date] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _wake_at: float = 0.0

    def start(self) -> None:
        """As `triage run` does."""
        self._session = Session(
            self.config, self.store, cast("Worker", Reader(self.config)), None, self.world.wall, lambda _account: ""
        )
        self.daemon = Daemon(self._session)
        self.daemon._schedule()
        self._scheduler = cast("Stepped", self.daemon._scheduler)
        self._scheduler.start()
        self._surprise()
        self._executor = cast("Waiting", self._scheduler._executors["default"])
        self._beat_at = self.world.ticks + triage.daemon.HEARTBEAT_SECONDS

    def live(self, span: timedelta) -> None:
        """Time passes while the daemon runs."""
        end = self.world.ticks + span.total_seconds()
        while self.world.ticks < end:
            if not self._scheduler.woken:
                self.world.pass_by(max(0.0, min(self._wake_at, self._beat_at, end) - self.world.ticks))
            if self.world.ticks >= self._beat_at:
                self._beat_at += triage.daemon.HEARTBEAT_SECONDS
                self.daemon._beat()
            if self._scheduler.woken or self.world.ticks >= self._wake_at:
                self._wake_at = self.world.ticks + self._scheduler.step()
                self._executor.run()
            self._note_dates()

    def _note_dates(self) -> None:
        now = self.world.wall()
        today = now.astimezone(self.config.zone).date()
        hour = digest_end(today, self.config.digest.at, self.config.zone)
        if now >= hour:
            self.reached.add(today)
        if now >= hour + timedelta(seconds=triage.daemon.HEARTBEAT_SECONDS) and self.world.ticks >= self._calm_from:
            self.due.add(today)

    def _surprise(self) -> None:
        """The daemon has two heartbeats to find its way in a new time."""
        self._calm_from = self.world.ticks + 2 * triage.daemon.HEARTBEAT_SECONDS

    # --- What happens to a machine ---

    def sleep(self, span: timedelta) -> None:
        """The lid is closed, and opened again."""
        self.world.true += span
        self._surprise()

    def set_clock(self, ahead: timedelta) -> None:
        """Somebody, or a time server, sets the wall clock, which is then so much wrong."""
        self.world.ahead = ahead
        self._surprise()

    def restart(self, away: timedelta = timedelta(0), config: Config | None = None) -> None:
        """The daemon ends, and starts again."""
        self.world.pass_by(away.total_seconds())
        self.config = config or self.config
        self.start()

    def digest_by_hand(self) -> bool:
        """`triage digest --deliver`, for which the daemon has to be ended."""
        today = self.world.wall().astimezone(self.config.zone).date()
        self.reached.add(today)
        self.due.add(today)
        done = deliver(self._session, today)
        self.restart(SHORT)
        return done

    def arrive(self, kind: str) -> str:
        """A mail comes in; its Message-ID."""
        number = next(self._numbers)
        message_id = f"<m{number}@test.example>"
        raw = f"Message-ID: {message_id}\r\nSubject: mail {number:05}.\r\nX-Kind: {kind}\r\n\r\nHello.\r\n"
        self.server.folders["INBOX"].add(Stored(raw.encode(), set(), self.world.true))
        return message_id

    # --- What the parent finds ---

    def per_date(self) -> Counter[date]:
        """Digests in the inbox, by their local date."""
        return Counter(date.fromisoformat(one.date) for one in self.digests)

    def shown(self) -> Counter[str]:
        """How often each mail was shown as new."""
        return Counter(item.message_id for one in self.digests for section in one.sections for item in section.items)

    def reminded(self) -> Counter[str]:
        """How often each mail that waits for an answer was spoken of again."""
        text = " ".join(line for one in self.digests for line in one.reminders)
        return Counter(f"<m{int(number)}@test.example>" for number in re.findall(r"mail (\d{5})\.", text))

    def notes(self) -> Counter[str]:
        """How many notes stand beside each mail."""
        everything = (one.raw for folder in self.server.folders.values() for one in folder.messages.values())
        found = (re.search(rb"(?m)^Subject: about mail (\d{5})", raw) for raw in everything)
        return Counter(f"<m{int(match[1])}@test.example>" for match in found if match)

    def in_inbox(self) -> Counter[str]:
        """How often each digest stands in the inbox, by its Message-ID."""
        inbox = self.server.folders["INBOX"].messages.values()
        return Counter(one.message_id for one in inbox if b"X-Triage: digest" in one.raw)


def a_config(zone: str | None, at: str = "06:30", *, cooling: str = "none", poll: int = 5) -> Config:
    """A household that gets a digest even of an empty day, on a server that is polled; None: the machine's zone."""
    named = f'"timezone": "{zone}", ' if zone else ""
    return Config.model_validate_json(
        f"""{{{named}"children": [{{"name": "Maya"}}], "digest": {{"at": "{at}", "empty": true}},
        "accounts": [{{"name": "home", "host": "127.0.0.1", "username": "jo@home.example"}}],
        "prompts": {{"cooling_off": "{cooling}"}}, "daemon": {{"idle": false, "poll_minutes": {poll}}}}}"""
    )


@contextmanager
def a_house(folder: Path, config: Config, at: datetime, *, heartbeat: int | None = None) -> Iterator[House]:
    """A household in a world that begins at a local time of its zone, its daemon started."""
    world, server = World(at.replace(tzinfo=config.zone).astimezone(UTC)), Server()
    with Store(folder) as store, pytest.MonkeyPatch.context() as patch:
        # In this world no power is ever cut.
        store._db.execute("PRAGMA synchronous = OFF")
        house = House(world, config, store, server)
        _under(patch, world)
        patch.setattr(Mailbox, "connect", lambda _account, _secret: Box(server))
        patch.setattr(triage.delivery, "to_mail", _recorded(house))
        if heartbeat is not None:
            patch.setattr(triage.daemon, "HEARTBEAT_SECONDS", heartbeat)
        house.start()
        yield house


def _under(patch: pytest.MonkeyPatch, world: World) -> None:
    """Every look at a clock is a look at the world's."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return world.wall().astimezone(tz)

    for module in (apscheduler.schedulers.base, apscheduler.triggers.interval, apscheduler.triggers.date):
        patch.setattr(module, "datetime", Clock)
    patch.setattr(triage.daemon, "time", SimpleNamespace(monotonic=world.monotonic))
    patch.setattr(triage.daemon, "BackgroundScheduler", Stepped)
    patch.setattr(triage.daemon, "ThreadPoolExecutor", Waiting)


def _recorded(house: House) -> Callable[..., EmailMessage]:
    """The maker of a digest's mail, which tells the house of each."""

    def record(digest: Digest, wording: Wording, to: str, made: datetime) -> EmailMessage:
        house.digests.append(digest)
        house.made.append(made)
        return to_mail(digest, wording, to, made)

    return record
