"""The parent's own email client, which acts at any moment and remembers what it did.

It is held against the mailbox at the end: what a person did last to a mail is how the mail is.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import imapclient

from tests.support.dovecot import Dovecot
from tests.support.points import Days

MINE = "mine"
PLACES = ("Family", "School/Praise", "School/Homework", "School/Behavior", "INBOX")
ACTS = ("move", "move", "trash", "expunge", "mark", "keyword", "read", "tag", "untag", "flag", "unflag")
# What clients set and take off: our own tags, the mark of a favourite, and the keywords of Thunderbird and others.
TAGGED = ("triage-homework", "triage-behavior", "triage-praise", "triage-meeting", "triage-school")
FLAGGED = ("\\Flagged", "$Important", "$label1")


@dataclass(frozen=True)
class Seen:
    """One mail as another client sees it."""

    message_id: str
    folder: str
    uid: int
    flags: frozenset[str]


@dataclass
class SecondClient:
    """Acts on mails at random; `acts` counts what it did.

    Without `expunges` it deletes as clients do, into a trash folder: on a server without MOVE a message that is
    expunged outright between our copy and its removal cannot be told from a lost one, and the copy is kept.
    """

    server: Dovecot
    user: str
    rng: random.Random
    expunges: bool = True
    acts: Counter[str] = field(default_factory=Counter)
    put: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    marked: set[str] = field(default_factory=set)
    keyworded: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    # The last word on a flag or tag: whether it is to be there.
    words: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._client = self.server.client(self.user)
        for folder in ("Trash", *PLACES):
            if not self._client.folder_exists(folder):
                self._client.create_folder(folder)

    def close(self) -> None:
        """Log out."""
        self._client.logout()

    def mails(self) -> list[Seen]:
        """Every mail that is not ours, wherever it is."""
        found = []
        for flags, _, folder in self._client.list_folders():
            if b"\\Noselect" in flags:
                continue
            self._client.select_folder(folder, readonly=True)
            uids = self._client.search()
            for uid, data in self._client.fetch(uids, ["FLAGS", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"]).items():
                head = next(value for key, value in data.items() if key.startswith(b"BODY[")).decode()
                if b"\\Draft" in data[b"FLAGS"] or (message_id := re.search(r"<[^>]+>", head)) is None:
                    continue
                if "triage.invalid" not in message_id[0]:
                    kept = frozenset(flag.decode() for flag in data[b"FLAGS"])
                    found.append(Seen(message_id[0], folder, uid, kept))
        return found

    def at(self, moments: Collection[int]) -> Callable[[int, str], None]:
        """For a proxy: act before those commands of a pass."""
        return lambda number, _verb: self.act() if number in moments else None

    def act(self) -> None:
        """Do something to a mail; a mail that is gone meanwhile is let be."""
        mails = self.mails()
        count = Counter(mail.message_id for mail in mails)
        # Of a message that is just being copied, its owner takes the one that was there first; and lets be what is
        # shown as deleted, for the two round trips between our mark and its removal.
        mails = [mail for mail in mails if count[mail.message_id] == 1 or mail.folder == "INBOX"]
        mails = [mail for mail in mails if "\\Deleted" not in mail.flags or mail.message_id in self.marked]
        if not mails:
            return
        mail, what = self.rng.choice(mails), self.rng.choice(ACTS)
        if what == "expunge" and not self.expunges:
            what = "trash"
        self.acts[what] += 1
        self._do(what, mail)

    def _do(self, what: str, mail: Seen) -> None:
        # Into the inbox goes only what triage filed; anything else would be new mail there, and filed by right.
        filed = mail.folder.startswith("School/") and mail.message_id not in self.put
        places = [place for place in PLACES if place != mail.folder and (place != "INBOX" or filed)]
        self._client.select_folder(mail.folder)
        match what:
            case "move":
                place = self.rng.choice(places)
                self._client.move([mail.uid], place)
                self.put[mail.message_id] = place
            case "trash":
                if mail.folder != "Trash":
                    self._client.move([mail.uid], "Trash")
                self.put[mail.message_id] = "Trash"
            case "expunge":
                self._client.add_flags([mail.uid], [imapclient.DELETED])
                self._client.uid_expunge([mail.uid])
                self.deleted.add(mail.message_id)
            case "mark":
                self._client.add_flags([mail.uid], [imapclient.DELETED])
                self.marked.add(mail.message_id)
            case "keyword":
                self._client.add_flags([mail.uid], [MINE])
                self.keyworded.add(mail.message_id)
            case "read":
                self._client.add_flags([mail.uid], [imapclient.SEEN])
                self.read.add(mail.message_id)
            case _:
                self._tag(what, mail)

    def _tag(self, what: str, mail: Seen) -> None:
        known, stands = set(TAGGED if what.endswith("tag") else FLAGGED), not what.startswith("un")
        chosen = sorted(known if stands else known & mail.flags)
        if chosen:
            flag = self.rng.choice(chosen)
            (self._client.add_flags if stands else self._client.remove_flags)([mail.uid], [flag])
            self.words[mail.message_id, flag] = stands

    def held_against(self, ids: set[str]) -> dict[str, list[str]]:
        """What is not as it should be, by kind, where `ids` are the mails that ever arrived."""
        mails = self.mails()
        count = Counter(mail.message_id for mail in mails)
        by_id = {mail.message_id: mail for mail in mails}
        there = [mail for mail in mails if mail.message_id in ids]
        return {
            "lost": [one for one in ids - self.deleted if not count[one]],
            "doubled": [one for one in ids if count[one] > 1],
            "risen": [one for one in self.deleted if count[one]],
            "overwritten": [
                *(one for one, place in self.put.items() if one in by_id and by_id[one].folder != place),
                *(one for one in self.marked if one in by_id and "\\Deleted" not in by_id[one].flags),
                *(one for one in self.keyworded if one in by_id and MINE not in by_id[one].flags),
                *(one for one in self.read if one in by_id and "\\Seen" not in by_id[one].flags),
                *(
                    f"{one} {flag}"
                    for (one, flag), stands in self.words.items()
                    if one in by_id and (flag in by_id[one].flags) != stands
                ),
            ],
            "marked": [m.message_id for m in there if "\\Deleted" in m.flags and m.message_id not in self.marked],
            "read": [m.message_id for m in there if "\\Seen" in m.flags and m.message_id not in self.read],
        }


@dataclass
class Together:
    """What came of passes during which a second client acted: how often it did what, and what ended wrong."""

    days: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)


def days_with_a_second_client(days: Days, acts: int, seed: int, *, expunges: bool = True) -> Together:
    """Passes, each with a second client that acts before some of its commands, until it has acted often enough."""
    found, rng = Together(), random.Random(seed)
    while sum(found.acts.values()) < acts:
        user = days.new_household()
        parent = SecondClient(days.server, user, rng, expunges)
        arrived = {mail.message_id for mail in parent.mails()}
        try:
            with days.session(user) as session:
                for crowded in (True, True, False, False):
                    moments = {rng.randrange(5, 75) for _ in range(3)} if crowded else set[int]()
                    days.proxy.begin(None)
                    days.proxy.before = parent.at(moments)
                    days.attempt(session)
            wrong = parent.held_against(arrived)
        finally:
            days.proxy.before = lambda _at, _verb: None
            parent.close()
        found.days += 1
        found.acts += parent.acts
        found.wrong += Counter({kind: len(ids) for kind, ids in wrong.items() if ids})
    return found
