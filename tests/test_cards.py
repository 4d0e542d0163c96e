"""Cards for the mails of a school year: each says what its mail says, asks for what it asks for, and no more."""

from dataclasses import replace
from datetime import date

import pytest

from tests.support.cases import verdict
from triage.classify import DueDate, Evidence, Label, Verdict
from triage.config import LANGUAGES, Config, Language
from triage.prompts import Around, Card, Wording, make_card, note_text

TODAY = date(2026, 1, 7)
HIT = Evidence("behavior", "Maya threw a shoe across the gym")
OFFER = Evidence("meeting_request", "I am happy to talk after two on any day")
BOTH = verdict(labels=("behavior", "meeting_request"), primary="behavior", evidence=(HIT, OFFER))

languages = pytest.mark.parametrize("language", LANGUAGES)


def card_of(judged: Verdict, language: Language = "en") -> Card:
    return make_card(judged, Config(timezone="UTC"), Wording(language), Around(TODAY))


def text_of(card: Card, judged: Verdict, language: Language = "en") -> str:
    return note_text(card, judged, Wording(language))


# --- Dates -----------------------------------------------------------------------------------------------


@languages
@pytest.mark.parametrize("labels", [("behavior", "meeting_request"), ("homework", "meeting_request")])
@pytest.mark.parametrize("what", ["assignment", "test", "form", "event", "reply"])
def test_the_date_of_a_talk_is_no_other_date(labels: tuple[Label, ...], what: str, language: Language) -> None:
    """Work that is due on Tuesday makes no talk on Tuesday, neither in the headline nor in the reply."""
    due = (DueDate("2026-01-13", what, "by January 13"),)
    judged = replace(BOTH, labels=labels, evidence=(replace(HIT, label=labels[0]), OFFER), due=due)
    card = card_of(judged, language)
    assert card.situation.endswith("_meeting")
    assert "13" not in card.headline + card.reply
    assert ("13" in card.document) == (what != "event")
    talk = replace(judged, due=(*due, DueDate("2026-01-14T15:00:00+00:00", "meeting", "January 14 at 3")))
    assert "14" in card_of(talk, language).headline
    assert "13" not in card_of(talk, language).headline


@languages
def test_a_talk_that_is_only_offered_need_not_be_taken(language: Language) -> None:
    """No time has to be given by tomorrow; where the teacher asks for a talk, one has."""
    asked = replace(BOTH, evidence=(HIT, Evidence("meeting_request", "Could we meet this week?")))
    words = {"en": ("offers to talk", "would like to talk"), "es": ("ofrece hablar", "quiere hablar")}[language]
    offered, wanted = card_of(BOTH, language), card_of(asked, language)
    assert words[0] in offered.headline
    assert words[1] in wanted.headline
    assert offered.next_step != wanted.next_step
    assert offered.wait != wanted.wait
