"""Gmail: a label is a folder more. Our own labels are no word of the parent's; the parent's own are, and once."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import FOLDERS, verdict
from tests.support.memory import Crash, MemoryMailbox, Server
from tests.support.memory import Stored as InMemory
from triage.config import Config
from triage.cycle import run_pass
from triage.judge import Context, Judgement, RawMail
from triage.ledger import Ledger
from triage.observe import Pass, Report
from triage.session import Session
from triage.store import Store
from triage.undo import undo

if TYPE_CHECKING:
    from triage.mailbox import Mailbox
    from triage.worker import Worker

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)
MODES = ("move", "copy", "tag")
HOMEWORK, BEHAVIOR, PRAISE, DONE = "School/Homework", "School/Behavior", "School/Praise", "School/Done"
# (labels, how) of a correction
Correction = tuple[str | None, str]


class Box(MemoryMailbox):
    def sent_folder(self) -> str:
        return ""


class Reader:
    """Stands in for the worker: a mail is what its fields say, of an unknown sender."""

    def judge(self, mails: Sequence[RawMail], _context: Context, **_words: bool) -> list[Judgement]:
        return [self._judged(mail.raw.decode()) for mail in mails]

    def _judged(self, raw: str) -> Judgement:
        head = dict(re.findall(r"(?m)^([\w-]+): ?(.*?)\r?$", raw))
        labels = tuple(filter(None, head["X-Labels"].split()))
        made = verdict(
            message_id=head["Message-ID"], labels=labels, primary=(*labels, "other_school")[0], sender="unknown",
            school=head["X-Is"] != "shop", urgent=head["X-Is"] == "urgent", unsure=head["X-Is"] == "unsure",
        )  # fmt: skip
        judged = Judgement(head["Message-ID"], verdict=made, own_words="its words", sender_address="o@stranger.example")
        return replace(judged, from_self=head["X-Is"] == "own")


class Home:
    """A household with its mail at Gmail; the mailbox lasts, the state may be lost."""

    def __init__(self, folder: Path, mode: str = "move") -> None:
        self.folder, self.server, self.delivered, self.lost = folder, Server("MOVE", "UIDPLUS", "X-GM-EXT-1"), 0, 0
        self.config = Config.model_validate_json(
            f"""{{"timezone": "UTC", "children": [{{"name": "Maya"}}], "filing": {{"mode": "{mode}"}},
            "accounts": [{{"name": "home", "host": "imap.gmail.com", "username": "jo@gmail.com"}}]}}"""
        )

    @property
    def box(self) -> "Mailbox":
        return cast("Mailbox", Box(self.server))

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        with Store(self.folder / f"state{self.lost}") as store:
            yield store

    def deliver(self, *labels: str, what: str = "usual") -> InMemory:
        self.delivered += 1
        fields = f"Message-ID: <{self.delivered}@x>\r\nX-Labels: {' '.join(labels)}\r\nX-Is: {what}\r\n"
        uid = self.server.deliver(f"{fields}\r\n{self.delivered}\r\n".encode())
        return self.server.folders["INBOX"].messages[uid]

    def a_pass(self) -> Report:
        with self.store() as store:
            worker, account = cast("Worker", Reader()), self.config.accounts[0]
            run = store.begin_run("once", NOW)
            return run_pass(Pass(self.config, account, store, worker, run, lambda: NOW), self.box)

    def settled(self) -> None:
        """Two passes; the second sees where the first one's labels put the mail."""
        self.a_pass()
        self.folders_are_known()

    def folders_are_known(self) -> None:
        assert self.a_pass().corrections == 0

    def undone(self) -> None:
        with self.store() as store:
            session = Session(self.config, store, cast("Worker", Reader()), None, lambda: NOW, lambda _: "")
            run = store.last_run() or ""
            undo(session, self.box, "home", run, store.begin_run("undo", NOW))

    def loses_its_state(self) -> None:
        self.lost += 1

    def corrections(self) -> list[Correction]:
        with self.store() as store:
            return [(row["labels"], row["how"]) for row in store.rows("SELECT labels, how FROM correction ORDER BY id")]

    def kept(self, message: InMemory) -> tuple[str, str]:
        """(folder, status) of a message, as the state has it."""
        with self.store() as store:
            found = store.message("home", message.key)
        assert found is not None
        return found.place.folder, found.status

    def label(self, message: InMemory, *folders: str) -> None:
        for folder in folders:
            self.server.make(folder).label(message)

    def unlabel(self, message: InMemory, *folders: str) -> None:
        for folder in folders:
            self.server.folders[folder].unlabel(message)

    def moves(self, message: InMemory, source: str, target: str) -> None:
        self.unlabel(message, source)
        self.label(message, target)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def every_folder(home: Home) -> None:
    """A mail of each kind, so that each folder is known; their arrival in it is behind us."""
    for role in FOLDERS:
        home.deliver(*([role] if role in ("homework", "behavior", "meeting_request", "praise") else []))
    home.deliver(what="unsure")
    home.settled()


# --- Ours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_our_own_labels_are_no_word_of_the_parents(tmp_path: Path, mode: str) -> None:
    """Of two labels, urgent, unsure, of a stranger: nothing is learned, nobody is known, and it stays as we left it."""
    home = Home(tmp_path, mode)
    every_folder(home)
    both, urgent = home.deliver("homework", "praise"), home.deliver("behavior", what="urgent")
    unsure = home.deliver("praise", what="unsure")
    for _ in range(3):
        assert home.a_pass().corrections == 0
    assert home.corrections() == []
    with home.store() as store:
        assert store.learned_senders() == frozenset()
    assert home.kept(both) == (HOMEWORK if mode == "move" else "INBOX", "done")
    assert home.kept(urgent) == ("INBOX", "done")
    assert home.server.labels_of(both) == {HOMEWORK, PRAISE} | ({"\\Inbox"} if mode != "move" else set())
    assert home.server.labels_of(urgent) == {"\\Inbox", BEHAVIOR}
    assert "School/Review" in home.server.labels_of(unsure)


@pytest.mark.parametrize("mode", MODES)
def test_archived_untagged_and_taken_back(tmp_path: Path, mode: str) -> None:
    """Without a new label nothing is taught, and what the parent took off is not set again."""
    home = Home(tmp_path, mode)
    every_folder(home)
    archived, bare = (home.deliver("behavior", "praise", what="urgent") for _ in range(2))
    back = home.deliver("homework", "praise")
    home.a_pass()
    home.unlabel(archived, "INBOX")
    home.unlabel(bare, BEHAVIOR, PRAISE)
    if mode == "move":
        home.moves(back, HOMEWORK, "INBOX")
    for _ in range(3):
        home.a_pass()
    assert home.corrections() == ([(None, "moved")] if mode == "move" else [])
    assert home.server.labels_of(archived) == {BEHAVIOR, PRAISE}
    assert home.server.labels_of(bare) == {"\\Inbox"}
    if mode == "move":
        assert home.kept(back) == ("INBOX", "released")


def test_labelled_cut_short_and_archived(home: Home) -> None:
    """The journal knows which label was about to be set, also where nobody can tell any more whether it was."""
    every_folder(home)
    message = home.deliver("homework", "praise")

    def die(_step: int) -> None:
        if PRAISE in home.server.labels_of(message):
            home.server.meanwhile = lambda _step: None
            raise Crash

    home.server.meanwhile = die
    with pytest.raises(Crash):
        home.a_pass()
    home.unlabel(message, "INBOX")
    for _ in range(2):
        home.a_pass()
    assert home.corrections() == []
    assert home.server.labels_of(message) == {PRAISE}


# --- The parent's ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "what", "kept"), [("tag", "usual", "INBOX"), ("move", "urgent", "INBOX"), ("move", "usual", HOMEWORK)]
)
def test_a_label_that_the_parent_adds_teaches_once(tmp_path: Path, mode: str, what: str, kept: str) -> None:
    """It stands where it stood, and one folder more or two: what it is now is learned, with ours that were left on."""
    home = Home(tmp_path, mode)
    every_folder(home)
    message = home.deliver("homework", what=what)
    home.settled()
    home.label(message, PRAISE, BEHAVIOR)
    assert [home.a_pass().corrections for _ in range(3)] == [1, 0, 0]
    assert home.corrections() == [('["behavior", "homework", "praise"]', "tagged")]
    assert home.kept(message) == (kept, "done")
    labels = home.server.labels_of(message)
    # Read or marked since: no news.
    message.flags.add("\\Seen")
    home.unlabel(message, PRAISE)
    home.label(message, PRAISE)
    assert home.a_pass().corrections == 0
    assert home.server.labels_of(message) == labels


def test_another_label_instead_of_ours(tmp_path: Path) -> None:
    """Of mail that is in the inbox, filed, or moved out of the second of two folders, by whatever the web page does."""
    home = Home(tmp_path)
    every_folder(home)
    urgent, filed = home.deliver("homework", what="urgent"), home.deliver("homework")
    first, second = (home.deliver("homework", "praise") for _ in range(2))
    home.settled()
    home.moves(urgent, HOMEWORK, BEHAVIOR)
    home.moves(filed, HOMEWORK, BEHAVIOR)
    home.moves(first, HOMEWORK, BEHAVIOR)
    home.moves(second, PRAISE, BEHAVIOR)
    assert [home.a_pass().corrections for _ in range(3)] == [4, 0, 0]
    assert home.corrections() == [
        ('["behavior"]', "tagged"),
        ('["behavior"]', "moved"),
        ('["behavior"]', "moved"),
        ('["behavior", "homework"]', "tagged"),
    ]
    assert [home.kept(one) for one in (urgent, filed, first, second)] == [
        ("INBOX", "done"),
        (BEHAVIOR, "released"),
        (BEHAVIOR, "released"),
        (HOMEWORK, "done"),
    ]


def test_mail_that_the_parent_labels_first(home: Home) -> None:
    """Before we saw it, or though we saw nothing of the school in it: it is the parent's, and not filed."""
    every_folder(home)
    shop = home.deliver(what="shop")
    home.settled()
    new = home.deliver("behavior")
    home.label(shop, HOMEWORK)
    home.label(new, HOMEWORK, PRAISE)
    assert [home.a_pass().corrections for _ in range(3)] == [2, 0, 0]
    assert sorted(home.corrections()) == [('["homework", "praise"]', "moved"), ('["homework"]', "tagged")]
    assert home.server.labels_of(new) == {"\\Inbox", HOMEWORK, PRAISE}
    assert home.server.labels_of(shop) == {"\\Inbox", HOMEWORK}


def test_the_parents_own_answer_in_a_labelled_conversation_teaches_nothing(home: Home) -> None:
    """Gmail's web page labels all of a conversation: what the parent wrote in it is no school mail."""
    every_folder(home)
    message, answer = home.deliver("homework"), home.deliver(what="own")
    home.settled()
    home.label(message, BEHAVIOR)
    home.label(answer, BEHAVIOR)
    assert [home.a_pass().corrections for _ in range(2)] == [1, 0]
    with home.store() as store:
        assert store.message("home", answer.key) is None


def test_a_try_that_failed_is_not_gone_on_with_once_the_parent_labelled_it(home: Home) -> None:
    """It is not filed by our word any more."""
    every_folder(home)
    home.server.refuse = lambda command, _uid: "no" if command == "MOVE" else None
    message = home.deliver("homework")
    home.a_pass()
    home.label(message, PRAISE)
    home.server.refuse = lambda _command, _uid: None
    assert home.a_pass().corrections == 1
    home.a_pass()
    assert home.server.labels_of(message) == {"\\Inbox", PRAISE}
    assert home.kept(message) == ("INBOX", "released")


def test_doubt_and_the_rest_of_the_school(home: Home) -> None:
    """Review teaches nothing; the folder for all else holds only where there is no other."""
    every_folder(home)
    doubted, other = home.deliver("homework"), home.deliver("homework")
    rest = home.deliver("praise")
    home.settled()
    home.label(doubted, "School/Review")
    home.label(other, "School/Other")
    home.moves(rest, PRAISE, "School/Other")
    home.a_pass()
    assert sorted(home.corrections(), key=str) == [
        ('["homework"]', "tagged"),
        ('["other_school"]', "moved"),
        (None, "tagged"),
    ]


def test_settled_under_another_label_of_ours(home: Home) -> None:
    """Dragged to Done from one of two folders; after a lost state, too, it waits no longer."""
    every_folder(home)
    message = home.deliver("homework", "praise")
    home.settled()
    home.moves(message, HOMEWORK, DONE)
    for _ in range(2):
        assert home.a_pass().corrections == 0
    for _ in range(2):
        with home.store() as store:
            assert ("home", message.key) in Ledger(store).answers()
        assert home.kept(message) == (DONE, "released")
        home.loses_its_state()
        home.settled()


# --- A lost state, undo, crashes ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_after_a_lost_state_labelled_mail_is_what_it_was(tmp_path: Path, mode: str) -> None:
    """Nothing was taken back; each mail is what its labels say, and goes on as before."""
    home = Home(tmp_path, mode)
    every_folder(home)
    both, urgent = home.deliver("praise", "homework"), home.deliver("praise", what="urgent")
    home.settled()
    home.label(urgent, BEHAVIOR)
    assert home.a_pass().corrections == 1
    before = home.server.everything()
    home.loses_its_state()
    for _ in range(3):
        report = home.a_pass()
        assert (report.filed, report.review, report.corrections) == (0, 0, 0)
    assert (home.server.everything(), home.corrections()) == (before, [])
    assert home.kept(urgent) == ("INBOX", "done")
    with home.store() as store:
        rows = [store.message("home", message.key) for message in (both, urgent)]
    told = [(row.judgement or {})["verdict"] for row in rows if row is not None]
    assert [(one["primary"], one["labels"]) for one in told] == [
        ("praise", ["homework", "praise"]),
        ("praise", ["behavior", "praise"]),
    ]
    home.label(urgent, HOMEWORK)
    assert [home.a_pass().corrections for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("mode", MODES)
def test_undo_takes_labels_off_and_puts_mail_back(tmp_path: Path, mode: str) -> None:
    """As it was before; and what is labelled by hand afterwards is the parent's word again."""
    home = Home(tmp_path, mode)
    every_folder(home)
    both, urgent = home.deliver("homework", "praise"), home.deliver("behavior", what="urgent")
    home.a_pass()
    home.undone()
    for _ in range(2):
        assert home.a_pass().corrections == 0
        assert home.server.labels_of(both) == home.server.labels_of(urgent) == {"\\Inbox"}
    assert not any("\\Deleted" in flags for _, _, flags in home.server.everything())
    home.label(urgent, BEHAVIOR)
    assert [home.a_pass().corrections for _ in range(2)] == [1, 0]
    assert home.corrections() == [('["behavior"]', "tagged")]


LABELS = st.lists(st.sampled_from(["homework", "behavior", "praise"]), unique=True, max_size=2)
WHAT = st.sampled_from(["usual", "usual", "urgent", "unsure", "shop"])
ACTS = st.one_of(
    st.tuples(st.just("mail"), LABELS, WHAT),
    st.tuples(st.just("crash"), st.integers(1, 30)),
    st.tuples(st.just("refuse"), st.sampled_from(["STORE", "MOVE", "COPY"])),
    st.tuples(st.sampled_from(["pass", "loss", "undo", "archive"])),
)


@settings(max_examples=20, deadline=None)
@given(mode=st.sampled_from(MODES), acts=st.lists(ACTS, min_size=3, max_size=15), data=st.data())
def test_what_we_do_is_never_taken_for_a_correction(
    mode: str, acts: list[tuple[object, ...]], data: st.DataObject
) -> None:
    """Passes that end, die or are refused, undo, a lost state, mail that is archived: no correction, nothing lost."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder), mode)
        every_folder(home)
        sent: list[InMemory] = []
        for act, *details in acts:
            match act:
                case "mail":
                    labels, what = details
                    sent.append(home.deliver(*cast("list[str]", labels), what=cast("str", what)))
                case "crash":
                    home.server.step, home.server.crash_at = 0, cast("int", details[0])
                    with contextlib.suppress(Crash):
                        home.a_pass()
                    home.server.crash_at = None
                case "refuse":
                    home.server.refuse = lambda command, _uid, no=details[0]: "no" if command == no else None  # type: ignore[misc]
                    home.a_pass()
                    home.server.refuse = lambda _command, _uid: None
                case "loss":
                    home.loses_its_state()
                case "undo":
                    with home.store() as store:
                        some = store.last_run() is not None
                    if some:
                        home.undone()
                case "archive":
                    # Where it carries another label: what has none stands in no folder that we look at.
                    inbox = [one for one in sent if len(home.server.labels_of(one) - {"\\Inbox"}) > 0]
                    if inbox:
                        home.unlabel(data.draw(st.sampled_from(inbox)), "INBOX")
            home.a_pass()
            assert home.corrections() == []
            assert all(home.server.labels_of(one) for one in sent)
        home.a_pass()
        with home.store() as store:
            assert store.open_ops("home") == []
