"""Decides when: IDLE and polling wake a pass, the clock wakes the digest; the only importer of apscheduler.

All work runs in one thread, one job after the other. A watcher thread for each account only waits in IDLE and, when
something arrives, asks for a pass; what happened is always found out by the pass itself.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from types import FrameType

from apscheduler.events import (  # noqa: TID251 - the one place
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: TID251 - the one place
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: TID251 - the one place
from apscheduler.triggers.cron import CronTrigger  # noqa: TID251 - the one place
from apscheduler.triggers.interval import IntervalTrigger  # noqa: TID251 - the one place

from triage.config import Account
from triage.delivery import deliver, due_date
from triage.errors import CredentialError, LimitedError, NotSignedInError, TriageError
from triage.resources import is_damaged, is_outdated, own_model_path
from triage.session import Session, describe
from triage.watcher import REFUSED_PAUSE, Pause, Watcher, in_words, unexpected

log = logging.getLogger("triage")
# What a job does is told by the job itself, and how it failed by `Daemon._after_job`: a traceback may quote mail.
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)

HEARTBEAT_SECONDS = 30
# A wall clock that ran so much further than the monotonic one means that the machine slept.
SLEPT_SECONDS = 60
WORKER_IDLE_SECONDS = 120
# So long a digest that is due waits for a pass that succeeds.
PATIENCE = timedelta(hours=1)
# What SIGTERM leaves to a job that is under way, before its connection is cut.
GRACE_SECONDS = 3.0


class Daemon:
    """Watches every account of a session until it is told to end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._config = session.config
        self._ending = threading.Event()
        self._asked = False
        self._wakes: socket.socket | None = None
        self._busy = threading.Lock()
        self._pauses = {account.name: Pause() for account in self._config.accounts}
        self._digest_pause = Pause()
        self._watchers: dict[str, Watcher] = {}
        self._beats = (session.clock(), time.monotonic())
        self._looked: set[str] = set()
        self._told: dict[tuple[int, str], datetime] = {}
        self._telling = threading.Lock()
        # Accounts where something arrived since their last pass began.
        self._arrived: set[str] = set()
        self._trainer: subprocess.Popen[bytes] | None = None
        session.stop = self._ending.is_set
        self._scheduler = BackgroundScheduler(
            timezone=self._config.zone,
            executors={"default": ThreadPoolExecutor(1)},
            # A job that is late runs once, however late; one that still runs is not started beside itself.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(
            self._after_job, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )

    def run(self) -> bool:
        """Work until `end` is called or SIGTERM or SIGINT arrives; False where a job would not let go in time."""
        sleeper, self._wakes = socket.socketpair()
        self._wakes.settimeout(0)
        sleeper.settimeout(HEARTBEAT_SECONDS)
        with sleeper, self._wakes, self._signals(self._wakes):
            self._schedule()
            self._scheduler.start()
            log.info("watching %s", ", ".join(account.name for account in self._config.accounts))
            while not (self._asked or self._ending.is_set()):
                try:
                    sleeper.recv(1)
                except TimeoutError:
                    self._beat()
            return self._finish()

    def end(self) -> None:
        """Ask the daemon to end; may be called from any thread."""
        self._ending.set()
        if self._wakes is not None:
            with suppress(OSError):
                self._wakes.send(b"\0")

    def _beat(self) -> None:
        # The scheduler waits for an hour of the wall clock: where that is set back, it would wait for hours.
        self._scheduler.add_job(self._heartbeat, id="heartbeat", replace_existing=True)

    @contextmanager
    def _signals(self, wakes: socket.socket) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(_number: int, _frame: FrameType | None) -> None:
            # It may run while this very thread holds the lock of an Event, so that it only notes what happened.
            if self._asked:
                # Asked twice: at once. The journal makes that harmless.
                os._exit(130)
            self._asked = True

        # Whoever waits on a lock misses a signal that comes just before the wait; one who waits on a descriptor does
        # not, because the signal writes to it (`signal.set_wakeup_fd`).
        before_fd = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)

    def _schedule(self) -> None:
        now = self._session.clock()
        for account in self._config.accounts:
            self._scheduler.add_job(
                self._pass,
                IntervalTrigger(minutes=self._config.daemon.poll_minutes, timezone=self._config.zone),
                args=[account],
                id=f"pass {account.name}",
                next_run_time=now,
            )
        at = self._config.digest.at
        self._scheduler.add_job(
            self._digest, CronTrigger(hour=at.hour, minute=at.minute, timezone=self._config.zone), id="digest"
        )
        self._scheduler.add_job(
            self.learn, CronTrigger(hour=at.hour, minute=at.minute, second=30, timezone=self._config.zone), id="learn"
        )

    # --- Jobs ---

    def _pass(self, account: Account) -> None:
        with self._busy:
            if self._ending.is_set():
                return
            self._arrived.discard(account.name)
            rest = self._pauses[account.name].running(self._session.clock(), REFUSED_PAUSE)
            if rest is not None:
                # Whoever asked for this pass did not know of the pause.
                self._again_at(account, rest)
            elif (error := self._trouble_of(lambda: self._pass_once(account))) is not None:
                self._failed(account, error)
        self._looked.add(account.name)
        self._digest()

    def _trouble_of(self, job: Callable[[], None]) -> TriageError | None:
        """What kept a job from being done. Nothing in it may take the daemon down; the next one starts afresh."""
        try:
            job()
        except TriageError as error:
            return error
        except Exception as error:  # noqa: BLE001 - told by its class
            return unexpected(error)
        return None

    def _pass_once(self, account: Account) -> None:
        store, clock = self._session.store, self._session.clock
        run = store.begin_run("run", clock())
        report = self._session.run(account, run)
        store.end_run(run, clock())
        if self._pauses[account.name].failing:
            log.info('account "%s" can be reached again', account.name)
        self._pauses[account.name].reset()
        for trouble in [report.error, *report.troubles]:
            if trouble:
                self._tell(f'account "{account.name}": {trouble}')
        if report.seen or report.corrections:
            log.info(
                'account "%s": %d new, %d from school, %d filed, %d to review, %d failed, %d corrections',
                account.name, report.seen, report.school, report.filed, report.review, report.failed,
                report.corrections,
            )  # fmt: skip
        self._watch(account)

    def _failed(self, account: Account, error: TriageError) -> None:
        if self._ending.is_set():
            return
        pause, now = self._pauses[account.name], self._session.clock()
        seconds = pause.begin(error, now)
        if seconds >= REFUSED_PAUSE and account.name in self._watchers:
            # A server that wants peace gets it from both connections.
            self._watchers[account.name].stop()
        self._tell(describe(error, account), f"; trying again in {in_words(seconds)}")
        self._again_at(account, now + timedelta(seconds=seconds))

    def _tell(self, trouble: str, next_step: str = "", level: int = logging.WARNING) -> None:
        """Tell of a trouble; of the same one no more than once a day."""
        now = self._session.clock()
        with self._telling:
            self._told = {told: at for told, at in self._told.items() if abs(now - at) < timedelta(days=1)}
            known = (level, trouble) in self._told
            self._told.setdefault((level, trouble), now)
        log.log(logging.DEBUG if known else level, "%s%s", trouble, next_step)

    def _again_at(self, account: Account, at: datetime) -> None:
        self._scheduler.modify_job(f"pass {account.name}", next_run_time=at)

    def _wake(self, account: Account) -> None:
        """Something arrived: a pass as soon as the worker thread is free, or once more after the one under way."""
        self._arrived.add(account.name)
        self._soon(account)

    def _missed(self, account: Account) -> None:
        """Something may have arrived unheard: as `_wake`, but a pause that runs is waited for; its end is a pass."""
        if not self._pauses[account.name].failing:
            self._wake(account)

    def _soon(self, account: Account) -> None:
        now = self._session.clock()
        if not (self._ending.is_set() or self._pauses[account.name].running(now, REFUSED_PAUSE)):
            self._again_at(account, now)

    def _after_job(self, event: JobEvent) -> None:
        """The scheduler says how a job ended, or that it still runs and was not started beside itself."""
        if event.code == EVENT_JOB_MAX_INSTANCES:
            log.debug("%s: under way already", event.job_id)
            return
        if event.code != EVENT_JOB_EXECUTED:
            kind = type(event.exception).__name__ if event.exception is not None else "missed"
            self._tell(f"{event.job_id}: something unexpected happened ({kind}); please report it")
        # What asked for its pass while that very pass was under way was turned away, and asks again.
        for account in self._config.accounts:
            if account.name in self._arrived:
                self._soon(account)

    def _watch(self, account: Account) -> None:
        """Start the watcher of an account that could be signed in to, where the server can IDLE."""
        known = self._watchers.get(account.name)
        if self._config.daemon.idle and (known is None or not known.is_alive()):
            heard, missed = partial(self._wake, account), partial(self._missed, account)
            watcher = Watcher(self._session, account, heard, missed, partial(self._tell, level=logging.INFO))
            self._watchers[account.name] = watcher
            watcher.start()

    def _digest(self) -> None:
        with self._busy:
            # After a start every account is looked at once before its mail is summed up.
            if self._ending.is_set() or not len(self._looked) == len(self._config.accounts) > 0:
                return
            # The digest goes into an inbox; a server that refuses is not asked twice as often. Where passes fail for
            # long, it may be for one message or folder alone, and the digest is made of what there is.
            now = self._session.clock()
            first = self._for_digest(now)
            pause = self._pauses[first.name]
            waits = pause.failing_for(now) < PATIENCE if pause.failing else False
            if waits or self._digest_pause.running(now):
                return
            if "inbox" in self._config.digest.deliver and pause.running(now, REFUSED_PAUSE):
                return
            error = self._trouble_of(partial(self._deliver_due, first))
            if error is None:
                self._digest_pause.reset()
            elif not self._ending.is_set():
                # The next heartbeat after it tries again.
                seconds = max(HEARTBEAT_SECONDS, self._digest_pause.begin(error, now))
                if isinstance(error, CredentialError | LimitedError | NotSignedInError):
                    self._failed(first, error)
                else:
                    # What keeps the passes from their end was told with them.
                    level = logging.DEBUG if pause.failing else logging.WARNING
                    self._tell(f"digest: {error}", f"; trying again in {in_words(seconds)}", level)

    def _for_digest(self, now: datetime) -> Account:
        """The first account that is not refused, or else the first."""
        accounts = self._config.accounts
        return next((one for one in accounts if not self._pauses[one.name].running(now, REFUSED_PAUSE)), accounts[0])

    def _deliver_due(self, account: Account) -> None:
        session = self._session
        day = due_date(session.store, self._config, session.clock())
        if day is not None:
            done = deliver(session, day, account)
            log.info("digest of %s: %s", day, "delivered" if done else "nothing to say")

    def _heartbeat(self) -> None:
        """Notice a sleep or a clock that was set, deliver a digest that is due, let an idle worker go."""
        now, ticks = self._session.clock(), time.monotonic()
        then, ticks_then = self._beats
        self._beats = (now, ticks)
        if abs((now - then).total_seconds() - (ticks - ticks_then)) > SLEPT_SECONDS:
            log.info("the clock jumped (sleep?): looking at every account")
            for watcher in self._watchers.values():
                watcher.reconnect()
            # What came meanwhile belongs into the digest that is due now.
            self._looked.clear()
            for account in self._config.accounts:
                self._wake(account)
            for job in ("digest", "learn"):
                self._scheduler.reschedule_job(job, trigger=self._scheduler.get_job(job).trigger)
        self._digest()
        with self._busy:
            self._session.worker.close_if_idle(WORKER_IDLE_SECONDS)

    def learn(self) -> "subprocess.Popen[bytes] | None":
        """Once a day, where something was corrected or the own model is unfit: `triage train`, in its own process."""
        state = self._session.store.path.parent
        corrected, own = self._session.store.last_correction(), own_model_path(state)
        unfit = own.exists() and (bool(self._session.worker.unfit) or is_damaged(own) or is_outdated(own))
        learned = corrected is None or (own.exists() and own.stat().st_mtime >= corrected.timestamp())
        if learned and not unfit:
            return None
        if self._trainer is None or self._trainer.poll() is not None:
            log.info("making your model anew" if unfit else "learning from your corrections")
            command = [sys.executable, "-P", "-m", "triage", "--state", str(state), "train"]
            self._trainer = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        return self._trainer

    # --- Ending ---

    def _finish(self) -> bool:
        self._ending.set()
        self._scheduler.pause()
        if self._trainer is not None and self._trainer.poll() is None:
            # It writes beside the model and then into its place, so that an end at any moment leaves a whole one.
            self._trainer.kill()
            self._trainer.wait()
        for watcher in self._watchers.values():
            watcher.stop()
        # A job under way stops at its next step; if it does not get there, its connection is cut.
        idle = self._busy.acquire(timeout=GRACE_SECONDS)
        if not idle:
            self._session.interrupt()
            idle = self._busy.acquire(timeout=1)
        if idle:
            self._busy.release()
        # A thread that still waits for the network while the interpreter is taken down can make it crash.
        self._scheduler.shutdown(wait=idle)
        for watcher in self._watchers.values():
            watcher.join(1)
        log.info("ended")
        return idle and not any(watcher.is_alive() for watcher in self._watchers.values())
