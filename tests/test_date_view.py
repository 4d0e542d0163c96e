"""What the model of dates sees of each date: its own words, the mail's other dates, and nothing of other mail."""

import numpy as np

from triage.date_view import DATE_TARGETS, date_clues, date_view
from triage.facts import find_facts
from triage.message import Message, parse_message
from triage.train import NOBODY

_FIELDS = "From: alvarez@maplewood.k12.example\r\nSubject: Maya\r\nDate: Tue, 06 Jan 2026 08:00:00 -0500\r\n\r\n"


def _mail(words: str) -> Message:
    return parse_message(f"{_FIELDS}{words}\r\n".encode())


BUSY = _mail("The lab report is due Friday. The dance is on Saturday. Please sign the form by Monday.")
PLAIN = _mail("The spelling test is on Thursday.")
DATELESS = _mail("Maya shared her paints and smiled about it.")
MAILS = [BUSY, DATELESS, PLAIN]
FACTS = [find_facts(mail, NOBODY) for mail in MAILS]
DATES = [len(found.due) for found in FACTS]
LOGITS = np.arange(sum(DATES) * len(DATE_TARGETS), dtype=np.float32).reshape(-1, len(DATE_TARGETS)) - 5
VIEW = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_each_date_has_its_row() -> None:
    """In the order of the mails and of the dates in them, with the mail's own view at the end."""
    assert DATES == [3, 0, 1]
    rows = date_view(MAILS, FACTS, LOGITS, VIEW)
    assert len(rows) == len(date_clues(FACTS)) == 4
    np.testing.assert_array_equal(rows[:, : len(DATE_TARGETS)], LOGITS / np.float32(3))
    np.testing.assert_array_equal(rows[:, -2:], VIEW[[0, 0, 0, 2]])


def test_a_date_is_seen_beside_those_of_its_own_mail_only() -> None:
    """A mail gives the same rows alone and among others."""
    rows = date_view(MAILS, FACTS, LOGITS, VIEW)
    np.testing.assert_array_equal(rows[:3], date_view([BUSY], FACTS[:1], LOGITS[:3], VIEW[:1]))
    np.testing.assert_array_equal(rows[3:], date_view([PLAIN], FACTS[2:], LOGITS[3:], VIEW[2:]))


def test_how_it_stands_to_the_others_is_seen() -> None:
    """Another logit of one date changes what is seen of the other two, and nothing of a date that stands alone."""
    changed = LOGITS.copy()
    changed[0, 0] += 50
    before, after = (date_view(MAILS, FACTS, logits, VIEW) for logits in (LOGITS, changed))
    assert [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, True, False]


def test_mail_without_dates_has_no_rows() -> None:
    """As wide as with them."""
    none = date_view([DATELESS], FACTS[1:2], LOGITS[:0], VIEW[1:2])
    assert none.shape == (0, date_view(MAILS, FACTS, LOGITS, VIEW).shape[1])
