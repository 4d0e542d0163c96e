"""One household at work: configuration, state, worker and clock, opened together; what commands and daemon share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from triage.config import Account, Config
from triage.credentials import drop_access_token, secret_of
from triage.cycle import run_pass
from triage.errors import SignInRefusedError, TriageError
from triage.judge import Household
from triage.mailbox import Mailbox
from triage.observe import Pass, Report
from triage.prompts import Wording
from triage.resources import model_path, shipped_model_path
from triage.store import Store
from triage.worker import Worker


def system_clock() -> datetime:
    """The time now, aware; the one place that asks the system."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


@dataclass(slots=True)
class Session:
    """What a command that touches mailboxes needs. Close it when done."""

    config: Config
    store: Store
    worker: Worker
    overrides: Path | None
    clock: Callable[[], datetime] = system_clock
    secret: Callable[[Account], str] = secret_of
    stop: Callable[[], bool] = lambda: False
    opened: list[Mailbox] = field(default_factory=list)

    @classmethod
    def open(cls, config: Config, state: Path, overrides: Path | None) -> "Session":
        """Open the state and prepare the worker (which starts with the first mail)."""
        store = Store(state)
        own = tuple(account.username.lower() for account in config.accounts)
        household = Household(config, own_addresses=own, overrides=overrides)
        return cls(config, store, Worker(household, lambda: model_path(state), shipped_model_path()), overrides)

    def close(self) -> None:
        """End the worker and close the state."""
        self.worker.close()
        self.store.close()

    @property
    def wording(self) -> Wording:
        """The sentences of the household's language."""
        return Wording(self.config.language, self.overrides)

    def connect(self, account: Account) -> Mailbox:
        """Sign in; the connection can be cut by `interrupt`."""
        try:
            box = Mailbox.connect(account, self.secret(account))
        except SignInRefusedError:
            # An access token may be taken back before its time; a new one is tried once.
            if account.auth != "oauth2" or not drop_access_token(account):
                raise
            box = Mailbox.connect(account, self.secret(account))
        self.opened = [*(known for known in self.opened if not known.dead), box]
        return box

    def interrupt(self) -> None:
        """Cut every connection and end the worker, from another thread."""
        for box in self.opened:
            box.interrupt()
        self.worker.interrupt()

    def run(
        self,
        account: Account,
        run: str,
        *,
        dry_run: bool = False,
        agreed: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Report:
        """One pass over one account. Raises what kept it from being done."""
        work = Pass(
            self.config, account, self.store, self.worker, run, self.clock, self.stop, progress, dry_run, agreed
        )
        with self.connect(account) as box:
            report = run_pass(work, box)
        if not dry_run:
            self.store.set_trouble(account.name, describe(TriageError(report.error), account) if report.error else "")
        return report


def describe(error: TriageError, account: Account) -> str:
    """An error with the account that it concerns."""
    text = str(error)
    return text if f'"{account.name}"' in text else f'account "{account.name}": {text}'
