"""Servers of other kinds, servers that refuse, and servers that want a pause: before a real Dovecot, by a proxy."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import offering
from tests.support.mail import a_mail
from tests.support.points import KINDS, Days, State, look
from tests.support.some import some
from triage import mailbox
from triage.errors import LimitedError, MailboxError, NotSignedInError, SignInRefusedError, TriageError
from triage.watcher import REFUSED_PAUSE, Pause, Watcher

CHANGES = {"UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE", "APPEND", "CREATE"}


@pytest.fixture(scope="module")
def one_worker(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    with Days(dovecot, tmp_path_factory.mktemp("days")) as days:
        yield days


@pytest.fixture(scope="module")
def golden(one_worker: Days) -> State:
    """A good day, whatever the test before left behind."""
    one_worker.proxy.let_be()
    return one_worker.good_day()


@pytest.fixture
def days(one_worker: Days) -> Days:
    """Days whose proxy does nothing yet."""
    one_worker.proxy.let_be()
    return one_worker


def folders(state: State) -> Counter[str]:
    return Counter(folder for _, folder in state.places.elements())


# --- Other kinds -----------------------------------------------------------------------------------------

_LACKS = {
    "NAMESPACE": [(rb" NAMESPACE", b"")],
    "LITERAL+": [(rb" LITERAL\+", b"")],
    "CONDSTORE": [(rb" CONDSTORE| QRESYNC", b"")],
    "MULTIAPPEND": [(rb" MULTIAPPEND", b"")],
    "IDLE": [(rb" IDLE", b"")],
    "ID": [(rb" ID(?= )", b"")],
    "MOVE": [(rb" MOVE", b"")],
}


@pytest.mark.parametrize("name", list(_LACKS))
def test_a_server_that_lacks_something_gets_the_same_day(days: Days, golden: State, name: str) -> None:
    """What is not offered is not used, and every mail, note and draft stands where it does elsewhere."""
    days.proxy.rewrite = _LACKS[name]
    state, tries, corrections = days.day(None)
    assert (state, tries, corrections) == (golden, 1, 0)
    assert name not in {verb.removeprefix("UID ") for verb in days.proxy.seen}
    assert not {"EXPUNGE", "CLOSE"} & set(days.proxy.seen)


def test_a_server_is_told_name_and_version_and_nothing_else(days: Days, golden: State) -> None:
    """RFC 2971, where the server takes it, once for each connection; what it says of itself may be nonsense."""
    days.proxy.rewrite = [(rb"^\* ID [^\r\n]*", b'* ID ("name" )) {"')]
    state, tries, _ = days.day(None)
    assert (state, tries) == (golden, 1)
    assert days.proxy.seen.count("ID") == days.proxy.seen.count("LOGIN")


@pytest.mark.parametrize("reply", ["NO [NOPERM] not you", "BAD what"])
def test_a_server_that_refuses_to_be_told_is_used_all_the_same(days: Days, golden: State, reply: str) -> None:
    """Nothing depends on it."""
    days.proxy.replies = {"ID": reply}
    state, tries, _ = days.day(None)
    assert (state, tries) == (golden, 1)
    assert "ID" in days.proxy.seen


def test_without_keywords_none_is_set(days: Days, golden: State) -> None:
    r"""No \* in PERMANENTFLAGS: no STORE at all; the folders tell."""
    days.proxy.rewrite = [(rb" ?\\\*\)\]", b")]")]
    state, tries, _ = days.day(None)
    assert (state.places, tries) == (golden.places, 1)
    assert "UID STORE" not in days.proxy.seen


def test_a_folder_that_is_read_only_is_read_and_left_alone(days: Days) -> None:
    """Nothing is changed but by the digest, which tells of the mail; there is no loop of reconnecting."""
    days.proxy.rewrite = [(rb"\[READ-WRITE\]", b"[READ-ONLY]")]
    state, tries, _ = days.day(None)
    assert tries == 1
    assert folders(state) == Counter({"INBOX": len(KINDS)})
    assert [verb for verb in days.proxy.seen if verb in CHANGES] == ["APPEND"]
    assert (state.notes, state.drafts, state.digests) == (0, 0, 1)
    assert days.proxy.seen.count("LOGIN") == 2


def test_without_special_uses_there_is_no_draft(days: Days, golden: State) -> None:
    """Drafts are only put where the server says that drafts are kept."""
    assert golden.drafts
    days.proxy.rewrite = [(rb" SPECIAL-USE", b""), (rb" ?\\(?:Drafts|Sent)", b"")]
    state, tries, _ = days.day(None)
    assert (state, tries) == (replace(golden, drafts=0), 1)


def test_a_session_that_somebody_else_opened_is_not_used(days: Days) -> None:
    """PREAUTH: nobody was asked for a secret, so that this is not known to be the parent's mailbox."""
    days.proxy.rewrite = [(rb"^\* OK \[", b"* PREAUTH [")]
    state, tries, _ = days.day(None)
    assert tries == 0
    assert folders(state) == Counter({"INBOX": len(KINDS)})
    assert not CHANGES & set(days.proxy.seen)


@pytest.mark.parametrize("capability", ["", "IMAP4rev1 UIDPLUS", "IMAP4rev1"])
def test_what_the_parent_marked_as_deleted_stays_so(days: Days, dovecot: Dovecot, capability: str) -> None:
    r"""Mail that a person marked \Deleted is neither filed nor expunged, whatever the server offers."""
    if capability:
        days.proxy.rewrite = offering(capability)
    user = dovecot.new_user()
    with dovecot.client(user) as client:
        client.create_folder("School")
        client.create_folder("School/Homework")
        for number, (folder, flags) in enumerate(
            [("INBOX", [b"\\Deleted"]), ("INBOX", []), ("School/Homework", [b"\\Deleted"])], start=50
        ):
            client.append(folder, a_mail("homework", number=number), flags)
    with days.session(user) as session:
        for _ in range(2):
            session.run(session.config.accounts[0], session.store.begin_run("once", session.clock()))
    state = look(dovecot, user)
    assert state.deleted == 2
    assert sum(state.places.values()) == 3
    assert not {"EXPUNGE", "CLOSE"} & set(days.proxy.seen)


# --- Servers that refuse ---------------------------------------------------------------------------------

_READS = ("UID FETCH", "UID SEARCH", "SELECT", "STATUS", "LIST", "NAMESPACE")
_CODES = ("NO [OVERQUOTA] full", "NO [TRYCREATE] none", "NO [NOPERM] not you", "NO [LIMIT] 9", "BAD what")
_REFUSALS = [(verb, code) for verb in sorted(CHANGES) for code in _CODES]
_REFUSALS += [(verb, code) for verb in _READS for code in (_CODES[2], _CODES[4])]


@pytest.mark.parametrize(("verb", "reply"), some(_REFUSALS, 3))
def test_a_command_that_is_always_refused_is_told_and_loses_nothing(
    days: Days, golden: State, verb: str, reply: str
) -> None:
    """No crash, no mark left behind, every mail there once; where the server thinks better of it, all is well."""
    days.proxy.rewrite = [(rb" MOVE", b"")] if verb in ("UID COPY", "UID EXPUNGE") else []
    days.proxy.replies = {verb: reply}
    user = days.new_household()
    with days.session(user) as session:
        for _ in range(2):
            days.attempt(session)
        state = look(days.server, user)
        assert state.deleted == 0
        assert set(state.ids) == set(golden.ids)
        # A copy may stand beside its original as long as the original cannot be removed.
        assert max(state.ids.values()) == 1 or verb == "UID EXPUNGE"
        days.proxy.replies = {}
        for _ in range(2):
            days.attempt(session)
    state = look(days.server, user)
    assert (state.ids, state.notes, state.drafts) == (golden.ids, golden.notes, golden.drafts)


@pytest.mark.parametrize("verb", some(["SELECT", "UID SEARCH", "UID FETCH", "STATUS"], 3))
@pytest.mark.parametrize(
    "reply",
    [
        "NO [LIMIT] slow down",
        "NO [THROTTLED] later",
        "NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
        "BAD User is authenticated but not connected.",
        "NO [ALERT] Too many simultaneous connections. (Failure)",
    ],
)
def test_a_server_that_wants_a_pause_gets_one(days: Days, verb: str, reply: str) -> None:
    """The pass ends with the first such answer, and the next one is an hour away."""
    days.proxy.replies = {verb: reply}
    with days.session(days.new_household()) as session, pytest.raises(LimitedError, match="pause") as caught:
        session.run(session.config.accounts[0], session.store.begin_run("once", session.clock()))
    assert days.proxy.seen.count(verb) == 1
    assert Pause().after(caught.value) == REFUSED_PAUSE


def test_what_the_parent_untags_while_moves_are_refused_is_the_parents_word(days: Days, dovecot: Dovecot) -> None:
    """Tagged, not moved, and untagged by hand: a correction, after which the mail is neither tagged nor filed."""
    user = dovecot.new_user()
    with dovecot.client(user) as client, days.session(user) as session:
        client.append("INBOX", a_mail("homework", number=1))
        client.select_folder("INBOX")
        days.proxy.begin(None)
        days.proxy.replies = {"UID MOVE": "NO not now"}
        report = days.attempt(session)
        assert (report.failed if report else 0) == 1
        client.remove_flags([1], ["triage-homework"])
        days.proxy.replies = {}
        corrections = [found.corrections for _ in range(2) if (found := days.attempt(session)) is not None]
        client.noop()
        flags = {uid: set(data[b"FLAGS"]) - {b"\\Recent"} for uid, data in client.fetch([1], ["FLAGS"]).items()}
        (row,) = session.store.by_message_id("<homework-1@test.example>")
    assert corrections == [1, 0]
    assert flags == {1: {b"triage-school"}}
    assert (row.status, row.error) == ("released", "tagged by you")


def test_a_limit_of_keywords_is_no_call_for_a_pause(days: Days) -> None:
    """RFC 5530 gives LIMIT to a command that would go beyond some number; only that command is refused."""
    days.proxy.replies = {"UID STORE": "NO [LIMIT] too many keywords"}
    with days.session(days.new_household()) as session:
        report = session.run(session.config.accounts[0], session.store.begin_run("once", session.clock()))
    assert report.failed
    assert all("LIMIT" in trouble for trouble in report.troubles)


# --- Signing in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("NO [AUTHENTICATIONFAILED] no", SignInRefusedError),
        ("NO [EXPIRED] old", SignInRefusedError),
        ("NO no", SignInRefusedError),
        ("NO [UNAVAILABLE] later", NotSignedInError),
        ("* BYE going down", NotSignedInError),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", LimitedError),
        ("NO [LIMIT] Rate limit hit", LimitedError),
        ("BAD User is authenticated but not connected.", LimitedError),
    ],
)
def test_a_sign_in_that_fails_is_no_storm(days: Days, reply: str, error: type[TriageError]) -> None:
    """At most three tries, then at most one an hour; nothing of what the server echoes is passed on."""
    days.proxy.replies = {"LOGIN": f"{reply} ({PASSWORD})"}
    with days.session(days.new_household()) as session, pytest.raises(error) as caught:
        session.connect(session.config.accounts[0])
    assert type(caught.value) is error
    assert PASSWORD not in repr(caught.value)
    assert days.proxy.seen.count("LOGIN") == 1
    pause, hours = Pause(), 24.0
    tries, seconds = 0, 0.0
    while seconds < hours * 3600:
        tries += 1
        seconds += pause.after(caught.value)
    assert tries <= 3 + hours


def test_a_server_that_restarts_is_waited_for_again_soon(days: Days) -> None:
    """A sign-in that is cut once, as while a server starts, does not leave the mail to polling for an hour."""
    days.proxy.replies = {"LOGIN": "* BYE starting up"}
    woken = threading.Event()
    with days.session(days.new_household()) as session:
        watcher = Watcher(session, session.config.accounts[0], woken.set, woken.set, lambda _trouble, _next: None)
        watcher.start()
        try:
            deadline = time.monotonic() + 30
            while "LOGIN" not in days.proxy.seen and time.monotonic() < deadline:
                time.sleep(0.05)
            assert "LOGIN" in days.proxy.seen
            days.proxy.replies = {}
            assert woken.wait(30)
        finally:
            watcher.stop()
            watcher.join(30)
    assert not watcher.is_alive()


def test_failures_of_another_kind_do_not_count_as_sign_ins() -> None:
    """A server that was away for a while and then starts up slowly is not left alone for an hour."""
    pause = Pause()
    for _ in range(9):
        pause.after(MailboxError("x"))
    assert pause.after(NotSignedInError("x")) < REFUSED_PAUSE
    assert pause.after(NotSignedInError("x")) < REFUSED_PAUSE
    assert pause.after(NotSignedInError("x")) == REFUSED_PAUSE


def test_other_failures_are_tried_again_soon(days: Days) -> None:
    """A line that broke is no reason to wait an hour."""
    days.proxy.replies = {"UID SEARCH": "* BYE going down"}
    with days.session(days.new_household()) as session, pytest.raises(MailboxError) as caught:
        session.run(session.config.accounts[0], session.store.begin_run("once", session.clock()))
    assert type(caught.value) is MailboxError
    assert Pause().after(caught.value) <= 2


def test_a_greeting_that_refuses_everybody_is_told(days: Days) -> None:
    """BYE in place of a greeting."""
    days.proxy.rewrite = [(rb"^\* OK [^\r]*", b"* BYE too many connections")]
    with days.session(days.new_household()) as session, pytest.raises(LimitedError):
        session.connect(session.config.accounts[0])
    days.proxy.rewrite = [(rb"^\* OK [^\r]*", b"* BYE not today")]
    with days.session(days.new_household()) as session, pytest.raises(MailboxError, match="cannot be reached"):
        session.connect(session.config.accounts[0])


# --- Answers beyond all measure --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "* 1 FETCH (UID 1 FLAGS () BODY[HEADER] {99000000000}",
        "* 1 FETCH (UID 1 FLAGS (" + "a" * 1_100_000 + "))",
        "* 1 FETCH (UID 1 FLAGS (",
        "* 99999999999999999999 FETCH ()",
        "* BYE",
    ],
    ids=["a literal of 99 GB", "a line of 1.1 MB", "half a list", "no such number", "goodbye"],
)
def test_an_answer_beyond_measure_ends_the_connection_alone(
    days: Days, golden: State, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error of ours, nothing changed, and the next pass does it all."""
    monkeypatch.setattr(mailbox, "FETCH_SECONDS", 2)
    user = days.new_household()
    days.proxy.begin(None)
    days.proxy.replies = {"UID FETCH": answer}
    with days.session(user) as session:
        with pytest.raises(TriageError):
            session.run(session.config.accounts[0], session.store.begin_run("once", days.now))
        assert not CHANGES & set(days.proxy.seen)
        days.proxy.replies = {}
        assert days.attempt(session) is not None
    assert look(days.server, user) == golden


# --- What is refused again and again ---------------------------------------------------------------------


@pytest.mark.parametrize("code", ["[UNAVAILABLE]", "[NOPERM]", "[CANNOT]"])
@pytest.mark.parametrize("unmarks", [True, False])
def test_no_mark_of_deletion_stays_when_removing_was_refused_for_long(days: Days, code: str, *, unmarks: bool) -> None:
    """More passes than a message is tried, with no EXPUNGE, and with no way to take the mark back; then all is well."""

    def refuse(line: str) -> str:
        removes = "UID EXPUNGE" in line or (not unmarks and "STORE" in line and "-FLAGS" in line)
        return f"NO {code} no" if removes else ""

    user = days.new_household()
    days.proxy.rewrite = offering("IMAP4rev1 UIDPLUS SPECIAL-USE NAMESPACE")
    days.proxy.begin(None)
    days.proxy.reply_to = refuse
    with days.session(user) as session:
        reports = [days.attempt(session) for _ in range(5)]
        assert all(report is not None for report in reports)
        if code != "[CANNOT]":
            # Told each time, not given up.
            assert all(report.failed for report in reports if report is not None)
        days.proxy.reply_to = lambda _line: ""
        for _ in range(2):
            days.attempt(session)
        state = look(days.server, user)
        assert state.deleted == 0
        if code != "[CANNOT]":
            assert folders(state)["INBOX"] == 1
            assert max(state.places.values()) == 1
