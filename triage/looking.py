"""Looking where nothing has to be done: what cannot be looked at is left out and named, and keeps nothing else.

A folder may give out nothing, or hold one message at which the server hangs up: neither is a reason to leave other mail
where it is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.errors import AnswerError, MailboxError, RefusedError
from triage.mailbox import Mailbox
from triage.rows import time_of, utc_text
from triage.store import Store

# What was being read so often in a row when the line broke may be what breaks it.
OFTEN_CUT = 2
# A folder where that happened is looked into again after so long.
LEFT_OUT = timedelta(days=1)


def line_broke(box: Mailbox, error: MailboxError) -> bool:
    """Whether a connection ended by itself: not one that we cut, nor that of a server which told what it wants."""
    return type(error) is MailboxError and not box.interrupted


@dataclass(frozen=True, slots=True)
class Looks:
    """How looks into the folders of one account end."""

    box: Mailbox
    store: Store
    account: str
    clock: Callable[[], datetime]
    dry_run: bool = False

    def at(self, folder: str, what: str, look: Callable[[], None]) -> str:
        """Look into a folder for `what`; why that was left out, empty where it was done.

        Raises `MailboxError` where the line breaks; where it breaks there again, the next passes do without.
        """
        name = f"{what} {folder}"
        broken = self._broken()
        times, until = broken.get(name, (0, self.clock()))
        # A clock that was set back does not make it longer.
        if times >= OFTEN_CUT and timedelta(0) < until - self.clock() <= LEFT_OUT:
            return f'folder "{folder}" is left out for a day: the mail server ends the connection when it is read'
        try:
            look()
        except (RefusedError, AnswerError) as error:
            if self.box.dead:
                raise
            return f'folder "{folder}" is left out: {error}'
        except MailboxError as error:
            if line_broke(self.box, error):
                self._note(broken | {name: (times + 1, self.clock() + LEFT_OUT)})
            raise
        if times:
            self._note({known: value for known, value in broken.items() if known != name})
        return ""

    def _broken(self) -> dict[str, tuple[int, datetime]]:
        rows = self.store.rows("SELECT value FROM meta WHERE name = ?", f"broken {self.account}")
        noted = json.loads(rows[0]["value"]) if rows else {}
        return {name: (times, time_of(until)) for name, (times, until) in noted.items()}

    def _note(self, broken: dict[str, tuple[int, datetime]]) -> None:
        if self.dry_run:
            return
        value = json.dumps({name: [times, utc_text(until)] for name, (times, until) in broken.items()})
        self.store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", f"broken {self.account}", value)
