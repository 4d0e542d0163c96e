"""One household's day (a pass, then the digest) behind a faulty network, compared with the same day without a fault."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import Damage, Fault, FaultProxy
from tests.support.mail import a_mail
from triage.config import Config
from triage.delivery import deliver
from triage.errors import TriageError
from triage.judge import Household as Judged
from triage.observe import Report
from triage.resources import shipped_model_path
from triage.session import Session
from triage.store import Store
from triage.worker import Worker

KINDS = ("homework", "behavior", "meeting_request", "praise", "other_school", "not_school")
# After a fault a day has so many tries to come out right.
TRIES = 3
_OURS = "triage.invalid"


@dataclass(frozen=True)
class State:
    """A mailbox as it stands: where each mail is, how many notes, drafts and digests, what is marked deleted."""

    places: Counter[tuple[str, str]]
    notes: int
    drafts: int
    digests: int
    deleted: int

    @property
    def ids(self) -> Counter[str]:
        """How often each mail is there."""
        found: Counter[str] = Counter()
        for (message_id, _), count in self.places.items():
            found[message_id] += count
        return found


def look(server: Dovecot, user: str) -> State:
    """Read the mailbox by another client."""
    places: Counter[tuple[str, str]] = Counter()
    marks: Counter[str] = Counter()
    deleted = 0
    with server.client(user) as client:
        for flags, _, name in client.list_folders():
            if b"\\Noselect" in flags:
                continue
            client.select_folder(name, readonly=True)
            fields = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID X-TRIAGE)]"
            for data in client.fetch(client.search(), ["FLAGS", fields]).values():
                head = next(value for key, value in data.items() if key.startswith(b"BODY[")).decode()
                deleted += b"\\Deleted" in data[b"FLAGS"]
                message_id = re.search(r"<[^>]+>", head)
                if _OURS in head:
                    kind = re.search(r"(?i)x-triage: (\w+)", head)
                    marks[kind[1] if kind else "?"] += 1
                else:
                    places[(message_id[0] if message_id else "?", name)] += 1
    return State(places, marks["note"], marks["draft"], marks["digest"], deleted)


def config_of(port: int, user: str) -> Config:
    """A household with everything switched on, and a digest even of an empty day."""
    return Config.model_validate_json(
        f"""{{"timezone": "UTC", "children": [{{"name": "Maya"}}],
        "accounts": [{{"name": "home", "host": "127.0.0.1", "port": {port}, "security": "none",
        "username": "{user}"}}], "school": {{"domains": ["maplewood.k12.example"]}},
        "prompts": {{"deliver": ["digest", "note", "draft"]}}, "digest": {{"at": "00:00", "empty": true}}}}"""
    )


class Days:
    """Runs the same day again and again, each with a mailbox and a state of its own."""

    def __init__(self, server: Dovecot, folder: Path) -> None:
        self.server, self._folder = server, folder
        self.proxy = FaultProxy(server.plain_port)
        self.now = datetime.now(UTC) + timedelta(days=1)
        config = config_of(self.proxy.port, "nobody")
        self._worker = Worker(Judged(config, own_addresses=("parent@mailbox.example",)), shipped_model_path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._worker.close()
        self.proxy.stop()

    def day(self, fault: Fault | None) -> tuple[State, int, int]:
        """The mailbox at the end, how many tries it took (0: it never ended well), how many corrections were seen."""
        user = self.new_household()
        self.proxy.begin(fault)
        tries = corrections = 0
        with self.session(user) as session:
            for attempt in range(1, TRIES + 1):
                report = self.attempt(session)
                corrections += report.corrections if report is not None else 0
                if report is not None and not report.failed and not report.error:
                    tries = attempt
                    break
            if fault is not None:
                # The next look at the mailbox brings what was refused, and nothing else.
                self.attempt(session)
        return look(self.server, user), tries, corrections

    def good_day(self, *, moves: bool = True) -> State:
        """The mailbox after a day without a fault, which others are held against: it has to be a good one.

        A server with neither MOVE nor UIDPLUS `moves` no mail.
        """
        state, tries, corrections = self.day(None)
        filed = sum(count for (_, folder), count in state.places.items() if folder.startswith("School/"))
        expected = (1, 0, len(KINDS) - 1 if moves else 0, 4, 1, 0)
        assert (tries, corrections, filed, state.notes, state.digests, state.deleted) == expected, state
        return state

    def new_household(self) -> str:
        """A user with one mail of each kind."""
        user = self.server.new_user()
        with self.server.client(user) as client:
            for number, kind in enumerate(KINDS):
                client.append("INBOX", a_mail(kind, number=number))
        return user

    def attempt(self, session: Session, *, agreed: bool = False) -> Report | None:
        """A pass and the digest; None where one of them could not be ended."""
        try:
            run = session.store.begin_run("once", self.now)
            report = session.run(session.config.accounts[0], run, agreed=agreed)
            deliver(session, self.now.date())
        except TriageError:
            return None
        return report

    @contextmanager
    def session(self, user: str) -> Iterator[Session]:
        """A user's state and mailbox, which is behind the proxy."""
        with Store(self._folder / f"state-{user}") as store:
            config = config_of(self.proxy.port, user)
            yield Session(
                config,
                store,
                self._worker,
                None,
                clock=lambda: self.now,
                secret=lambda _: PASSWORD,
            )


def count_damage(found: Damage, golden: State, state: State) -> None:
    """Add what one point did to the mailbox."""
    found.points += 1
    found.lost += sum((golden.ids - state.ids).values())
    found.doubled += sum((state.ids - golden.ids).values())
    found.misplaced += sum((state.places - golden.places).values())
    found.notes += abs(state.notes - golden.notes)
    found.drafts += abs(state.drafts - golden.drafts)
    found.digests += abs(state.digests - golden.digests)
    found.deleted += state.deleted


def held_against(days: Days, golden: State, faults: Sequence[Fault], verbs: Sequence[str]) -> Damage:
    """What each fault did, compared with the day without one."""
    found = Damage()
    for fault in faults:
        state, tries, corrections = days.day(fault)
        count_damage(found, golden, state)
        found.by_verb[verbs[fault.at] if fault.at < len(verbs) else "?"] += 1
        found.corrections += corrections
        found.unfinished += tries == 0
        found.passes = max(found.passes, tries)
    return found
