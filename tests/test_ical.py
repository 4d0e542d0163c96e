"""Calendar files: what is written for the parent, and what a teacher's invitation says."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from triage.classify import classify
from triage.config import Config
from triage.facts import find_facts
from triage.ical import Appointment, read_invitation, to_ics
from triage.message import parse_message
from triage.model import load
from triage.resources import shipped_model_path

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
TALK = Appointment(datetime(2026, 1, 9, 20, 15, tzinfo=UTC), "talk: Maya", "Ms. Alvarez", "<m@x>")
DAY = Appointment(date(2026, 1, 12), "form: Maya", "Office", "<n@x>")


def invitation(method: str, *, start: str = "DTSTART:20260109T201500Z", status: str = "") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", f"METHOD:{method}", "BEGIN:VEVENT", "UID:u@x", start]
    lines += ["DTSTAMP:20260107T120000Z", "SUMMARY:Talk about Maya", *([status] if status else [])]
    return "\r\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()


def mail(method: str, words: str = "Please find the invitation attached.") -> bytes:
    head = (
        "From: Ms. Alvarez <alvarez@maplewood.k12.example>\r\nSubject: Maya\r\nMessage-ID: <i@x>\r\n"
        "Date: Wed, 07 Jan 2026 10:00:00 -0500\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    )
    body = (
        f"--b\r\nContent-Type: text/plain\r\n\r\n{words}\r\n--b\r\nContent-Type: text/calendar; method={method}\r\n\r\n"
    )
    return head.encode() + body.encode() + invitation(method) + b"--b--\r\n"


def verdict(method: str, *, sure: bool = True, authserv_id: str | None = None) -> object:
    school = {"domains": ("maplewood.k12.example",), "authserv_id": authserv_id}
    config = Config.model_validate({"timezone": "America/New_York", "school": school})
    looked_at = b"Authentication-Results: mx.mine.example; none\r\n" if authserv_id else b""
    message = parse_message(looked_at + mail(method))
    facts, model = find_facts(message, config), load(shipped_model_path())
    (scores,) = model.score([message], [facts])
    thresholds = model.thresholds if sure else replace(model.thresholds, sure=1.1)
    return classify(message, facts, scores, thresholds).to_json()


def test_what_is_written_is_for_the_parent_alone() -> None:
    """PUBLISH, tentative, free time, nobody invited; the same date twice is one entry; hours in UTC, days as days."""
    calendar = Calendar.from_ical(to_ics([DAY, TALK, TALK], NOW))
    first, second = calendar.walk("VEVENT")
    assert calendar["METHOD"] == "PUBLISH"
    assert (first["STATUS"], first["TRANSP"]) == ("TENTATIVE", "TRANSPARENT")
    assert first.decoded("dtstart") == TALK.at
    assert second.decoded("dtstart") == DAY.at
    assert "ATTENDEE" not in first
    assert "ORGANIZER" not in first
    assert first["UID"] != second["UID"]


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_a_mail_breaks_the_file(title: str, note: str) -> None:
    """Line breaks, colons and the like are data; there is one event whatever they say."""
    raw = to_ics([Appointment(DAY.at, title, note, "<m@x>")], NOW)
    assert len(Calendar.from_ical(raw).walk("VEVENT")) == 1


def test_an_invitation_is_read() -> None:
    """REQUEST and CANCEL, an hour or a whole day; a published file invites to nothing."""
    invited = read_invitation(invitation("REQUEST"))
    assert invited is not None
    assert (invited.at, invited.title, invited.cancelled) == (TALK.at, "Talk about Maya", False)
    taken_back = read_invitation(invitation("CANCEL"))
    assert taken_back is not None
    assert taken_back.cancelled
    whole = read_invitation(invitation("REQUEST", start="DTSTART;VALUE=DATE:20260109", status="STATUS:CANCELLED"))
    assert whole is not None
    assert (whole.at, whole.cancelled) == (date(2026, 1, 9), True)
    assert read_invitation(invitation("PUBLISH")) is None


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda junk: invitation("REQUEST")[:120] + junk)))
def test_any_octets_are_read_or_not(octets: bytes) -> None:
    """A stranger's file never raises."""
    read_invitation(octets)


@pytest.mark.parametrize(
    ("method", "due", "cancelled"),
    [
        ("REQUEST", [{"at": "2026-01-09T15:15:00-05:00", "what": "meeting", "text": "Talk about Maya"}], []),
        ("CANCEL", [], ["2026-01-09T15:15:00-05:00"]),
    ],
)
def test_a_teachers_invitation_is_a_meeting(method: str, due: list[object], cancelled: list[str]) -> None:
    """Its hour stands among the dates, in the mail's own zone; a cancelled one is told as such."""
    found = verdict(method)
    assert found["due"] == due  # type: ignore[index]
    assert found["cancelled"] == cancelled  # type: ignore[index]
    assert ("meeting_request" in found["labels"]) is (method == "REQUEST")  # type: ignore[index]


def test_a_mail_in_review_takes_no_meeting_away() -> None:
    """Whoever writes it would have to be believed first."""
    found = verdict("CANCEL", sure=False)
    assert (found["unsure"], found["cancelled"]) == (True, [])  # type: ignore[index]


def test_a_mail_that_nothing_confirms_takes_no_meeting_away() -> None:
    """The address alone is no reason to believe it."""
    found = verdict("CANCEL", authserv_id="mx.mine.example")
    assert (found["unsure"], found["cancelled"]) == (False, [])  # type: ignore[index]
    assert found["warnings"]  # type: ignore[index]
