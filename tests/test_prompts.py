"""What the program says to a parent: calm, short, from this mail alone, in both languages and every situation."""

import itertools
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cases import verdict
from triage.classify import DueDate, Evidence, Label, Verdict
from triage.config import LANGUAGES, Config, Language
from triage.errors import ConfigError
from triage.history import Past
from triage.message import Person, parse_message
from triage.notes import draft_mail, note_mail
from triage.prompts import Around, Card, Wording, make_card, note_text, relay_of, wording_of
from triage.situations import situation_of

TODAY = date(2026, 1, 7)
PUSHED = Evidence("behavior", "she pushed another student in the lunch line")
MISSING = Evidence("homework", "the fractions worksheet is missing")
TALK = Evidence("meeting_request", "Could we talk on Friday?")
KIND = Evidence("praise", "she helped a new classmate")
PLAN = Evidence("plan", "we review her 504 plan")
BUMP = Evidence("safety", "she bumped her head")
FRIDAY = DueDate("2026-01-09T15:15:00-05:00", "meeting", "this Friday at 3:15")

SITUATIONS: dict[str, Verdict] = {
    "homework": verdict(labels=("homework",), primary="homework", evidence=(MISSING,)),
    "behavior": verdict(labels=("behavior",), primary="behavior", evidence=(PUSHED,)),
    "meeting_request": verdict(
        labels=("meeting_request",), primary="meeting_request", evidence=(TALK,), due=(FRIDAY,), needs_reply=True
    ),
    "praise": verdict(labels=("praise",), primary="praise", evidence=(KIND,)),
    "other_school": verdict(labels=(), primary="other_school", evidence=()),
    "behavior_meeting": verdict(
        labels=("behavior", "meeting_request"), primary="meeting_request", evidence=(PUSHED, TALK), due=(FRIDAY,)
    ),
    "homework_meeting": verdict(
        labels=("homework", "meeting_request"), primary="homework", evidence=(MISSING, TALK), due=(FRIDAY,)
    ),
    "homework_behavior": verdict(labels=("homework", "behavior"), primary="behavior", evidence=(MISSING, PUSHED)),
    "praise_concern": verdict(labels=("behavior", "praise"), primary="behavior", evidence=(PUSHED, KIND)),
    "plan": verdict(labels=("homework",), primary="homework", flags=("plan",), evidence=(MISSING, PLAN)),
    "safety": verdict(labels=("behavior",), primary="behavior", flags=("safety",), evidence=(PUSHED, BUMP)),
    "unsure": verdict(unsure=True, reason="it is not clear what this mail is about", evidence=()),
    "suspicious": verdict(
        school=False, primary="not_school", labels=(), unsure=True, sender="suspicious", evidence=(),
        warnings=("its domain maplewo0d.k12.example looks like maplewood.k12.example but is another",),
    ),
}  # fmt: skip
MONDAY = datetime(2026, 1, 5, 15, tzinfo=UTC)
WORRY = Past(MONDAY, "Maya", "alvarez@maplewood.k12.example", ("behavior",))
# What came before, for situations that it makes.
BEFORE: dict[str, tuple[Past, ...]] = {
    "second": (WORRY,),
    "third": (replace(WORRY, at=MONDAY.replace(day=2)), WORRY),
    "resolved": (WORRY,),
    "new_teacher": (replace(WORRY, teacher="lee@maplewood.k12.example"),),
}
SITUATIONS |= {
    "second": SITUATIONS["behavior"],
    "third": SITUATIONS["behavior"],
    "resolved": SITUATIONS["praise"],
    "new_teacher": SITUATIONS["other_school"],
}
NAMELESS = {"child": None, "teacher": None}

BANNED = {
    "en": r"why did you|you always|you never|lazy|fault|blame|refus|ignor|singled out|diagnos|"
    r"signs of|medicat|law\b|"
    r"legal(?! or medical)|violat|lawyer|you should feel|must\b|demand|unacceptable|percent|%|studies|"
    r"research|don't worry|calm down|failing|bad child|!",
    "es": r"por qué hizo|por qué usted|siempre hace|nunca hace|culpa|perezos|diagn|señales de|medicament|\bley\b|"
    r"abogad|violac|exig|inaceptable|por ciento|%|estudios|no se preocupe|cálmese|reprob|!",
}


def cards(language: str, situation: str, **changes: object) -> tuple[Card, Verdict]:
    from dataclasses import replace

    config = Config.model_validate_json(
        '{"timezone": "America/New_York", "children": [{"name": "Maya", "plan": "504"}]}'
    )
    judged = replace(SITUATIONS[situation], **changes)  # type: ignore[arg-type]
    past = tuple(replace(one, child=judged.child or "") for one in BEFORE.get(situation, ()))
    return make_card(judged, config, Wording(language), Around(TODAY, past)), judged  # type: ignore[arg-type]


everything = pytest.mark.parametrize(
    ("language", "situation", "changes"),
    [
        (language, situation, changes)
        for language, situation, changes in itertools.product(LANGUAGES, SITUATIONS, ({}, NAMELESS))
    ],
)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_mixture_has_its_situation(situation: str) -> None:
    """The table of situations, and a file for each in every language."""
    assert situation_of(SITUATIONS[situation], BEFORE.get(situation, ())) == situation
    for language in LANGUAGES:
        assert (Path(__file__).parent.parent / "triage" / "wording" / language / f"{situation}.j2").exists()


@everything
def test_nothing_is_empty_and_nothing_is_left_open(language: str, situation: str, changes: dict[str, object]) -> None:
    """Every slot says something, no slot mark, no doubled stops or spaces."""
    card, _ = cards(language, situation, **changes)
    texts = [card.headline, card.pause, card.reply, card.document, card.wait, card.next_step, *card.ask_teacher]
    assert all(texts)
    assert card.ask_child or situation == "suspicious"
    for text in [*texts, *card.ask_child]:
        assert not re.search(r"\{|\}|None|\.\.(?!\.)|  | ,| \.|«»|“”|\(\)", text), text
        assert text[0].isupper() or text[0] in "[¿“«", text


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_not_confirmed_is_not_called_a_forger(language: str) -> None:
    """The exact address of a teacher that the own server could not confirm: the same next step, in milder words."""
    forged, _ = cards(language, "suspicious")
    unconfirmed, _ = cards(language, "suspicious", sender="unknown", warnings=("mx did not confirm it",))
    assert unconfirmed.situation == "suspicious"
    assert unconfirmed.next_step == forged.next_step
    assert forged.reply.startswith(("Do not answer", "No responda"))
    for milder, stern in ((unconfirmed.headline, forged.headline), (unconfirmed.pause, forged.pause)):
        assert milder != stern
    assert not re.search("Do not answer|No responda|Stop before|Deténgase", f"{unconfirmed.pause} {unconfirmed.reply}")


@everything
def test_no_word_that_inflames_blames_or_judges(language: str, situation: str, changes: dict[str, object]) -> None:
    """No accusation, no diagnosis, no law, no statistics, no exclamation."""
    card, judged = cards(language, situation, **changes)
    text = f"{card.headline} {card.pause} {card.reply} {card.document} {card.wait} {card.next_step}"
    text += " ".join([*card.ask_child, *card.ask_teacher])
    for quoted in judged.evidence:
        text = text.replace(quoted.text, "")
    assert not re.search(BANNED[language], text, re.IGNORECASE), re.search(BANNED[language], text, re.IGNORECASE)


@everything
def test_nothing_is_said_that_the_mail_does_not_say(language: str, situation: str, changes: dict[str, object]) -> None:
    """Every name and number comes from the verdict, the profile or the calendar around the mail's day."""
    card, judged = cards(language, situation, **changes)
    allowed = "Maya Ms. Alvarez 504 triage 7 8 9 10 11 12 3:15 15:15 PM " + " ".join(
        item.text for item in judged.evidence
    )
    allowed += " ".join(judged.warnings) + " Monday Tuesday Wednesday Thursday Friday Saturday Sunday January "
    shown = " ".join(
        [card.headline, card.pause, card.reply, card.wait, card.document, *card.ask_child, *card.ask_teacher]
    )
    for number in re.findall(r"\d+", shown):
        assert number in allowed, number
    for name in re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", shown):
        assert name in allowed or name in ("Breathe", "Tell", "Read"), name


@everything
def test_each_text_speaks_of_this_mail(language: str, situation: str, changes: dict[str, object]) -> None:
    """Child, teacher, quotation or date stands in each of the documented texts."""
    card, judged = cards(language, situation, **changes)
    words = Wording(language).words  # type: ignore[arg-type]
    signs = [judged.child or words["your_child"], judged.child or words["my_child"], "January", "enero", "“", "«"]
    signs += [judged.teacher.name] if judged.teacher else [words["the_teacher"], words["your_teacher"]]
    for text in (card.pause, card.reply, card.document, card.wait, "\n".join(card.ask_teacher)):
        assert any(sign.lower() in text.lower() for sign in signs), text


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("situation", ["homework", "behavior_meeting", "praise", "other_school", "unsure", "plan"])
def test_doubted_danger_is_a_word_and_no_alarm(language: str, situation: str) -> None:
    """The card of the mail as it is, but for the next step: to read the mail itself, where there is a line to show."""
    usual, judged = cards(language, situation)
    flags = (*judged.flags, "safety")
    line = (*judged.evidence, Evidence("safety", "the school bell"))
    card, _ = cards(language, situation, flags=flags, doubted=("safety",), evidence=line)
    said = Wording(language).words["may_be_safety"]  # type: ignore[arg-type]
    assert card.next_step == said
    assert (card.situation, card.pause, card.reply) == (usual.situation, usual.pause, usual.reply)
    assert cards(language, situation, flags=flags, doubted=("safety",))[0] == usual


@everything
def test_the_drafted_reply_is_short_and_asks_openly(language: str, situation: str, changes: dict[str, object]) -> None:
    """At most 120 words, no question that accuses, and a thank-you unless the school is to be called."""
    card, _ = cards(language, situation, **changes)
    assert len(card.reply.split()) <= 120
    assert not re.search(r"(?i)\bwhy\b|por qué", card.reply)
    if situation not in ("safety", "suspicious"):
        assert re.search(r"Thank you|Gracias", card.reply)
        assert card.reply.endswith("____")
        assert "[" not in card.reply


@everything
def test_questions_to_the_child_do_not_lead(language: str, situation: str, changes: dict[str, object]) -> None:
    """Open stems: no yes-or-no question, no "did you"."""
    card, _ = cards(language, situation, **changes)
    for line in card.ask_child:
        assert not re.match(r"(?i)(did|do|does|is|are|was|were|have|has|can|could|will) ", line), line
        assert not re.search(r"(?i)did you|why did|por qué lo hiciste", line)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_english_is_plain(situation: str) -> None:
    """Short sentences and common words: at most grade 7 by Flesch-Kincaid, names, dates and quotations masked."""
    card, judged = cards("en", situation)
    text = " ".join([card.pause, card.wait, card.next_step, *card.ask_child, *card.ask_teacher])
    for mask in [*(item.text for item in judged.evidence), *judged.warnings, "Ms. Alvarez", "Maya"]:
        text = text.replace(mask, "Ann")
    text = re.sub(r"\w+day, January \d+( at [\d:]+ PM)?", "then", text)
    sentences = [part for part in re.split(r"[.?:;]", text) if part.strip()]
    words = re.findall(r"[A-Za-z']+", text)
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word.lower())))) for word in words)
    grade = 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59
    assert grade <= 7, round(grade, 1)
    assert len(words) / len(sentences) <= 14


def test_answer_dates_are_school_days() -> None:
    """Two school days for a concern, one for a talk, never before the next morning, never a weekend."""
    wednesday, friday = SITUATIONS["behavior"], date(2026, 1, 9)
    from dataclasses import replace
    from datetime import UTC, datetime

    card, _ = cards("en", "behavior")
    assert "Not before Thursday, January 8; by Friday, January 9" in card.wait
    late = replace(wednesday, date=datetime(2026, 1, 9, 18, tzinfo=UTC))
    card = make_card(late, Config(timezone="UTC"), Wording("en"), Around(friday))
    assert "by Tuesday, January 13" in card.wait
    card, _ = cards("en", "meeting_request")
    assert "Thursday, January 8" in card.next_step


def test_danger_is_never_softened_or_held() -> None:
    """No draft, no pause before acting: read it, call the school."""
    card, _ = cards("en", "safety")
    assert card.headline.startswith("Read this mail now")
    assert "Call the school" in card.reply
    assert "Do not wait" in card.wait


def test_unknowns_are_named() -> None:
    """What a concern, a talk or work leaves open."""
    assert cards("en", "behavior")[0].unknown == ("what happened just before",)
    assert cards("en", "meeting_request", due=())[0].unknown == ("what the talk is to be about", "a time")
    assert cards("en", "homework")[0].unknown == ("a date",)


def test_the_childs_plan_is_named_only_if_configured() -> None:
    """From the profile, not guessed."""
    assert "504 papers" in cards("en", "plan")[0].document
    config = Config(timezone="UTC")
    assert "plan papers" in make_card(SITUATIONS["plan"], config, Wording("en"), Around(TODAY)).document


def test_quotations_are_marked_cut_and_cannot_break_out() -> None:
    """The teacher's words stand in quotation marks, on one line, of bounded length."""
    long = Evidence("homework", 'He said "no"\n\n' + "and more " * 60)
    card, _ = cards("en", "homework", evidence=(long,))
    assert "\n" not in card.known[0]
    assert card.known[0].count("“") == card.known[0].count("”") == 1
    assert len(card.known[0]) < 220


def test_mail_text_is_data_for_the_templates() -> None:
    """Template marks in a mail are shown, never run."""
    evil = Evidence("homework", "{{ config }} {% for x in y %} {{ ''.__class__ }}")
    card, _ = cards("en", "homework", evidence=(evil,), child="{{ 7*7 }}")
    assert "49" not in card.reply
    assert "{{ config }}" in card.known[0]


def test_a_parents_own_wording_takes_the_place_of_ours(tmp_path: Path) -> None:
    """One file changed, the others as they are; a mistake in it is named."""
    folder = tmp_path / "en"
    folder.mkdir()
    (folder / "homework.j2").write_text('{% extends "base.j2" %}{% block pause %}Tea first, {{ child }}.{% endblock %}')
    own = Wording("en", tmp_path)
    config = Config(timezone="UTC")
    assert make_card(SITUATIONS["homework"], config, own, Around(TODAY)).pause == "Tea first, Maya."
    assert "stings" in make_card(SITUATIONS["behavior"], config, own, Around(TODAY)).pause
    (folder / "homework.j2").write_text('{% extends "base.j2" %}{% block pause %}{{ nobody }}{% endblock %}')
    with pytest.raises(ConfigError, match=r"wording/en/homework.j2.*nobody"):
        make_card(SITUATIONS["homework"], config, Wording("en", tmp_path), Around(TODAY))


# --- As mail ---------------------------------------------------------------------------------------------

LETTER = parse_message(
    b"From: Ms. Alvarez <alvarez@maplewood.k12.example>\r\nSubject: Maya\r\nMessage-ID: <x@y>\r\n"
    b"References: <v@y>\r\n\r\nHello\r\n"
)


def test_the_note_is_threaded_marked_and_plain() -> None:
    """In-Reply-To and References, our own sender, one text part, no word that it was sent."""
    card, judged = cards("en", "behavior")
    mail = note_mail(note_text(card, judged, Wording("en")), card, LETTER, "jo@rivera.example")
    assert (mail["In-Reply-To"], mail["References"], mail["X-Triage"]) == ("<x@y>", "<v@y> <x@y>", "note")
    assert mail["From"] == "triage <notes@triage.invalid>"
    assert mail.get_content_type() == "text/plain"
    assert "not legal or medical advice" in mail.get_content()


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; owner-email=x@y.example",
        "Return-Path: <>",
        "Precedence: auto_reply",
        "Precedence: bulk",
        "List-Id: <parents.maplewood.k12.example>",
    ],
)
def test_no_draft_answers_a_program_or_a_list(field: str) -> None:
    """RFC 3834, 2: an answer would reach nobody, or too many."""
    card, _ = cards("en", "meeting_request")
    raw = f"{field}\r\nFrom: Ms. Alvarez <alvarez@maplewood.k12.example>\r\nSubject: Maya\r\n\r\nI am away.\r\n"
    assert draft_mail(card, parse_message(raw.encode()), "jo@rivera.example", Wording("en")) is None
    personal = raw.replace(field, "Auto-Submitted: no\r\nReturn-Path: <alvarez@maplewood.k12.example>")
    assert draft_mail(card, parse_message(personal.encode()), "jo@rivera.example", Wording("en")) is not None


def test_a_draft_answers_the_teacher_and_nobody_who_cannot_be_answered() -> None:
    """To the address that an answer reaches; none to no-reply."""
    card, _ = cards("en", "meeting_request")
    draft = draft_mail(card, LETTER, "jo@rivera.example", Wording("en"))
    assert draft is not None
    assert (draft["To"], draft["Subject"]) == ("alvarez@maplewood.k12.example", "Re: Maya")
    robot = parse_message(b"From: no-reply@classdojo.com\r\nSubject: x\r\n\r\nHello\r\n")
    assert draft_mail(card, robot, "jo@rivera.example", Wording("en")) is None


def test_header_fields_of_notes_cannot_be_injected() -> None:
    """Names from a mail end up in a subject line as text."""
    card, _judged = cards(
        "en", "behavior", teacher=Person("X\r\nBcc: a@b.example", "x@y.example"), child="M\nTo: q@r.example"
    )
    mail = note_mail("text", card, LETTER, "jo@rivera.example")
    head = mail.as_bytes().split(b"\r\n\r\n")[0]
    assert b"\nBcc:" not in head
    assert head.count(b"\nTo:") == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("situation", ["behavior_meeting", "homework_meeting"])
def test_what_happened_is_repeated_and_not_the_invitation(situation: str, language: Language) -> None:
    """The mail is filed under meetings; what the parent asks about is the concern in it."""
    judged = replace(SITUATIONS[situation], primary="meeting_request")
    judged = replace(judged, evidence=tuple(reversed(judged.evidence)))
    card = make_card(judged, Config(), Wording(language), Around(TODAY))
    concern = PUSHED if situation == "behavior_meeting" else MISSING
    said = "\n".join((card.reply, *card.ask_teacher))
    assert concern.text in said
    assert TALK.text.strip("?") not in said
    assert concern.text in card.known[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("labels", [("behavior",), ("behavior", "meeting_request"), ("homework", "meeting_request")])
def test_no_card_is_read_twice_in_a_row(labels: tuple[Label, ...], language: Language) -> None:
    """Four such mails in three weeks: what is asked of child and teacher is new each time, or not the one just read."""
    judged = verdict(labels=labels, primary=labels[-1], evidence=(PUSHED, MISSING, TALK), due=(FRIDAY,))
    kind = (labels[0],)
    cards = [
        make_card(
            judged,
            Config(),
            Wording(language),
            Around(TODAY, [replace(WORRY, at=MONDAY - timedelta(days=4 * number), labels=kind) for number in range(n)]),
        )
        for n in range(5)
    ]
    for name in ("pause", "ask_child", "ask_teacher"):
        texts = [getattr(card, name) for card in cards]
        assert len(set(map(str, texts[:3]))) == 3
        assert all(one != other for one, other in itertools.pairwise(texts))


def test_the_sentence_that_names_the_child_is_repeated() -> None:
    """A remark like "It is due Monday" says nothing of what is due, "she was upset" nothing of what happened."""
    told = [
        Evidence("behavior", "She was upset about the seats"),
        Evidence("behavior", "But Maya hit a boy with a ruler"),
    ]
    card = make_card(replace(SITUATIONS["behavior"], evidence=tuple(told)), Config(), Wording("en"), Around(TODAY))
    assert "this: “Maya hit a boy with a ruler”?" in card.ask_teacher[0].replace("But ", "")
    due = replace(SITUATIONS["homework"], evidence=(Evidence("homework", "It is due Monday"),))
    assert "due Monday" not in make_card(due, Config(), Wording("en"), Around(TODAY)).reply


@pytest.mark.parametrize("language", LANGUAGES)
def test_news_that_asks_for_something_does_not_reassure(language: Language) -> None:
    """A slip that is due is named with its day; news that asks nothing stays news."""
    words = {
        "en": ("may ask something of you", "do it by Friday, January 9"),
        "es": ("Puede que le pidan algo", "9 de enero"),
    }
    slip = replace(SITUATIONS["other_school"], due=(DueDate("2026-01-09", "form", "by Friday"),))
    card = make_card(slip, Config(), Wording(language), Around(TODAY))
    assert words[language][0] in card.pause
    assert words[language][1] in card.next_step
    assert (
        words[language][0]
        not in make_card(SITUATIONS["other_school"], Config(), Wording(language), Around(TODAY)).pause
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_that_a_class_is_large_is_said_once_in_a_row_of_mails(language: Language) -> None:
    """On the second card; a line on each would be a sermon."""
    line = {"en": "whole class", "es": "todo un grupo"}[language]
    said = [line in str(cards(language, situation)[0]) for situation in ("behavior", "second", "third")]
    assert said == [False, True, False]


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_to_answer_is_a_place_that_takes_answers(language: Language) -> None:
    """The school's own no-reply address is none."""
    cards = {
        relay: make_card(SITUATIONS["behavior"], Config(), Wording(language), Around(TODAY, relay=relay))
        for relay in ("Seesaw", "", None)
    }
    assert "Seesaw" in cards["Seesaw"].where
    assert cards[""].where == Wording(language).words["nowhere"]
    assert cards[None].where == ""
    mail = b"From: School <no-reply@maplewood.k12.example>\r\nSubject: News\r\n\r\nHello.\r\n"
    assert relay_of(parse_message(mail), "school") == ""
    assert relay_of(parse_message(mail), "unknown") == "maplewood.k12.example"
    assert relay_of(parse_message(mail.replace(b"no-reply", b"lee")), "school") is None


def test_a_plan_that_no_word_names_gets_no_plan_card() -> None:
    """The flag is for recall; the card follows the label where the mail does not speak of a plan."""
    doubtful = replace(SITUATIONS["plan"], evidence=(MISSING, Evidence("plan", "Turn in the marked-up draft")))
    assert situation_of(SITUATIONS["plan"]) == "plan"
    assert situation_of(doubtful) == "homework"


def test_a_quotation_is_never_cut_in_its_middle() -> None:
    """What looks like a greeting within a sentence ("his ... Ms. ") is none."""
    said = "He threw his sandwich again and told Ms. Dee he hates this school"
    behind = verdict(labels=("behavior",), primary="behavior", evidence=(Evidence("behavior", said),))
    card = make_card(behind, Config(timezone="UTC"), Wording("en"), Around(TODAY))
    quoted = re.findall("“([^”]+)”", " ".join([card.reply, *card.ask_teacher, *card.known]))
    assert quoted
    assert all(said.startswith(part.removesuffix(" …")) for part in quoted)


@pytest.mark.parametrize("why", ["nobody knows why she left the page empty", "no sé por qué dejó la página vacía"])
def test_a_why_is_shown_and_not_repeated(why: str) -> None:
    """In an answer it would reproach: another sentence stands for the matter, or none."""
    asked = Evidence("homework", why)
    card, _ = cards("en", "homework", evidence=(asked, MISSING))
    assert any(why in text for text in card.known)
    assert why not in " ".join([card.reply, *card.ask_teacher])
    assert MISSING.text in card.reply
    alone, _ = cards("en", "homework", evidence=(asked,))
    assert why not in " ".join([alone.reply, *alone.ask_teacher])


def test_wording_that_changes_is_taken_up(tmp_path: Path) -> None:
    """Only the shipped texts are kept from one batch to the next."""
    assert wording_of("en", tmp_path) is wording_of("en", None)
    own = tmp_path / "en" / "newsletter.j2"
    own.parent.mkdir()
    own.write_text("mine")
    assert wording_of("en", tmp_path).page("newsletter", {}) == "mine"
    own.write_text("anew")
    assert wording_of("en", tmp_path).page("newsletter", {}) == "anew"
