"""Decides when: IDLE and polling wake a pass, the clock wakes the digest; the only importer of apscheduler.

All work runs in one thread, one job after the other. A watcher thread for each account only waits in IDLE and, when
something arrives, asks for a pass; what happened is always found out by the pass itself.
"""

import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: TID251 - the one place
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: TID251 - the one place
from apscheduler.triggers.cron import CronTrigger  # noqa: TID251 - the one place
from apscheduler.triggers.interval import IntervalTrigger  # noqa: TID251 - the one place

from triage.apply import StoppedError
from triage.config import Account
from triage.delivery import deliver, due_date
from triage.errors import CredentialError, LimitedError, MailboxError, NotSignedInError, TriageError
from triage.mailbox import Mailbox
from triage.resources import own_model_path
from triage.session import Session, describe

log = logging.getLogger("triage")
# What a job does is told by the job itself.
logging.getLogger("apscheduler").setLevel(logging.ERROR)

# Shorter than the 29 minutes of RFC 2177, for the sake of routers that forget a silent connection.
IDLE_SECONDS = 9 * 60
HEARTBEAT_SECONDS = 30
# A wall clock that ran so much further than the monotonic one means that the machine slept.
SLEPT_SECONDS = 60
WORKER_IDLE_SECONDS = 120
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 15 * 60.0
# A refused password is not tried again and again: some servers lock the account. Nor is one that asks for a pause.
REFUSED_PAUSE, SIGN_IN_TRIES = 60 * 60.0, 3
# What SIGTERM leaves to a job that is under way, before its connection is cut.
GRACE_SECONDS = 3.0


class Pause:
    """Growing pauses with full jitter after failures in a row, for one account."""

    def __init__(self) -> None:
        self._failures = self._unsigned = 0

    def after(self, error: TriageError) -> float:
        """Seconds until the next try."""
        self._failures += 1
        self._unsigned = self._unsigned + 1 if isinstance(error, NotSignedInError) else 0
        if self._unsigned >= SIGN_IN_TRIES or isinstance(error, CredentialError | LimitedError):
            return REFUSED_PAUSE
        # A server may be away for weeks: 2.0**1024 is no number any more.
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(self._failures, 20))
        return random.uniform(SHORTEST_PAUSE, max(SHORTEST_PAUSE, longest))  # noqa: S311 - jitter

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def reset(self) -> None:
        """After a success."""
        self._failures = self._unsigned = 0


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
        self._watchers: dict[str, Watcher] = {}
        self._beats = (session.clock(), time.monotonic())
        self._looked: set[str] = set()
        self._told: dict[str, datetime] = {}
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
            try:
                self._pass_once(account)
            except StoppedError:
                return
            except TriageError as error:
                self._failed(account, error)
            except Exception as error:
                # Nothing in a pass may take the daemon down; the next one starts afresh. A traceback may quote mail.
                if not self._ending.is_set():
                    kind = type(error).__name__
                    log.error('account "%s": something unexpected happened (%s); please report it', account.name, kind)  # noqa: TRY400
                    log.debug("the traceback", exc_info=True)
                    self._again_in(account, self._pauses[account.name].after(MailboxError("")))
        self._looked.add(account.name)
        self._digest()
        if account.name in self._arrived:
            self._soon(account)

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
        seconds = self._pauses[account.name].after(error)
        if seconds >= REFUSED_PAUSE and account.name in self._watchers:
            # A server that wants peace gets it from both connections.
            self._watchers[account.name].stop()
        self._tell(describe(error, account), f"; trying again in {_in_words(seconds)}")
        self._again_in(account, seconds)

    def _tell(self, trouble: str, next_step: str = "") -> None:
        """Warn of a trouble; of the same one no more than once a day."""
        now = self._session.clock()
        self._told = {told: at for told, at in self._told.items() if abs(now - at) < timedelta(days=1)}
        log.log(logging.DEBUG if trouble in self._told else logging.WARNING, "%s%s", trouble, next_step)
        self._told.setdefault(trouble, now)

    def _again_in(self, account: Account, seconds: float) -> None:
        at = self._session.clock() + timedelta(seconds=seconds)
        self._scheduler.modify_job(f"pass {account.name}", next_run_time=at)

    def _wake(self, account: Account) -> None:
        """Something arrived: a pass as soon as the worker thread is free, or once more after the one under way."""
        self._arrived.add(account.name)
        if not self._busy.locked():
            self._soon(account)

    def _soon(self, account: Account) -> None:
        if not self._ending.is_set():
            self._scheduler.modify_job(f"pass {account.name}", next_run_time=self._session.clock())

    def _watch(self, account: Account) -> None:
        """Start the watcher of an account that could be signed in to, where the server can IDLE."""
        known = self._watchers.get(account.name)
        if self._config.daemon.idle and (known is None or not known.is_alive()):
            watcher = Watcher(self._session, account, lambda: self._wake(account), self._ending)
            self._watchers[account.name] = watcher
            watcher.start()

    def _digest(self) -> None:
        with self._busy:
            session = self._session
            first = self._pauses[self._config.accounts[0].name]
            if first.failing:
                # The digest goes into the first account's inbox; a server that refuses is not asked twice as often.
                return
            day = due_date(session.store, self._config, session.clock())
            # After a start every account is looked at once before its mail is summed up.
            ready = len(self._looked) == len(self._config.accounts) > 0
            if day is None or not ready or self._ending.is_set():
                return
            try:
                done = deliver(session, day)
            except TriageError as error:
                if not self._ending.is_set():
                    seconds = first.after(error)
                    self._tell(f"digest of {day}: {error}", f"; trying again in {_in_words(seconds)}")
                    self._again_in(self._config.accounts[0], seconds)
            else:
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
        if not any(pause.failing for pause in self._pauses.values()):
            self._digest()
        with self._busy:
            self._session.worker.close_if_idle(WORKER_IDLE_SECONDS)

    def learn(self) -> "subprocess.Popen[bytes] | None":
        """Once a day, if the parent has corrected something since: `triage train`, in a process of its own."""
        state = self._session.store.path.parent
        corrected, own = self._session.store.last_correction(), own_model_path(state)
        if corrected is None or (own.exists() and own.stat().st_mtime >= corrected.timestamp()):
            return None
        if self._trainer is None or self._trainer.poll() is not None:
            log.info("learning from your corrections")
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


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


class Watcher(threading.Thread):
    """Waits in IDLE on one account, with a connection of its own, and calls `wake` when something arrives."""

    def __init__(self, session: Session, account: Account, wake: Callable[[], None], ending: threading.Event) -> None:
        super().__init__(name=f"idle {account.name}", daemon=True)
        self._session, self._account = session, account
        self._wake_up, self._ending = wake, ending
        self._over = threading.Event()
        self._box: Mailbox | None = None

    def run(self) -> None:
        """Until it is told to stop, or the server cannot IDLE, refuses the sign-in, or wants a pause.

        Then polling alone goes on, and the next pass that succeeds starts another watcher.
        """
        pause = Pause()
        while not (self._ending.is_set() or self._over.is_set()):
            try:
                with Mailbox.connect(self._account, self._session.secret(self._account)) as box:
                    if not box.has("IDLE"):
                        return
                    self._box = box
                    box.select(self._account.folder, readonly=True)
                    # What arrived while there was no IDLE is found by this pass.
                    self._wake_up()
                    pause.reset()
                    while not (self._ending.is_set() or self._over.is_set()):
                        if box.wait(IDLE_SECONDS):
                            self._wake_up()
            except TriageError as error:
                if self._over.is_set():
                    return
                seconds = pause.after(error)
                if seconds >= REFUSED_PAUSE:
                    # As long as it rests, no other one is started.
                    self._over.wait(seconds)
                    return
                if not self._ending.is_set():
                    log.info("%s; waiting for mail again in %s", describe(error, self._account), _in_words(seconds))
                self._ending.wait(seconds)

    def stop(self) -> None:
        """Let go of the server for good; from another thread."""
        self._over.set()
        self.reconnect()

    def reconnect(self) -> None:
        """Cut the connection, so that a dead one is not waited on; from another thread."""
        if self._box is not None:
            self._box.interrupt()
