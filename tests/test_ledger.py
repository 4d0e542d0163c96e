"""The record, answers and what is held, over whole passes against a real Dovecot."""

import csv
import io
import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from tests.conftest import Household
from tests.support.mail import a_mail
from tests.test_cycle import note_count, once, places
from triage.ledger import Ledger
from triage.store import SCHEMA_VERSION, Store

ASKED = "<meeting_request-900@test.example>"


def record(home: Household, *arguments: str) -> list[dict[str, object]]:
    done = home.run("log", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    entries: list[dict[str, object]] = json.loads(done.stdout)["entries"]
    return entries


def waiting(home: Household) -> list[str]:
    digest = json.loads(home.run("digest", "--format", "json").stdout)
    return [one["message_id"] for one in digest["waiting"]]


def sent(home: Household, fields: str) -> None:
    raw = f"From: parent@mailbox.example\r\nDate: Wed, 7 Jan 2026 15:04:00 -0500\r\n{fields}\r\n\r\nThank you.\r\n"
    with home.server.client(home.user) as client:
        client.append("Sent", raw.encode(), [b"\\Seen"])


# --- The record ------------------------------------------------------------------------------------------


def test_the_record_holds_what_was_said(household: Household) -> None:
    """One entry for each school mail, in its own words; the same pass again adds nothing, ordinary mail never does."""
    household.deliver(a_mail("meeting_request", number=900), a_mail("homework", number=901), a_mail("not_school"))
    once(household)
    entries = record(household)
    by_id = {entry["message_id"]: entry for entry in entries}
    assert set(by_id) == {ASKED, "<homework-901@test.example>"}
    asked = by_id[ASKED]
    assert (asked["who"], asked["child"], asked["labels"]) == ("Ms. Alvarez", "Maya", ["meeting_request"])
    assert asked["asked"] == [
        "Hello, Could we set up a meeting about Maya?",
        "Please let me know which time works for you.",
    ]
    assert str(asked["summary"]) in a_mail("meeting_request").decode()
    once(household)
    assert record(household) == entries


def test_the_record_is_never_rewritten(household: Household) -> None:
    """A correction changes the label that is shown, not what was recorded; what is no school mail is not shown."""
    household.deliver(a_mail("homework", number=902), a_mail("praise", number=903))
    once(household)
    with Store(household.state) as store:
        before = Ledger(store).entries()
    assert household.run("correct", "<homework-902@test.example>", "behavior").returncode == 0
    assert household.run("correct", "<praise-903@test.example>", "not_school").returncode == 0
    once(household)
    assert [entry["labels"] for entry in record(household)] == [["behavior"]]
    with Store(household.state) as store:
        assert Ledger(store).entries() == before


def test_log_chooses_and_renders(household: Household, tmp_path: Path) -> None:
    """By child, teacher, label and days; as text, CSV, HTML, PDF and calendar, to standard output or a private file."""
    household.deliver(a_mail("meeting_request", number=904), a_mail("behavior", number=905))
    once(household)
    assert len(record(household, "--child", "maya", "--teacher", "alvarez")) == 2
    assert len(record(household, "--label", "behavior")) == 1
    assert record(household, "--child", "Leo") == []
    assert record(household, "--until", "2020-01-01") == []
    assert len(record(household, "--since", "2020-01-01")) == 2
    assert "Ms. Alvarez (email)" in household.run("log").stdout
    rows = list(csv.DictReader(io.StringIO(household.run("log", "--format", "csv").stdout)))
    assert [row["child"] for row in rows] == ["Maya", "Maya"]
    page = household.run("log", "--format", "html").stdout
    assert "default-src 'none'" in page
    assert page.count("<circle") == 2
    pdf = tmp_path / "log.pdf"
    assert household.run("log", "--format", "pdf", "-o", str(pdf)).returncode == 0
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_mode & 0o777 == 0o600
    calendar = Calendar.from_ical(household.run("log", "--format", "ics").stdout)
    assert calendar["METHOD"] == "PUBLISH"
    # "Thursday at 3:15 or Friday": which of them count as dates to keep depends on the day on which it is written.
    assert {str(event["STATUS"]) for event in calendar.walk("VEVENT")} == {"TENTATIVE"}
    wrong = household.run("log", "--label", "moods")
    assert wrong.returncode == 2
    assert "allowed: " in wrong.stderr
    assert household.run("log", "--since", "soon").returncode == 2


# --- What waits ------------------------------------------------------------------------------------------


def test_a_label_that_the_record_never_holds_is_refused(household: Household) -> None:
    """Newsletters are not in it."""
    done = household.run("log", "--label", "bulk")
    assert done.returncode == 2
    assert "newsletters and list mail are not in the record; allowed: " in done.stderr
    assert "bulk" not in done.stderr.partition("allowed")[2]
    assert household.run("log", "--label", "plan").returncode == 0


def test_an_answer_in_sent_settles_it(household: Household) -> None:
    """By In-Reply-To, whoever it went to first; it stands in the record as sent and as answered."""
    household.deliver(a_mail("meeting_request", number=900))
    once(household)
    assert waiting(household) == [ASKED]
    sent(
        household, f"To: alvarez@maplewood.k12.example\r\nIn-Reply-To: {ASKED}\r\nMessage-ID: <r1@x>\r\nSubject: Re: x"
    )
    once(household)
    assert waiting(household) == []
    by_direction = {entry["direction"]: entry for entry in record(household)}
    assert by_direction["in"]["answered"] == "2026-01-07"
    assert (by_direction["out"]["child"], by_direction["out"]["labels"]) == ("Maya", ["meeting_request"])


@pytest.mark.parametrize(("to", "settled"), [("alvarez@maplewood.k12.example", True), ("kim@club.example", False)])
def test_an_answer_without_a_thread_is_known_by_subject_and_address(
    household: Household, to: str, *, settled: bool
) -> None:
    """Some phones drop the thread; the same words to somebody else settle nothing."""
    household.deliver(a_mail("meeting_request", number=900))
    once(household)
    now = datetime.now(UTC) + timedelta(minutes=1)
    raw = f"From: p@mailbox.example\r\nTo: {to}\r\nSubject: RE: Maya 900\r\nMessage-ID: <r2@x>\r\n"
    with household.server.client(household.user) as client:
        client.append("Sent", f"{raw}Date: {now:%a, %d %b %Y %H:%M:%S} +0000\r\n\r\nYes.\r\n".encode(), [b"\\Seen"])
    once(household)
    assert (waiting(household) == []) is settled


def test_a_flag_or_the_done_folder_settles_it(household: Household) -> None:
    """Answered elsewhere, or put away by hand; neither is taken for a word on what the mail is."""
    household.deliver(a_mail("meeting_request", number=900), a_mail("meeting_request", number=906))
    once(household)
    assert len(waiting(household)) == 2
    with household.server.client(household.user) as client:
        client.select_folder("School/Meetings")
        (one,) = client.search(["HEADER", "Message-ID", ASKED])
        (other,) = client.search(["HEADER", "Message-ID", "<meeting_request-906@test.example>"])
        client.add_flags([one], [b"\\Answered"])
        client.move([other], "School/Done")
    assert once(household)["corrections"] == 0
    assert waiting(household) == []
    assert places(household)["<meeting_request-906@test.example>"][0] == "School/Done"
    assert once(household)["filed"] == 0


def test_the_other_parents_answer_settles_it(household: Household) -> None:
    """A mail in the thread of somebody to whom the teacher wrote as well; not of anybody else."""
    asks = a_mail("meeting_request", number=900).replace(b"To: parent@", b"To: sam@rivera.example, parent@")
    household.deliver(asks)
    once(household)
    stranger = a_mail("not_school", sender="Kim <kim@club.example>", extra="See you there!")
    household.deliver(stranger.replace(b"Subject: ", f"In-Reply-To: {ASKED}\r\nSubject: ".encode(), 1))
    once(household)
    assert waiting(household) == [ASKED]
    other = a_mail(
        "not_school", sender="Sam Rivera <sam@rivera.example>", extra="Thanks, Thursday at 3:15 works for us."
    )
    household.deliver(other.replace(b"Subject: ", f"In-Reply-To: {ASKED}\r\nSubject: ".encode(), 1))
    once(household)
    assert waiting(household) == []


# --- Cooling-off -----------------------------------------------------------------------------------------


def test_charged_mail_waits_and_is_lost_nowhere(household: Household) -> None:
    """Filed at once, its note and its line in the digest only when its time has come; danger waits never."""
    household.write_config('[prompts]\ncooling_off = "always"\n')
    household.deliver(
        a_mail("behavior", number=910),
        a_mail("homework", number=911),
        a_mail("behavior", number=912, extra="He hit his head and is bleeding, please call me right away."),
    )
    once(household)
    assert places(household)["<behavior-910@test.example>"][0] == "School/Behavior"
    assert note_count(household) == 2
    digest = json.loads(household.run("digest", "--format", "json").stdout)
    shown = [item["message_id"] for section in digest["sections"] for item in section["items"]]
    assert set(shown) == {"<homework-911@test.example>", "<behavior-912@test.example>"}
    assert "1 mail" in household.run("digest").stdout
    # The night passes: what is held is due.
    with sqlite3.connect(household.state / "state.db") as db:
        db.execute("UPDATE message SET day = '2026-01-01T00:00:00.000000+00:00' WHERE day > ?", ("2026-06",))
    once(household)
    assert note_count(household) == 3
    once(household)
    assert note_count(household) == 3


def test_a_note_that_nobody_needs_any_more_is_not_brought(household: Household) -> None:
    """The parent moved the mail meanwhile, or the pass was undone."""
    household.write_config('[prompts]\ncooling_off = "always"\n')
    household.deliver(a_mail("behavior", number=913), a_mail("behavior", number=914))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("School/Behavior")
        client.move(client.search(["HEADER", "Message-ID", "<behavior-913@test.example>"]), "INBOX")
    once(household)
    assert household.run("undo").returncode == 0
    with sqlite3.connect(household.state / "state.db") as db:
        db.execute("UPDATE message SET day = '2026-01-01T00:00:00.000000+00:00'")
    once(household)
    assert note_count(household) == 0


# --- The state -------------------------------------------------------------------------------------------


def test_a_state_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    """Its content stays, the new tables are there, and the install key is the same."""
    with Store(tmp_path) as store:
        mine = store.own_message_id("x")
        store.learn_sender("a@b.example", "A", datetime(2026, 1, 7, tzinfo=UTC))
    with sqlite3.connect(tmp_path / "state.db") as db:
        for table in ("answer", "sent", "record", "nudge"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 1")
    with Store(tmp_path) as store:
        assert store.own_message_id("x") == mine
        assert store.learned_senders() == {"a@b.example"}
        assert Ledger(store).entries() == []
    with sqlite3.connect(tmp_path / "state.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


# --- Drafts ----------------------------------------------------------------------------------------------


def drafts(home: Household) -> list[bytes]:
    with home.server.client(home.user) as client:
        client.select_folder("Drafts", readonly=True)
        return [data[b"BODY[]"] for data in client.fetch(client.search(), ["BODY.PEEK[]"]).values()]


def save_draft(home: Household, text: str, *, answers: str, age: timedelta) -> bytes:
    head = f"From: parent@mailbox.example\r\nTo: alvarez@maplewood.k12.example\r\nSubject: Re: Maya\r\n{answers}"
    raw = f"{head}Message-ID: <draft-{len(text)}@mailbox.example>\r\n\r\n{text}\r\n".encode()
    with home.server.client(home.user) as client:
        client.append("Drafts", raw, [b"\\Draft"], datetime.now(UTC) - age)
    return raw


def test_a_draft_that_answers_a_teacher_gets_a_note_beside_it(household: Household) -> None:
    """The draft stays as it is; nobody's typing is disturbed; the note goes when the draft has gone."""
    household.write_config("[prompts]\ncheck_drafts = true\n")
    household.deliver(a_mail("behavior", number=920))
    once(household)
    answers = "In-Reply-To: <behavior-920@test.example>\r\n"
    hot = save_draft(
        household, "You never tell us anything. This is your fault.", answers=answers, age=timedelta(hours=1)
    )
    save_draft(household, "You never tell us anything, and I am sick of it.", answers="", age=timedelta(hours=1))
    save_draft(household, "Thank you for telling me. Could we talk?", answers=answers, age=timedelta(hours=1))
    save_draft(household, "You are the worst teacher this school ever", answers=answers, age=timedelta(0))
    once(household)
    notes = [raw for raw in drafts(household) if b"X-Triage: note" in raw]
    assert len(notes) == 1
    assert b"In-Reply-To: <draft-47@mailbox.example>" in notes[0]
    assert b"To: " in notes[0]
    assert b"alvarez" not in notes[0]
    assert hot in drafts(household)
    once(household)
    assert len(drafts(household)) == 5
    with household.server.client(household.user) as client:
        client.select_folder("Drafts")
        client.delete_messages(client.search(["HEADER", "Message-ID", "<draft-47@mailbox.example>"]))
        client.expunge()
    once(household)
    assert [raw for raw in drafts(household) if b"X-Triage: note" in raw] == []
    assert len(drafts(household)) == 3


# --- Forgetting ------------------------------------------------------------------------------------------


def held_text(home: Household) -> bytes:
    return b"".join(path.read_bytes() for path in home.state.rglob("*") if path.is_file() and path.name != "lock")


def test_forget_takes_out_what_is_held(household: Household) -> None:
    """By child, by teacher, by age, or all: no word of it is left in the files, and nothing is filed again."""
    other = "Mr. Boone <boone@maplewood.k12.example>"
    household.deliver(
        a_mail("behavior", number=930), a_mail("homework", number=931, sender=other, extra="Can you send a zebra?")
    )
    once(household)
    assert b"zebra" in held_text(household)
    assert household.run("forget").returncode == 2
    assert household.run("forget", "--child", "Maya", "--all").returncode == 2
    done = household.run("forget", "--teacher", "boone")
    assert (done.returncode, done.stdout) == (0, "forgotten: 1 messages and entries\n")
    assert b"zebra" not in held_text(household)
    assert [entry["message_id"] for entry in record(household)] == ["<behavior-930@test.example>"]
    assert household.run("forget", "--before", "2020-01-01").stdout.startswith("forgotten: 0")
    before = places(household)
    assert once(household)["filed"] == 0
    assert household.run("forget", "--all").returncode == 0
    assert b"lunch line" not in held_text(household)
    assert record(household) == []
    report = once(household)
    assert (report["filed"], report["corrections"]) == (0, 0)
    assert places(household) == before
    with household.server.client(household.user) as client:
        client.select_folder("School/Behavior")
        client.move(client.search(["HEADER", "Message-ID", "behavior-930"]), "INBOX")
    report = once(household)
    assert (report["filed"], report["corrections"]) == (0, 0)
    taken_back = before | {"<behavior-930@test.example>": ("INBOX", before["<behavior-930@test.example>"][1])}
    assert places(household) == taken_back


def test_a_first_letter_comes_from_the_parents_own_words(household: Household) -> None:
    """It refuses an empty slot by name; strengths come first; a plan is told only when asked."""
    done = household.run("intro", "--child", "Maya", "--teacher", "Ms. Alvarez")
    assert done.returncode == 2
    assert "likes and hard and at_home" in done.stderr
    text = household.config_file.read_text(encoding="utf-8")
    words = 'name = "Maya"\nlikes = ["drawing", "frogs"]\nhard = ["fractions"]\nat_home = ["a timer"]\nplan = "504"\n'
    household.config_file.write_text(text.replace('name = "Maya"\n', words), encoding="utf-8")
    letter = household.run("intro", "--teacher", "Ms. Alvarez").stdout
    assert letter.startswith("Dear Ms. Alvarez,")
    assert letter.index("drawing and frogs") < letter.index("fractions") < letter.index("a timer")
    assert "504" not in letter
    assert "504" in household.run("intro", "--tell-plan").stdout
    assert len(letter.split()) <= 120


# --- What a second reader found --------------------------------------------------------------------------


def test_a_forward_is_no_answer(household: Household) -> None:
    """Sent to the other parent in the teacher's thread: nothing is settled, no letter to the teacher is recorded."""
    household.deliver(a_mail("meeting_request", number=900))
    once(household)
    sent(household, f"To: sam@rivera.example\r\nIn-Reply-To: {ASKED}\r\nMessage-ID: <f@x>\r\nSubject: Fwd: Maya")
    once(household)
    assert waiting(household) == [ASKED]
    assert [entry["direction"] for entry in record(household)] == ["in"]


def test_a_letter_is_recorded_under_the_teacher(household: Household) -> None:
    """Whoever else it went to."""
    teacher = '[[school.teachers]]\nname = "Ms. Alvarez"\naddress = "alvarez@maplewood.k12.example"\n'
    household.write_config(teacher)
    once(household)
    sent(household, "To: alvarez@maplewood.k12.example\r\nCc: aaron@a.example\r\nMessage-ID: <l@x>\r\nSubject: Hello")
    once(household)
    (entry,) = record(household)
    assert (entry["who"], entry["address"]) == ("Ms. Alvarez", "alvarez@maplewood.k12.example")


def test_what_the_parent_files_is_recorded(household: Household) -> None:
    """A mail that was not seen as the school's, moved into a folder of it."""
    once(household)
    household.deliver(a_mail("homework", number=940), a_mail("not_school", number=941))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("INBOX")
        client.move(client.search(["HEADER", "Message-ID", "<not_school-941@test.example>"]), "School/Homework")
    once(household)
    assert {entry["message_id"] for entry in record(household)} == {
        "<homework-940@test.example>",
        "<not_school-941@test.example>",
    }


@pytest.mark.parametrize("how", ["filed", "corrected"])
def test_what_was_missed_is_recorded_in_its_own_words(household: Household, how: str) -> None:
    """Taken for other mail, of which no word is kept: who wrote, of what and when is read once the parent says so."""
    club = a_mail("not_school", number=942, sender="Kim Lee <kim@club.example>", extra="Bring the form on Friday.")
    household.deliver(a_mail("homework", number=943), club)
    once(household)
    missed = "<not_school-942@test.example>"
    assert missed not in {entry["message_id"] for entry in record(household)}
    before = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    with sqlite3.connect(household.state / "state.db") as db:
        db.execute("UPDATE message SET day = ? WHERE message_id = ?", (before, missed))
    if how == "filed":
        with household.server.client(household.user) as client:
            client.select_folder("INBOX")
            client.move(client.search(["HEADER", "Message-ID", missed]), "School/Homework")
    else:
        assert household.run("correct", missed, "homework").returncode == 0
        # It is read first, so that the entry, which is made once, has something to say.
        assert missed not in str(shown(household))
        with Store(household.state) as store:
            Ledger(store).complete("home")
        assert missed not in {entry["message_id"] for entry in record(household)}
    once(household)

    def entry() -> dict[str, object]:
        (found,) = (entry for entry in record(household) if entry["message_id"] == missed)
        return found

    said = entry()
    assert (said["who"], said["address"], said["labels"]) == ("Kim Lee", "kim@club.example", ["homework"])
    assert said["subject"] == "Your order 942"
    assert "order has shipped" in str(said["summary"])
    (item,) = (
        one for section in shown(household)["sections"] for one in section["items"] if one["message_id"] == missed
    )
    assert item["headline"] == "Kim Lee: Your order 942"
    if how == "filed":
        shutil.rmtree(household.state)
        once(household)
        assert {**entry(), "at": ""} == {**said, "at": ""}


def shown(home: Household) -> dict[str, Any]:
    digest: dict[str, Any] = json.loads(home.run("digest", "--format", "json").stdout)
    return digest


def test_a_held_note_comes_once_however_often_filing_failed(household: Household) -> None:
    """The first try is cut short; the second plans the note anew; in the morning there is one."""
    household.write_config('[prompts]\ncooling_off = "always"\n')
    household.deliver(a_mail("behavior", number=950))
    once(household)
    with sqlite3.connect(household.state / "state.db") as db:
        db.execute("UPDATE message SET status = 'failed', folder = 'INBOX' WHERE message_id LIKE '%950%'")
    with household.server.client(household.user) as client:
        client.select_folder("School/Behavior")
        (uid,) = client.search(["HEADER", "Message-ID", "<behavior-950@test.example>"])
        client.move([uid], "INBOX")
        client.select_folder("INBOX")
        (there,) = client.search(["HEADER", "Message-ID", "<behavior-950@test.example>"])
        validity = client.folder_status("INBOX", ["UIDVALIDITY"])[b"UIDVALIDITY"]
    with sqlite3.connect(household.state / "state.db") as db:
        db.execute("UPDATE message SET uid = ?, uidvalidity = ?", (there, validity))
    once(household)
    with sqlite3.connect(household.state / "state.db") as db:
        assert db.execute("SELECT count(*) FROM op WHERE state = 'held'").fetchone() == (1,)
        db.execute("UPDATE message SET day = '2026-01-01T00:00:00.000000+00:00'")
    once(household)
    assert note_count(household) == 1


def test_undo_reaches_the_filing_after_a_note_beside_a_draft_went(household: Household) -> None:
    """What is done beside drafts is no run to put back."""
    household.write_config("[prompts]\ncheck_drafts = true\n")
    household.deliver(a_mail("behavior", number=960))
    once(household)
    answers = "In-Reply-To: <behavior-960@test.example>\r\n"
    save_draft(household, "You never tell us anything. This is your fault.", answers=answers, age=timedelta(hours=1))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("Drafts")
        client.delete_messages(client.search(["HEADER", "Message-ID", "<draft-47@mailbox.example>"]))
        client.expunge()
    once(household)
    assert "1 message put back" in household.run("undo").stdout
    assert places(household)["<behavior-960@test.example>"][0] == "INBOX"


def test_a_mistake_in_the_parents_own_wording_is_named(household: Household) -> None:
    """Which file, what is wrong; no mail is blamed for it."""
    own = household.folder / "wording" / "en"
    own.mkdir(parents=True)
    (own / "behavior.j2").write_text("{{ teacher {%")
    household.deliver(a_mail("behavior", number=970))
    done = household.run("once")
    assert done.returncode == 2
    assert "wording/en/behavior.j2" in done.stderr
    assert "Traceback" not in done.stderr
    (own / "behavior.j2").write_text("just words")
    assert "has no ask_child" in household.run("once").stderr
    (own / "behavior.j2").unlink()
    assert once(household)["filed"] == 1
