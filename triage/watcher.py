"""Waits in IDLE on one account, and how long to leave a server alone after something went wrong."""

import logging
import random
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

from triage.config import Account
from triage.errors import LimitedError, MailboxError, NotSignedInError, RefusedError, SignInRefusedError, TriageError
from triage.mailbox import Mailbox
from triage.session import Session, describe

log = logging.getLogger("triage")

# Shorter than the 29 minutes of RFC 2177, for the sake of routers that forget a silent connection.
IDLE_SECONDS = 9 * 60
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 15 * 60.0
# A refused password is not tried again and again: some servers lock the account. Nor is one that asks for a pause.
REFUSED_PAUSE, SIGN_IN_TRIES = 60 * 60.0, 3
# A connection that stood so long was a good one: after it the pauses are short again.
GOOD_SECONDS = 10 * 60.0
# A server that says no to IDLE so often in a row is polled, and asked again once an hour.
IDLE_TRIES = 3


class Pause:
    """Growing pauses with full jitter after failures in a row, for one account."""

    def __init__(self) -> None:
        self._failures = self._unsigned = 0
        self._length = timedelta(0)
        self._since: datetime | None = None
        self._until: datetime | None = None

    def after(self, error: TriageError) -> float:
        """Seconds until the next try."""
        self._failures += 1
        self._unsigned = self._unsigned + 1 if isinstance(error, NotSignedInError) else 0
        if self._unsigned >= SIGN_IN_TRIES or isinstance(error, SignInRefusedError | LimitedError):
            return REFUSED_PAUSE
        # A server may be away for weeks: 2.0**1024 is no number any more.
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(self._failures, 20))
        return random.uniform(SHORTEST_PAUSE, max(SHORTEST_PAUSE, longest))  # noqa: S311 - jitter

    def begin(self, error: TriageError, now: datetime) -> float:
        """As `after`; from now on the pause runs."""
        seconds = self.after(error)
        self._length = timedelta(seconds=seconds)
        self._since, self._until = self._since or now, now + self._length
        return seconds

    def running(self, now: datetime, at_least: float = 0.0) -> datetime | None:
        """When the pause that runs now will end; None where none does, or only one of less than so many seconds."""
        if self._until is None or self._length.total_seconds() < at_least:
            return None
        # A clock that was set back does not make it longer.
        return self._until if timedelta(0) < self._until - now <= self._length else None

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def failing_for(self, now: datetime) -> timedelta:
        """How long every try has failed."""
        return now - self._since if self._since is not None else timedelta(0)

    def reset(self) -> None:
        """After a success."""
        self._failures = self._unsigned = 0
        self._since = self._until = None


def unexpected(error: Exception) -> TriageError:
    """An error that nobody foresaw as one of ours, by its class alone: its own words may quote mail."""
    # The lines of the program that it went through, without what they say of it.
    log.debug("the way of it:\n%s", "".join(traceback.format_tb(error.__traceback__)))
    return TriageError(f"something unexpected happened ({type(error).__name__}); please report it")


def in_words(seconds: float) -> str:
    """A pause as a person says it."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


class Watcher(threading.Thread):
    """Waits in IDLE on one account, with a connection of its own.

    It calls `heard` when something arrives, `missed` where something may have arrived unheard, and tells its troubles.
    """

    def __init__(
        self,
        session: Session,
        account: Account,
        heard: Callable[[], None],
        missed: Callable[[], None],
        tell: Callable[[str, str], None],
    ) -> None:
        super().__init__(name=f"idle {account.name}", daemon=True)
        self._session, self._account = session, account
        self._heard, self._missed, self._tell = heard, missed, tell
        self._over = threading.Event()
        self._box: Mailbox | None = None
        # The folder's UIDVALIDITY and UIDNEXT when IDLE was last begun.
        self._known: tuple[int, int] | None = None

    def run(self) -> None:
        """Until it is told to stop, or has rested after a refused sign-in or from a server that wants a pause.

        As long as it rests, polling alone goes on and no other one is started; the next pass that succeeds starts one.
        """
        pause, refusals = Pause(), 0
        while not self._ended():
            began = time.monotonic()
            error = self._heard_until()
            if self._ended():
                return
            if time.monotonic() - began >= GOOD_SECONDS:
                pause.reset()
            refusals = refusals + 1 if isinstance(error, RefusedError) else 0
            seconds = REFUSED_PAUSE if refusals >= IDLE_TRIES else pause.after(error)
            if seconds >= REFUSED_PAUSE and not refusals:
                self._over.wait(seconds)
                return
            self._tell(describe(error, self._account), f"; waiting for mail again in {in_words(seconds)}")
            self._over.wait(seconds)

    def _heard_until(self) -> TriageError:
        """Listen until something goes wrong; what it was."""
        try:
            self._listen()
        except TriageError as error:
            return error
        except Exception as error:  # noqa: BLE001 - told by its class
            return unexpected(error)
        return MailboxError("the wait was ended")

    def _listen(self) -> None:
        """On one connection, until it breaks or is told to stop."""
        with Mailbox.connect(self._account, self._session.secret(self._account)) as box:
            if not box.has("IDLE"):
                raise RefusedError("the server offers no IDLE")
            self._box = box
            folder = box.select(self._account.folder, readonly=True)
            stands = (folder.uidvalidity, folder.uidnext)
            # What arrived while there was no IDLE is found by a pass.
            if stands != self._known or not folder.uidnext:
                self._missed()
            self._known = stands
            while not self._ended():
                if box.wait(IDLE_SECONDS):
                    self._heard()

    def _ended(self) -> bool:
        return self._over.is_set() or self._session.stop()

    def stop(self) -> None:
        """Let go of the server for good; from another thread."""
        self._over.set()
        self.reconnect()

    def reconnect(self) -> None:
        """Cut the connection, so that a dead one is not waited on; from another thread."""
        if self._box is not None:
            self._box.interrupt()
