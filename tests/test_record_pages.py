"""The record's renderings: complete, harmless, and the same facts in each."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import verdict
from tests.test_awaiting import row
from tests.test_partnership import BASE, CONFIG
from triage.classify import Evidence
from triage.config import LANGUAGES, Language
from triage.facts import Flag
from triage.prompts import Wording
from triage.record import Entry, Settled, Since, Wanted, chosen, days_of, entry_of, laid_over
from triage.record_pages import CSV_COLUMNS, appointments_of, make_page, to_csv, to_html, to_pdf, to_text

ONE = replace(
    BASE, at="2026-01-07T15:04:00-05:00", key="a", message_id="<a@x>", asked=("Could we talk?",),
    agreed=("We agreed to a timer.",), dues=(("2026-01-09T15:15:00-05:00", "meeting", "Friday"),), needs_reply=True,
)  # fmt: skip
TWO = replace(BASE, at="2026-03-02T09:00:00+00:00", key="b", message_id="<b@x>", direction="out", labels=())
MADE = datetime(2026, 3, 3, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>", "=1+1", "\x1b[31mred", "a\r\nb: c", '"; DROP', "{{ 7*7 }}", "\u202eexe", "Ngô Đức 😀",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_rendering_tells_the_same(language: Language) -> None:
    """Day with its year, person, words, dates, answer; in the household's language."""
    wording = Wording(language)
    page = make_page([ONE, TWO], CONFIG, wording)
    year = "January 7, 2026" if language == "en" else "7 de enero de 2026"
    for text in (to_text(page, wording), to_html(page, wording)):
        for wanted in (year, "Ms. Alvarez", "Could we talk?", "We agreed to a timer", "&lt;a@x&gt;|<a@x>"):
            assert re.search(wanted if "|" in wanted else re.escape(wanted), text), wanted
        assert wording.words["log"]["open"] in text
    assert to_pdf(page, wording, MADE) == to_pdf(page, wording, MADE)


@pytest.mark.parametrize(
    ("text", "doubted", "told"),
    [
        ("We review her 504 plan.", (), ("plan", "safety")),
        ("We review her 504 plan.", ("safety",), ("plan",)),
        ("The yellow slip is in her bag.", ("plan", "safety"), ()),
    ],
)
def test_the_record_says_nothing_of_what_is_named_for_cautions_sake(
    text: str, doubted: tuple[Flag, ...], told: tuple[str, ...]
) -> None:
    """A mail that names no plan is not shown among a plan's papers, nor a skipped lunch as danger."""
    judged = verdict(flags=("plan", "safety", "bulk"), evidence=(Evidence("plan", text),), doubted=doubted)
    assert entry_of(row(judged)).flags == told


def test_a_mail_about_two_children_is_in_the_record_of_both() -> None:
    """By `--child` of each, and named with both in every form; an entry of before knows of one."""
    stored = row(verdict(child="Maya"))
    stored = replace(stored, judgement={**(stored.judgement or {}), "children": ["Leo", "Maya"]})
    entry = Entry.from_json(json.loads(json.dumps(entry_of(stored).to_json())))
    assert entry.children == ("Maya", "Leo")
    for child in ("Maya", "leo"):
        assert chosen([entry], Wanted(child=child)) == [entry]
    assert chosen([entry], Wanted(child="Ada")) == []
    page = make_page([entry], CONFIG, Wording("en"))
    assert "Maya, Leo" in to_text(page, Wording("en"))
    assert "Maya, Leo" in to_html(page, Wording("en"))
    assert "Maya | Leo" in to_csv([entry])
    before = {name: value for name, value in ONE.to_json().items() if name != "also"}
    assert Entry.from_json(before) == ONE


def test_an_empty_record_says_so() -> None:
    """In every form."""
    wording = Wording("en")
    page = make_page([], CONFIG, wording)
    assert "Nothing is recorded" in to_text(page, wording)
    assert "Nothing is recorded" in to_html(page, wording)
    assert to_pdf(page, wording, MADE).startswith(b"%PDF-")
    assert to_csv([]).count("\r\n") == 1
    assert days_of([]) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_no_words_of_a_mail_do_harm(text: str) -> None:
    """No markup, no formula, no escape sequence; letters without a shape are left out of the PDF, not raised."""
    wording = Wording("en")
    entry = replace(ONE, subject=text, summary=text, who=text, asked=(text,), child=text)
    page = make_page([entry], CONFIG, wording)
    html = to_html(page, wording)
    assert "<script>alert" not in html
    assert "49" not in re.sub(r"[0-9]{3,}", "", html.partition("<article>")[2])
    assert to_pdf(page, wording, MADE).startswith(b"%PDF-")
    row = next(csv.DictReader(io.StringIO(to_csv([entry]))))
    assert not row["subject"].startswith(("=", "+", "-", "@"))
    assert set(row) == set(CSV_COLUMNS)


@given(st.lists(st.dates(date(2024, 1, 1), date(2027, 1, 1)), min_size=1, max_size=12))
def test_every_dot_is_in_the_picture(days: list[date]) -> None:
    """One for each entry, between the edges."""
    entries = [replace(ONE, at=f"{day}T12:00:00+00:00", key=str(number)) for number, day in enumerate(days)]
    page = make_page(entries, CONFIG, Wording("en"))
    assert len(page.dots) == len(entries)
    assert all(0 <= dot.x <= 1 and 0 <= dot.row < len(page.rows) for dot in page.dots)
    assert all(0 <= x <= 1 for x, _ in page.ticks)


def test_an_entry_survives_its_json() -> None:
    """What is stored is what is read."""
    assert Entry.from_json(json.loads(json.dumps(ONE.to_json()))) == ONE


def test_what_was_learned_later_is_laid_over() -> None:
    """Labels of now, the day of the answer; what is no school mail is left out; the oldest first."""
    now = {("home", "a"): {"primary": "praise", "labels": ["praise"]}}
    settled = {("home", "a"): Settled(datetime(2026, 1, 8, 12, tzinfo=UTC), "sent")}
    (first, second) = laid_over([TWO, ONE], Since(now, settled), CONFIG.zone)
    assert (first.labels, first.answered, second.key) == (("praise",), "2026-01-08", "b")
    gone = {("home", "a"): {"primary": "not_school", "labels": []}}
    assert [entry.key for entry in laid_over([ONE, TWO], Since(gone, {}), CONFIG.zone)] == ["b"]


def test_what_is_asked_for_is_shown() -> None:
    """By child as a whole word, by part of the teacher's name or address, label or flag, and both ends of a span."""
    both = [ONE, TWO]
    assert chosen(both, Wanted(child="may")) == []
    assert chosen(both, Wanted(child="MAYA", teacher="maplewood")) == both
    assert chosen([replace(ONE, flags=("plan",))], Wanted(label="plan")) != []
    assert chosen(both, Wanted(since=date(2026, 1, 7), until=date(2026, 1, 7))) == [ONE]
    assert [one.title for one in appointments_of(both, Wording("en"))] == ["talk: Maya: Maya"]
