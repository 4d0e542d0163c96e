"""Folders that a server builds anew: another UIDVALIDITY, and the same UIDs for other mails."""

import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.support.dovecot import Dovecot
from tests.support.mail import a_mail
from tests.support.points import KINDS, Days, look
from triage.session import Session


def renumber(server: Dovecot, user: str, folder: str, rng: random.Random) -> None:
    """Give a folder another UIDVALIDITY and its mails other UIDs, as a server does that was restored or migrated."""
    name = "" if folder == "INBOX" else f".{folder.replace('/', '.')}"
    path = server.folder / "mail" / user / name
    # The UIDs of a maildir without its list follow the names of its files.
    for file in [*(path / "cur").iterdir(), *(path / "new").iterdir()]:
        _, rest = file.name.split(".", 1)
        file.rename(file.with_name(f"{rng.randrange(10**9, 2 * 10**9)}.{rest}"))
    for index in path.glob("dovecot*"):
        if index.is_file():
            index.unlink()
    # Dovecot takes the second as UIDVALIDITY.
    time.sleep(1.1)


@dataclass
class Renumbered:
    """What came of it, all but `mails`, `rejoined` and `places` to be zero."""

    mails: int = 0
    lost: int = 0
    doubled: int = 0
    misplaced: int = 0
    corrections: int = 0
    rejoined: int = 0
    places: int = 0


WHEN = ("between passes", "before a move", "the target, before a move")


def a_renumbered_household(days: Days, count: int, when: str, seed: int = 1) -> Renumbered:
    """File `count` mails, half of them before and half after their folders are built anew."""
    rng, user = random.Random(seed), days.server.new_user()
    kinds = [rng.choice(KINDS) for _ in range(count)]
    mails = [a_mail(kind, number=number) for number, kind in enumerate(kinds)]
    with days.session(user) as session:
        found = Renumbered(mails=count)
        _deliver(days, user, mails[: count // 2])
        if when == "between passes":
            _passes(days, session, found, agreed=False)
            for folder in ("INBOX", "School/Homework", "School/Praise"):
                renumber(days.server, user, folder, rng)
        _deliver(days, user, mails[count // 2 :])
        if when != "between passes":
            moves = iter([2])

            def rebuild(_number: int, verb: str) -> None:
                if verb == "UID MOVE" and next(moves, None):
                    renumber(days.server, user, "INBOX" if when == "before a move" else "School/Homework", rng)

            days.proxy.before = rebuild
            _passes(days, session, found, agreed=False)
            days.proxy.before = lambda _number, _verb: None
        for _ in range(2):
            _passes(days, session, found, agreed=True)
        _count(days, user, session, kinds, found)
    return found


def _deliver(days: Days, user: str, mails: list[bytes]) -> None:
    with days.server.client(user) as client:
        for raw in mails:
            client.append("INBOX", raw)


def _passes(days: Days, session: Session, found: Renumbered, *, agreed: bool) -> None:
    # What arrives is no older than the last pass.
    days.now = datetime.now(UTC)
    report = days.attempt(session, agreed=agreed)
    found.corrections += report.corrections if report is not None else 0


def _count(days: Days, user: str, session: Session, kinds: list[str], found: Renumbered) -> None:
    wanted = {
        "homework": "School/Homework",
        "behavior": "School/Behavior",
        "meeting_request": "School/Meetings",
        "praise": "School/Praise",
        "other_school": "School/Other",
        "not_school": "INBOX",
    }
    golden = Counter((f"<{kind}-{number}@test.example>", wanted[kind]) for number, kind in enumerate(kinds))
    state = look(days.server, user)
    found.misplaced = sum((golden - state.places).values())
    ids = Counter(message_id for message_id, _ in golden.elements())
    found.lost, found.doubled = sum((ids - state.ids).values()), sum((state.ids - ids).values())
    with session.connect(session.config.accounts[0]) as box:
        for folder in [name for name, attributes in box.folders().items() if "\\Noselect" not in attributes]:
            selected = box.select(folder, readonly=True)
            for uid, key in box.keys(box.starting_at(1)).items():
                known = session.store.message("home", key)
                if known is not None:
                    found.places += 1
                    place = (known.place.folder, known.place.uidvalidity, known.place.uid)
                    found.rejoined += place == (folder, selected.uidvalidity, uid)
