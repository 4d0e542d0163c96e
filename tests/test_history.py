"""What came before a mail, and by when an answer is soon enough."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import NOW, verdict
from triage.classify import DueDate, Evidence
from triage.history import Past, answer_by, concerns_before, is_holiday, is_new_teacher, is_resolved, school_days_after
from triage.message import Person

TEACHER = "alvarez@maplewood.k12.example"
WORRY = Past(NOW - timedelta(days=3), "Maya", TEACHER, ("behavior",))


def test_concerns_of_the_same_kind_about_the_same_child_count() -> None:
    """Not praise, not another child's, not another kind, not months ago, not what came later."""
    judged = verdict(labels=("behavior",), primary="behavior")
    others = [
        Past(WORRY.at, "Leo", TEACHER, ("behavior",)),
        Past(WORRY.at, "Maya", TEACHER, ("homework",)),
        Past(WORRY.at, "Maya", TEACHER, ("behavior", "praise")),
        Past(NOW - timedelta(days=90), "Maya", TEACHER, ("behavior",)),
        Past(NOW + timedelta(days=1), "Maya", TEACHER, ("behavior",)),
    ]
    assert concerns_before(judged, [*others, WORRY]) == [date(2026, 1, 4)]
    assert concerns_before(verdict(labels=("praise",), primary="praise"), [WORRY]) == []


def test_good_news_after_a_worry_is_known_as_such() -> None:
    """Of the same teacher about the same child; who cannot be named is nobody."""
    praise = verdict(labels=("praise",), primary="praise")
    assert is_resolved(praise, [WORRY])
    assert not is_resolved(praise, [Past(WORRY.at, "Maya", "lee@maplewood.k12.example", ("behavior",))])
    assert not is_resolved(verdict(labels=("praise",), primary="praise", teacher=None), [WORRY])


def test_nobody_is_new_where_nothing_is_known() -> None:
    """On a first pass every teacher writes for the first time."""
    assert not is_new_teacher(verdict(), [])
    assert not is_new_teacher(verdict(), [WORRY])
    assert is_new_teacher(verdict(teacher=Person("Mr. Lee", "lee@maplewood.k12.example")), [WORRY])


def test_a_verdict_becomes_the_past() -> None:
    """Of school mail that was understood and has a date."""
    assert Past.of(verdict(unsure=True)) is None
    assert Past.of(verdict(school=False)) is None
    assert Past.of(verdict(date=None)) is None
    assert Past.of(verdict()) == Past(NOW, "Maya", TEACHER, ("homework",), "Ms. Alvarez")


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 30))
def test_school_days_are_weekdays_without_holidays(day: date, count: int) -> None:
    """So many school days later, never a weekend or a holiday, never earlier."""
    later = school_days_after(day, count)
    assert later.weekday() < 5
    assert not is_holiday(later)
    between = [day + timedelta(days=n) for n in range(1, (later - day).days + 1)]
    assert sum(one.weekday() < 5 and not is_holiday(one) for one in between) == count


HOLIDAYS = (
    "2025-11-27 2025-11-28 2024-11-28 2024-11-29 2026-11-26 2025-12-24 2025-12-25 2025-12-31 2026-01-01 2023-01-02 "
    "2026-01-19 2026-05-25 2027-05-31 2026-06-19 2027-06-18 2026-07-03 2027-07-05 2026-09-07 2025-09-01"
)
SCHOOL_DAYS = (
    "2025-11-20 2025-11-21 2025-11-26 2025-12-01 2026-11-20 2025-12-23 2026-01-02 2026-01-05 2026-01-12 2026-01-26 "
    "2026-02-16 2026-05-18 2026-09-14 2026-10-12 2026-11-11"
)


def test_the_holidays_that_every_school_keeps() -> None:
    """By the calendars of those years; the days around them, and holidays on which many schools are open, are none."""
    assert [text for text in HOLIDAYS.split() if not is_holiday(date.fromisoformat(text))] == []
    assert [text for text in SCHOOL_DAYS.split() if is_holiday(date.fromisoformat(text))] == []


def test_no_answer_is_suggested_for_a_holiday() -> None:
    """A mail of the day before Thanksgiving, or before Christmas, can wait until school is back."""
    assert answer_by(verdict(), "homework", date(2025, 11, 26)) == date(2025, 12, 2)
    assert answer_by(verdict(), "meeting_request", date(2025, 12, 23)) == date(2026, 1, 2)


@pytest.mark.parametrize(("what", "by"), [("reply", date(2026, 1, 8)), ("event", date(2026, 1, 9))])
def test_a_day_that_the_mail_names_comes_first(what: str, by: date) -> None:
    """Asked for by tomorrow is due tomorrow; an event is no answer."""
    judged = verdict(due=(DueDate("2026-01-08", what, "tomorrow"),))
    assert answer_by(judged, "homework", datetime(2026, 1, 7, tzinfo=UTC).date()) == by


def test_work_that_is_due_before_and_what_a_plan_mail_states() -> None:
    """An answer after the work's own day helps nobody; a plan's day is the one that the mail names, early or late."""
    written = date(2026, 1, 7)
    work = verdict(due=(DueDate("2026-01-08T08:00:00-05:00", "assignment", "tomorrow at 8"),))
    assert answer_by(work, "homework", written) == date(2026, 1, 8)
    today = verdict(due=(DueDate("2026-01-07", "form", "today"),))
    assert answer_by(today, "homework", written) == written
    consent = verdict(due=(DueDate("2026-01-20", "form", "by January 20"),))
    assert answer_by(consent, "plan", written) == date(2026, 1, 20)
    assert answer_by(consent, "homework", written) == date(2026, 1, 9)
    assert answer_by(verdict(due=(DueDate("2026-01-08", "event", "tomorrow"),)), "homework", written) == date(
        2026, 1, 9
    )


def test_concerns_about_different_things_do_not_belong_together() -> None:
    """A telephone has nothing to do with a copied page; what told of danger is no concern of the same kind."""
    phone = Evidence("behavior", "Maya had her phone out during the quiz")
    judged = verdict(labels=("behavior",), primary="behavior", evidence=(phone,))
    before = NOW - timedelta(days=3)
    earlier = replace(judged, date=before)
    copied = replace(earlier, evidence=(Evidence("behavior", "Her page is copied from another one"),))
    bullied = replace(earlier, flags=("safety",))
    pasts = {name: Past.of(one) for name, one in (("same", earlier), ("copied", copied), ("bullied", bullied))}
    counted = {name for name, past in pasts.items() if past is not None and concerns_before(judged, [past])}
    assert counted == {"same"}
