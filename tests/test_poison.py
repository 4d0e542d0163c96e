"""One message that cannot be read, and a line that never holds for long: neither keeps other mail from its place."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Household as Home
from tests.support.dovecot import Dovecot
from tests.support.mail import a_mail
from tests.support.points import Days, look
from triage import intake, reading
from triage.doctor import examine
from triage.errors import MailboxError, RefusedError
from triage.ledger import Ledger
from triage.looking import LEFT_OUT
from triage.observe import Report
from triage.session import Session

# What must be in a command's items for the fault to strike.
ANYTHING, BODY, STRUCTURE = "FETCH", "BODY.PEEK[TEXT]", "BODYSTRUCTURE"
NESTED = "* {uid} FETCH (UID {uid} BODY[HEADER]<0> NIL BODYSTRUCTURE " + "(" * 490 + ")" * 490 + ")\r\n{{tag}} OK done"
NONSENSE = "* {uid} FETCH (UID {uid} BODY[TEXT])\r\n{{tag}} OK done"
REFUSED = "NO [SERVERBUG] internal error"


@pytest.fixture(scope="module")
def one_worker(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    with Days(dovecot, tmp_path_factory.mktemp("days")) as days:
        yield days


@pytest.fixture
def days(one_worker: Days) -> Days:
    one_worker.proxy.let_be()
    return one_worker


def deliver(days: Days, *mails: bytes) -> str:
    user = days.server.new_user()
    with days.server.client(user) as client:
        for raw in mails:
            client.append("INBOX", raw)
    return user


def failing(uids: set[int], items: str, answer: str, folder: str = "INBOX") -> Callable[[str], str]:
    """For a proxy's `reply_to`: a FETCH of these items of any of these messages of a folder gets this answer."""
    opened = ""

    def reply_to(line: str) -> str:
        nonlocal opened
        if named := re.search(r'(?:SELECT|EXAMINE) "?([^"\r]+)', line):
            opened = named[1]
        asked = re.search(r"UID FETCH ([\d,]+) ", line)
        struck = uids & {int(uid) for uid in asked[1].split(",")} if asked and items in line else set()
        return answer.format(uid=min(struck)) if struck and opened == folder else ""

    return reply_to


def a_pass(session: Session, days: Days, *, agreed: bool = False) -> Report:
    return session.run(session.config.accounts[0], session.store.begin_run("once", days.now), agreed=agreed)


def inbox(days: Days, user: str) -> set[str]:
    return {message_id for message_id, folder in look(days.server, user).places if folder == "INBOX"}


# --- One message -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "answer", "large"),
    [
        (ANYTHING, REFUSED, False),
        (BODY, REFUSED, False),
        (BODY, NONSENSE, False),
        (STRUCTURE, REFUSED, True),
        (STRUCTURE, NESTED, True),
    ],
    ids=["refused whatever is asked", "body refused", "body nonsense", "structure refused", "parts without end"],
)
def test_a_message_that_cannot_be_read_keeps_no_other_from_its_place(
    days: Days, items: str, answer: str, large: bool, tmp_path: Path
) -> None:
    """The others are filed by the same pass; it is tried three times, and then named by doctor and digest."""
    poison = a_mail("homework", number=12, extra="x " * reading.WHOLE_LIMIT if large else "")
    user = deliver(days, a_mail("homework", number=11), poison, a_mail("praise", number=13))
    days.proxy.reply_to = failing({2}, items, answer)
    with days.session(user) as session:
        report = a_pass(session, days)
        assert (report.filed, report.failed, report.error) == (2, 1, None)
        assert report.troubles[0].startswith("message 2 in INBOX")
        assert inbox(days, user) == {"<homework-12@test.example>"}
        for _ in range(2):
            before = days.proxy.connections
            assert a_pass(session, days).failed == 1
            # One for the pass, one more where the answer made no sense.
            assert days.proxy.connections - before == (1 if answer == REFUSED else 2)
        (told,) = session.store.troubled()
        assert (told.place.uid, told.tries) == (2, 3)
        config = tmp_path / "config.toml"
        config.write_text('timezone = "UTC"\n[[children]]\nname = "Maya"\n')
        found = list(examine(config, tmp_path, lambda *_: session))
        assert any("message 2 in INBOX" in one.text for one in found if one.what == "quarantine")
    with days.session(user) as session:
        days.proxy.begin(None)
        assert a_pass(session, days).failed == 0
        # Left in peace.
        days.proxy.let_be()
        assert a_pass(session, days).filed == 0
    assert inbox(days, user) == {"<homework-12@test.example>"}


@pytest.mark.parametrize("items", [ANYTHING, BODY])
def test_what_can_be_read_again_is_filed(days: Days, items: str) -> None:
    """A message that failed once is known by its place alone, or by its content: either way it is filed once."""
    user = deliver(days, a_mail("homework", number=21), a_mail("praise", number=22))
    days.proxy.reply_to = failing({1}, items, REFUSED)
    with days.session(user) as session:
        assert a_pass(session, days).failed == 1
        days.proxy.let_be()
        assert a_pass(session, days).filed == 1
        days.proxy.begin(None)
        assert a_pass(session, days).seen == 0
        assert session.store.to_retry("home", "INBOX", look_validity(session)) == []
    assert inbox(days, user) == set()


def look_validity(session: Session) -> int:
    state = session.store.folder("home", "INBOX")
    assert state is not None
    return state.uidvalidity


def test_many_messages_that_cannot_be_read_end_in_quarantine_beside_the_others(days: Days) -> None:
    """However many they are, and wherever they stand; each is a try, and no more."""
    mails = [a_mail("homework", number=100 + number) for number in range(reading.SUSPICIOUS + 8)]
    user = deliver(days, a_mail("not_school", number=99), *mails)
    poisoned = set(range(2, reading.SUSPICIOUS + 8))
    days.proxy.reply_to = failing(poisoned, BODY, REFUSED)
    with days.session(user) as session:
        first = a_pass(session, days)
        assert (first.filed, first.failed) == (2, len(poisoned))
        for _ in range(2):
            assert a_pass(session, days).failed == len(poisoned)
        assert len(session.store.troubled()) == len(poisoned)
        assert a_pass(session, days).failed == 0


def test_a_server_that_gives_out_nothing_is_no_fault_of_the_mail(days: Days) -> None:
    """Nothing is counted against any message, and all is filed once the server is well."""
    user = deliver(days, *(a_mail("homework", number=number) for number in range(200, 203)))
    days.proxy.replies = {"UID FETCH": REFUSED}
    with days.session(user) as session:
        for _ in range(4):
            with pytest.raises(RefusedError):
                a_pass(session, days)
        days.proxy.let_be()
        assert a_pass(session, days).filed == 3
        with days.server.client(user) as client:
            client.append("INBOX", a_mail("not_school", number=210))
        assert a_pass(session, days).seen == 1
        with days.server.client(user) as client:
            client.append("INBOX", a_mail("homework", number=211))
        # With a message that could be read before, one alone is told from a server that fails, too.
        days.proxy.reply_to = failing(set(range(100)), "BODY.PEEK", REFUSED)
        for _ in range(4):
            with pytest.raises(RefusedError):
                a_pass(session, days)
        days.proxy.let_be()
        assert a_pass(session, days).filed == 1


@pytest.mark.parametrize(("folder", "answer"), [("School/Praise", REFUSED), ("Sent", REFUSED), ("Sent", NONSENSE)])
def test_a_message_elsewhere_that_cannot_be_read_keeps_no_mail_from_its_place(
    days: Days, folder: str, answer: str
) -> None:
    """In a folder that is only looked into, what the others say is seen all the same."""
    user = deliver(days, a_mail("homework", number=51))
    with days.server.client(user) as client:
        client.create_folder("School")
        client.create_folder("School/Praise")
    with days.session(user) as session:
        assert a_pass(session, days).filed == 1
        fields = "To: alvarez@maplewood.k12.example\r\nIn-Reply-To: <homework-51@test.example>\r\nMessage-ID: <s@x>\r\n"
        with days.server.client(user) as client:
            client.append(folder, b"Subject: odd\r\n\r\nx\r\n")
            client.append(folder, f"{fields}Subject: Re: Maya\r\n\r\nThank you.\r\n".encode())
            client.append("INBOX", a_mail("praise", number=52))
        days.proxy.reply_to = failing({1}, "BODY.PEEK", answer, folder)
        report = a_pass(session, days)
        assert (report.filed, report.error) == (1, None)
        assert bool(Ledger(session.store).answers()) == (folder == "Sent")
        days.proxy.begin(None)
        assert a_pass(session, days).error is None


def hanging_up(days: Days, uids: set[int]) -> Callable[[str], str]:
    """For a proxy's `reply_to`: whoever asks for the text of any of these messages is cut off."""
    asked = failing(uids, BODY, "cut {uid}")

    def reply_to(line: str) -> str:
        if asked(line):
            days.proxy.cut()
        return ""

    return reply_to


def passes(session: Session, days: Days, number: int) -> list[str]:
    """So many passes, and how each ended."""
    ends = []
    for _ in range(number):
        try:
            ends.append(f"filed {a_pass(session, days).filed}")
        except MailboxError:
            ends.append("cut")
    return ends


def test_a_message_at_which_the_server_hangs_up_keeps_no_other_from_its_place(days: Days) -> None:
    """After two passes that end there each is asked for alone; what stands behind it is filed, and it is named."""
    user = deliver(days, a_mail("homework", number=61), a_mail("homework", number=62), a_mail("praise", number=63))
    days.proxy.reply_to = hanging_up(days, {2})
    with days.session(user) as session:
        assert passes(session, days, 3) == ["cut"] * 3
        assert inbox(days, user) == {"<homework-62@test.example>", "<praise-63@test.example>"}
        # The one that is left is to blame, since those that were filed can still be read.
        assert passes(session, days, 3) == ["cut", "cut", "filed 0"]
        assert inbox(days, user) == {"<homework-62@test.example>"}
        (told,) = session.store.troubled()
        assert (told.place.uid, told.error) == (2, "the mail server ends the connection when it is asked for it")


def test_a_server_that_hangs_up_at_everything_is_no_fault_of_the_mail(days: Days) -> None:
    """Nothing is counted against any message, and all is filed once the server is well."""
    user = deliver(days, a_mail("not_school", number=70))
    with days.session(user) as session:
        assert passes(session, days, 1) == ["filed 0"]
        with days.server.client(user) as client:
            for number in range(71, 74):
                client.append("INBOX", a_mail("homework", number=number))
        days.proxy.reply_to = hanging_up(days, set(range(100)))
        assert passes(session, days, 8) == ["cut"] * 8
        assert not session.store.troubled()
        days.proxy.let_be()
        assert passes(session, days, 2) == ["filed 3", "filed 0"]
    assert inbox(days, user) == {"<not_school-70@test.example>"}


@pytest.mark.parametrize("refusal", ["NO [OVERQUOTA] full", "NO [NOPERM] not you", "NO [UNAVAILABLE] later"])
def test_what_is_refused_for_all_mail_counts_against_none(days: Days, refusal: str) -> None:
    """However many passes it takes until the server is well; what is wrong with one message does count."""
    user = deliver(days, a_mail("homework", number=81), a_mail("praise", number=82))
    days.proxy.replies = {"UID MOVE": refusal}
    with days.session(user) as session:
        assert [a_pass(session, days).failed for _ in range(4)] == [2] * 4
        assert not session.store.troubled()
        days.proxy.let_be()
        assert a_pass(session, days).filed == 2
    assert inbox(days, user) == set()


def test_a_server_that_refuses_tags_files_mail_without_them(days: Days) -> None:
    """In the second pass that fails; it is told once, not once a message."""
    user = deliver(days, a_mail("homework", number=83), a_mail("praise", number=84))
    days.proxy.replies = {"UID STORE": "NO [CANNOT] too many keywords"}
    with days.session(user) as session:
        assert a_pass(session, days).failed == 2
        report = a_pass(session, days)
    assert (report.filed, report.failed, len(report.troubles)) == (2, 0, 1)
    assert report.troubles[0].startswith("filed without tags: ")
    assert inbox(days, user) == set()


def cutting(days: Days, uids: set[int], folder: str) -> Callable[[str], str]:
    """For a proxy's `reply_to`: whoever asks for any of these messages of a folder is cut off."""
    asked = failing(uids, "BODY.PEEK", "cut {uid}", folder)

    def reply_to(line: str) -> str:
        if asked(line):
            days.proxy.cut()
        return ""

    return reply_to


def closed(folder: str, *verbs: str) -> Callable[[str], str]:
    """For a proxy's `reply_to`: these commands about a folder are refused."""
    return lambda line: REFUSED if folder in line and any(verb in line for verb in verbs) else ""


ODD = b"From: x@y.example\r\nSubject: odd\r\n\r\nx\r\n"


def with_folders(days: Days, *mails: bytes) -> str:
    user = deliver(days, *mails)
    with days.server.client(user) as client:
        for folder in ("School", "School/Homework", "School/Praise"):
            client.create_folder(folder)
    return user


@pytest.mark.parametrize("folder", ["School/Praise", "Sent"])
@pytest.mark.parametrize("first", [True, False], ids=["first pass", "later"])
def test_messages_of_one_folder_that_cannot_be_read_keep_no_mail_from_its_place(
    days: Days, folder: str, first: bool
) -> None:
    """Two that are refused, and nothing else there: the folder is named and left out, the pass is done."""
    user = with_folders(days, a_mail("homework", number=601))
    with days.session(user) as session:
        if not first:
            assert a_pass(session, days).filed == 1
            with days.server.client(user) as client:
                client.append("INBOX", a_mail("behavior", number=602))
        with days.server.client(user) as client:
            client.append(folder, ODD)
            client.append(folder, ODD)
        days.proxy.reply_to = failing({1, 2}, "BODY.PEEK", REFUSED, folder)
        report = a_pass(session, days)
        assert (report.filed, report.error) == (1, None)
        assert any(f'folder "{folder}" is left out' in trouble for trouble in report.troubles)
        days.proxy.let_be()
        assert not a_pass(session, days).troubles
    assert inbox(days, user) == set()


@pytest.mark.parametrize("verbs", [("STATUS",), ("SELECT", "EXAMINE")], ids=["status", "open"])
def test_a_folder_that_cannot_be_looked_into_is_named_and_left_out(days: Days, verbs: tuple[str, ...]) -> None:
    """What belongs elsewhere is filed; what was moved there meanwhile is seen once the folder can be looked into."""
    user = with_folders(days, a_mail("homework", number=611))
    with days.session(user) as session:
        a_pass(session, days)
        with days.server.client(user) as client:
            client.append("School/Praise", a_mail("not_school", number=612))
            client.append("INBOX", a_mail("homework", number=613))
        days.proxy.reply_to = closed("School/Praise", *verbs)
        report = a_pass(session, days)
        assert (report.filed, report.corrections) == (1, 0)
        assert any('folder "School/Praise" is left out' in trouble for trouble in report.troubles)
        days.proxy.let_be()
        assert a_pass(session, days).corrections == 1


def test_a_target_that_cannot_be_opened_takes_no_second_mail(days: Days) -> None:
    """What went into it stays open and is named; what else belongs there stays, the rest is filed."""
    user = with_folders(days, a_mail("homework", number=621), a_mail("praise", number=622))
    with days.session(user) as session:
        days.proxy.reply_to = closed("School/Homework", "SELECT", "EXAMINE")
        report = a_pass(session, days)
        assert (report.filed, report.failed) == (1, 1)
        with days.server.client(user) as client:
            client.append("INBOX", a_mail("homework", number=623))
        for _ in range(4):
            assert any("cannot be seen" in trouble for trouble in a_pass(session, days).troubles)
        assert inbox(days, user) == {"<homework-623@test.example>"}
        days.proxy.let_be()
        report = a_pass(session, days)
        assert (report.corrections, report.troubles) == (0, [])
        (row,) = session.store.by_message_id("homework-621@test.example")
        assert (row.status, row.place.folder) == ("done", "School/Homework")


@pytest.mark.parametrize("cut", [False, True], ids=["refused", "hangs up"])
def test_what_recovery_cannot_read_keeps_no_other_mail_from_its_place(days: Days, cut: bool) -> None:
    """A move that was cut short stays open where its target holds what cannot be read; it is never made twice."""
    user = with_folders(days, a_mail("homework", number=631))
    with days.session(user) as session:
        days.proxy.before = lambda _number, verb: days.proxy.cut() if verb == "UID MOVE" else None
        assert passes(session, days, 1) == ["cut"]
        with days.server.client(user) as client:
            client.append("School/Homework", ODD)
            client.append("INBOX", a_mail("praise", number=632))
        days.proxy.let_be()
        days.proxy.reply_to = (
            cutting(days, {1}, "School/Homework") if cut else failing({1}, "BODY.PEEK", REFUSED, "School/Homework")
        )
        # Each look there, for what was begun and for what was filed before, is cut twice.
        ends = passes(session, days, 6)
        assert ends == [*["cut"] * 4 * cut, "filed 1", *["filed 0"] * (5 - 4 * cut)]
        assert any("cannot be seen" in trouble for trouble in a_pass(session, days).troubles)
        assert inbox(days, user) == {"<homework-631@test.example>"}
        days.proxy.let_be()
        days.now += LEFT_OUT
        passes(session, days, 1)
    places = look(days.server, user).places
    assert (places["<homework-631@test.example>", "School/Homework"], inbox(days, user)) == (1, set())


def test_a_pause_or_an_end_of_ours_is_no_fault_of_the_mail(days: Days) -> None:
    """Nothing is counted where the server asks for peace, or where we cut the connection ourselves."""
    user = deliver(days, a_mail("not_school", number=640))
    with days.session(user) as session:
        a_pass(session, days)
        with days.server.client(user) as client:
            client.append("INBOX", a_mail("homework", number=641))

        def interrupt(line: str) -> str:
            if BODY in line:
                session.opened[-1].interrupt()
            return ""

        for reply_to in (failing({2}, BODY, "NO [THROTTLED] slow down"), interrupt):
            days.proxy.reply_to = reply_to
            assert passes(session, days, 5) == ["cut"] * 5
            assert not session.store.rows("SELECT 1 FROM meta WHERE name LIKE 'cut off%'")
            assert not session.store.troubled()


@pytest.mark.parametrize("folder", ["School/Praise", "Sent"])
@pytest.mark.parametrize("first", [True, False], ids=["first pass", "later"])
def test_a_message_elsewhere_at_which_the_server_hangs_up_keeps_no_mail_from_its_place(
    days: Days, folder: str, first: bool
) -> None:
    """After two passes that end there the folder is named and left out for a day."""
    user = with_folders(days, a_mail("homework", number=651))
    with days.session(user) as session:
        if not first:
            assert a_pass(session, days).filed == 1
            with days.server.client(user) as client:
                client.append("INBOX", a_mail("behavior", number=652))
        with days.server.client(user) as client:
            client.append(folder, ODD)
        days.proxy.reply_to = cutting(days, {1}, folder)
        assert passes(session, days, 2) == ["cut"] * 2
        assert any(f'folder "{folder}" is left out' in trouble for trouble in a_pass(session, days).troubles)
        assert inbox(days, user) == set()
        days.proxy.let_be()
        days.now += LEFT_OUT
        assert not a_pass(session, days).troubles


def test_a_message_of_the_inbox_at_which_the_server_hangs_up_at_first_sight(days: Days) -> None:
    """A first pass, or one after a lost state, finds it out by ever smaller numbers; then it is as at any time."""
    mails = (a_mail("homework", number=661), a_mail("homework", number=662), a_mail("praise", number=663))
    user = deliver(days, *mails)
    days.proxy.reply_to = cutting(days, {2}, "INBOX")
    with days.session(user) as session:
        ends = passes(session, days, 9)
        assert ends[-1].startswith("filed"), ends
        assert inbox(days, user) == {"<homework-662@test.example>"}
        assert [told.place.uid for told in session.store.troubled()] == [2]


# --- A line that never holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1000, 5], ids=["few", "more than may be moved unasked"])
def test_a_first_look_goes_on_where_the_line_dropped(days: Days, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Each connection bears a few commands: every pass gets further, and no mail is read again and again."""
    monkeypatch.setattr(intake, "STRETCH", 4)
    monkeypatch.setattr(intake, "MANY_MOVES", most)
    kinds = ["not_school", "not_school", "not_school", "homework"] * 5
    user = deliver(days, *(a_mail(kind, number=300 + number) for number, kind in enumerate(kinds)))
    bodies: list[int] = []

    def drop(_number: int, _verb: str) -> None:
        if days.proxy.seen.count("UID FETCH") > 9:
            days.proxy.cut()

    def note(line: str) -> str:
        if asked := re.search(r"UID FETCH ([\d,:]+) .*BODY\.PEEK\[TEXT\]", line):
            bodies.extend(int(uid) for uid in asked[1].split(","))
        return ""

    days.proxy.before, days.proxy.reply_to = drop, note
    drops = 0
    with days.session(user) as session:
        for _ in range(30):
            days.proxy.begin(None)
            try:
                assert a_pass(session, days).error is None
                break
            except MailboxError:
                drops += 1
        else:
            raise AssertionError("it never came to its end")
        days.proxy.let_be()
        report = a_pass(session, days)
    assert drops > 1
    assert (report.seen, report.failed) == (0, 0)
    assert len(inbox(days, user)) == kinds.count("not_school")
    # What is looked at before is read once more; else, but for a stretch that a drop cut short, each once.
    assert len(bodies) <= len(kinds) + 5 * (most == 5) + drops * 4


def test_too_many_moves_are_not_begun_unasked(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of them, nor a tag; what is left alone is settled. With a person's word all are made."""
    monkeypatch.setattr(intake, "STRETCH", 3)
    monkeypatch.setattr(intake, "MANY_MOVES", 4)
    kinds = ["homework", "not_school"] * 6
    # One that stays in the inbox, and gets its tags.
    urgent = a_mail("behavior", number=399, extra="He bumped his head and is bleeding, please call me right away.")
    user = deliver(days, urgent, *(a_mail(kind, number=400 + number) for number, kind in enumerate(kinds)))
    with days.session(user) as session:
        for _ in range(2):
            report = a_pass(session, days)
            assert report.error is not None
            assert "more than 4 messages would be moved" in report.error
            assert (report.filed, len(inbox(days, user)), "UID STORE" in days.proxy.seen) == (0, 13, False)
        report = a_pass(session, days, agreed=True)
        assert (report.error, report.filed) == (None, 7)
        assert len(inbox(days, user)) == 7
        assert a_pass(session, days).seen == 0


def test_two_copies_of_a_mail_in_one_look_are_no_correction(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that still stands there was not taken back by the parent."""
    monkeypatch.setattr(intake, "STRETCH", 1)
    mail = a_mail("homework", number=500)
    user = deliver(days, mail, mail)
    with days.session(user) as session:
        report = a_pass(session, days)
    assert (report.filed, report.corrections) == (1, 0)


def test_a_mail_that_goes_while_a_rebuilt_folder_is_joined_again_is_not_missed(days: Days) -> None:
    """Between two commands another client takes it: it simply is not there any more."""
    user = deliver(days, a_mail("not_school", number=600), a_mail("not_school", number=601))
    with days.session(user) as session:
        a_pass(session, days)
        state = session.store.folder("home", "INBOX")
        assert state is not None
        session.store.save_folder("home", "INBOX", replace(state, uidvalidity=state.uidvalidity + 1))
        with days.server.client(user) as other:
            other.select_folder("INBOX")

            def take(_number: int, verb: str) -> None:
                if verb == "UID FETCH" and days.proxy.seen.count(verb) == 2:
                    other.delete_messages([1])
                    other.uid_expunge([1])

            days.proxy.begin(None)
            days.proxy.before = take
            report = a_pass(session, days, agreed=True)
    assert (report.error, report.failed) == (None, 0)


@pytest.mark.parametrize("to", ["(" * 600, "a:" * 600])
def test_a_strangers_recipients_stop_no_pass(household: Home, to: str) -> None:
    """Who a mail went to is read of the whole inbox, as long as no digest was delivered and after a lost state."""
    stranger = b"From: x@evil.example\r\nMessage-ID: <odd@evil.example>\r\nSubject: hi\r\nTo: %s\r\n\r\nhi\r\n"
    household.deliver(stranger % to.encode(), a_mail("homework"))
    assert household.run("once").returncode == 0
    assert household.run("digest", "--deliver").returncode == 0
    assert household.run("doctor", "--rebuild").returncode == 0
    household.deliver(a_mail("praise", number=2))
    assert household.run("once").returncode == 0
    assert {"School/Homework", "School/Praise"} <= set(household.contents())


@pytest.mark.parametrize(
    "said",
    [
        (rb'INTERNALDATE "[^"]*"', b'INTERNALDATE "31-Dec-9999 23:59:59 -1200"'),
        (rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 18446744073709551615"),
    ],
)
def test_a_number_at_the_edge_of_what_there_is_stops_no_pass(days: Days, said: tuple[bytes, bytes]) -> None:
    """A date that no other zone has, a mod-sequence that no database holds: the mail is filed all the same."""
    days.proxy.rewrite = [said]
    user = deliver(days, a_mail("homework"), a_mail("praise", number=2))
    with days.session(user) as session:
        for _ in range(2):
            report = days.attempt(session)
            assert report is not None
            assert not report.error
    assert {place for _, place in look(days.server, user).places} == {"School/Homework", "School/Praise"}
