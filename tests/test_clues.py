"""What the model of dates is told of the words around a date (written on Wednesday, 7 January 2026)."""

from datetime import datetime, timedelta, timezone

import pytest

from triage.dates import find_dates

WRITTEN = datetime(2026, 1, 7, 15, 4, tzinfo=timezone(timedelta(hours=-5)))


def clues(text: str) -> list[set[str]]:
    return [set(due.clues) for due in find_dates(text, WRITTEN, day_first=False)]


def test_words_next_to_the_date_are_told_together() -> None:
    """In "was due" and "is due" one word is the same and the meaning is not."""
    (was,) = clues("The essay was due Friday.")
    (due,) = clues("The essay is due Friday.")
    assert "left pair 0:due_was" in was - due
    assert "left pair 0:due_is" in due - was


def test_a_date_between_two_words_is_told_of_both() -> None:
    """The word before it and the word after it."""
    (found,) = clues("Please come on Friday after school.")
    assert "across:on_after" in found


@pytest.mark.parametrize(
    "text",
    [
        "The essay was due yesterday, the test is on Monday, and he sang.",
        "El ensayo era para ayer y el test is Monday (he sang).",
    ],
)
def test_a_clause_has_its_own_words(text: str) -> None:
    """What the rest of the sentence speaks of is not said of the date."""
    (found,) = clues(text)
    assert "clause:test" in found
    assert not {"clause:essay", "clause:ensayo", "clause:sang"} & found


def test_the_sentences_on_both_sides_are_told() -> None:
    """By themselves, and where in the mail the date stands."""
    (found,) = clues("He forgot it. The form is due Friday. Sign both sides.")
    assert {"before:forgot", "after:sign", "behind:1", "ahead of the end:1"} <= found
    assert not {"before:sign", "after:forgot"} & found


def test_day_and_hour_are_told() -> None:
    """The day of the week, and the hour where there is one."""
    plain, timed = clues("The form is due Friday. We meet on Monday at 3:15.")
    assert {"on:4", "hour:none"} <= plain
    assert {"on:0", "hour:15"} <= timed
