"""Facts and scores to a verdict: what decides, what is doubted, what is shown."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.classify import ASKS, LABELS, PRIMARIES, Ask, DateScore, Scores, Thresholds, classify, unreadable_json
from triage.config import Config
from triage.dates import find_dates
from triage.facts import Facts, find_facts
from triage.message import Person, parse_message
from triage.sender import Standing

MESSAGE = parse_message(b"From: a@b.example\r\nSubject: Maya\r\nMessage-ID: <x@y>\r\n\r\nMaya pushed a boy.\r\n")
FACTS = Facts(
    standing=Standing("unknown"),
    teacher=Person("Ms. Alvarez", "a@b.example"),
    child="Maya",
    due=(),
    flags=frozenset(),
    quotes=(),
    asks=False,
    today=False,
    language="en",
)


def scores(school: float = 0.99, primary: str = "behavior", sure: float = 0.9, **labels: float) -> Scores:
    others = [name for name in PRIMARIES if name not in (primary, "not_school")]
    among = {name: (1 - sure) / len(others) * school for name in others} | {primary: sure * school}
    return Scores(
        labels={label: labels.get(label, 0.05) for label in LABELS},
        school=school,
        forged=0.01,
        primary={**among, "not_school": 1 - school},  # type: ignore[dict-item]
        asks=dict.fromkeys(ASKS, 0.1),
        evidence={label: ((f"a sentence about {label}", 0.9),) for label in LABELS},
    )


USUAL = scores(behavior=0.95)


def test_a_label_that_holds_is_shown_with_its_sentence() -> None:
    """Label, primary, evidence, and the documented JSON."""
    verdict = classify(MESSAGE, FACTS, USUAL, Thresholds())
    assert (verdict.school, verdict.labels, verdict.primary, verdict.unsure) == (True, ("behavior",), "behavior", False)
    shown = verdict.to_json("a.eml")
    assert shown["evidence"] == [{"label": "behavior", "text": "a sentence about behavior"}]
    assert set(shown["scores"]) == {*LABELS, "school"}
    assert {"path", "message_id", "subject", "date", "needs_reply", "urgent", "due", "child", "teacher"} <= set(shown)
    assert (shown["teacher"], shown["error"]) == ({"name": "Ms. Alvarez", "address": "a@b.example"}, None)


@pytest.mark.parametrize(
    ("field", "via", "waits"),
    [
        (b"Auto-Submitted: no", "", True),
        (b"Return-Path: <a@b.example>", "", True),
        (b"Auto-Submitted: auto-replied (vacation)", "", False),
        (b"Auto-Submitted: Auto-Generated; x=y", "", False),
        (b"Return-Path: < >", "", False),
        (b"Precedence: auto_reply", "", False),
        # A relay sends by program what a teacher wrote.
        (b"Auto-Submitted: auto-generated", "ParentSquare", True),
    ],
)
def test_what_a_program_sent_waits_for_no_answer(field: bytes, via: str, waits: bool) -> None:
    """RFC 3834: whoever is away asks for nothing."""
    message = parse_message(field + b"\r\nFrom: a@b.example\r\nSubject: Maya\r\n\r\nPlease write to the office.\r\n")
    facts = replace(FACTS, asks=True, standing=Standing("platform" if via else "known", via=via))
    asking = replace(USUAL, asks=dict.fromkeys(ASKS, 0.1) | {"needs_reply": 0.99})
    assert classify(message, facts, asking, Thresholds()).needs_reply is waits


def test_no_label_means_other_school() -> None:
    """And its JSON says so in `labels`."""
    verdict = classify(MESSAGE, FACTS, scores(), Thresholds())
    assert (verdict.labels, verdict.primary, verdict.to_json()["labels"]) == ((), "other_school", ["other_school"])


def test_school_mail_without_a_label_shows_what_it_asks() -> None:
    """The sentence of its date, and the one that asks; in a newsletter there are too many."""
    head = b"Subject: Trip\r\nDate: Wed, 7 Jan 2026 10:00:00 +0000\r\n\r\n"
    message = parse_message(head + b"We go to the zoo. The slip is due Friday. Can you drive?\r\n")
    facts = find_facts(message, Config())
    plain = replace(USUAL, labels=dict.fromkeys(LABELS, 0.0), asks=dict.fromkeys(ASKS, 0.0), dates=())
    plain = replace(plain, dates=tuple(DateScore(0.9, "form") for _ in facts.due))
    shown = classify(message, facts, plain, Thresholds()).evidence
    assert [(item.label, item.text) for item in shown] == [
        ("other_school", "The slip is due Friday."),
        ("other_school", "Can you drive?"),
    ]


def test_not_school_says_nothing_more() -> None:
    """No child, no teacher, no dates of a mail that is not the school's."""
    verdict = classify(MESSAGE, replace(FACTS, flags=frozenset({"safety"})), scores(school=0.1), Thresholds())
    assert (verdict.school, verdict.primary, verdict.child, verdict.teacher) == (False, "not_school", None, None)
    assert (verdict.flags, verdict.unsure, verdict.to_json()["labels"]) == ((), False, ["not_school"])


@pytest.mark.parametrize("kind", ["known", "school"])
def test_a_known_sender_beats_the_model(kind: str) -> None:
    """Who the parent named is school, whatever the words look like, and is not doubted for it."""
    facts = replace(FACTS, standing=Standing(kind))  # type: ignore[arg-type]
    verdict = classify(MESSAGE, facts, scores(school=0.05, behavior=0.9), Thresholds())
    assert (verdict.school, verdict.primary, verdict.unsure) == (True, "behavior", False)


def test_a_suspicious_sender_is_never_filed_as_school() -> None:
    """It is shown for review with the warning, if it looks like school at all."""
    facts = replace(FACTS, standing=Standing("suspicious", ("its domain looks like another",)))
    verdict = classify(MESSAGE, facts, USUAL, Thresholds())
    assert (verdict.school, verdict.unsure, verdict.reason) == (False, True, "its domain looks like another")
    assert not classify(MESSAGE, facts, scores(school=0.1), Thresholds()).unsure


def test_doubt_and_other_languages_go_to_review() -> None:
    """With the reason in words."""
    doubtful = classify(MESSAGE, FACTS, scores(behavior=0.9, sure=0.4), Thresholds(sure=0.5))
    assert (doubtful.unsure, doubtful.reason) == (True, "it is not clear what this mail is about")
    foreign = classify(MESSAGE, replace(FACTS, language="vi", standing=Standing("platform")), USUAL, Thresholds())
    assert "another language" in foreign.reason


@pytest.mark.parametrize(
    ("sender", "subject", "text", "language", "review"),
    [
        (
            "berger@grundschule-nord.example",
            "Elternabend",
            "Der Elternabend der Klasse 3b ist im Klassenzimmer.",
            "de",
            True,
        ),
        ("dupont@freemail.example", "Devoirs", "Votre fille n'a pas rendu son devoir en classe.", "fr", True),
        ("li@freemail.example", "通知", "各位家长，明天学校放假。请检查 作业。", "zh", True),
        ("opa@freemail.example", "Sonntag", "Am Sonntag gibt es Kuchen. Bringt ihr die Kinder mit?", "de", False),
        ("billet@train.example", "Votre billet", "Voici votre billet pour le voyage en seconde classe.", "fr", False),
        ("jens@firma.example", "Besprechung", "Können wir die Besprechung am Montag verlegen?", "de", False),
    ],
)
@pytest.mark.parametrize("likely", [0.01, 0.99])
def test_a_strangers_mail_in_another_language_is_looked_at_where_it_speaks_of_school(
    sender: str, subject: str, text: str, language: str, review: bool, likely: float
) -> None:
    """The model does not know the language, and took a ticket for a train for the school's: it has no say."""
    message = parse_message(f"From: {sender}\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode())
    verdict = classify(message, replace(FACTS, language=language), scores(school=likely), Thresholds())
    assert (verdict.school, verdict.unsure, "another language" in verdict.reason) == (review, review, review)
    newsletter = replace(FACTS, language=language, flags=frozenset({"bulk"}))
    assert not classify(message, newsletter, scores(school=likely), Thresholds()).school
    known = replace(FACTS, language=language, standing=Standing("known"))
    assert classify(message, known, scores(school=likely), Thresholds()).unsure


def test_of_equals_the_order_of_precedence_decides() -> None:
    """Meeting before behavior before homework before praise."""
    equal = scores(meeting_request=0.9, behavior=0.9, homework=0.9, praise=0.9)
    equal = replace(equal, primary=dict.fromkeys(PRIMARIES, 1 / 6))
    assert classify(MESSAGE, FACTS, equal, Thresholds()).primary == "meeting_request"


def test_danger_is_named_for_caution_and_doubted() -> None:
    """What is far likelier false is a flag all the same, makes nothing urgent, and is known as doubted."""
    thresholds = Thresholds(asks={**dict.fromkeys(ASKS, 0.9), "safety": 0.01})
    asks = {**dict.fromkeys(ASKS, 0.0), "urgent": 0.5}
    for likely, doubted in ((0.015, ("safety",)), (0.09, ("safety",)), (0.12, ())):
        verdict = classify(MESSAGE, FACTS, replace(USUAL, asks={**asks, "safety": likely}), thresholds)
        assert (verdict.flags, verdict.doubted, verdict.urgent) == (("safety",), doubted, not doubted)


@pytest.mark.parametrize(
    ("said", "doubted"),
    [
        ("He says he wants to die.", ()),
        ("Dice que no quiere vivir.", ()),
        ("Nora bit another child over the red block.", ("safety",)),
        ("She stayed in because of her inhaler.", ("safety",)),
    ],
)
def test_danger_to_life_in_plain_words_is_never_doubted(said: str, doubted: tuple[str, ...]) -> None:
    """Everyday words of hurt leave the alarm to what the model makes of the whole."""
    thresholds = Thresholds(asks={**dict.fromkeys(ASKS, 0.9), "safety": 0.01})
    facts = replace(FACTS, flags=frozenset({"safety"}), quotes=(("safety", said),))
    low = replace(USUAL, asks={**dict.fromkeys(ASKS, 0.0), "safety": 0.015})
    verdict = classify(MESSAGE, facts, low, thresholds)
    assert (verdict.flags, verdict.doubted) == (("safety",), doubted)


def test_what_is_stated_counts_as_half_the_proof() -> None:
    """Words of danger need less of the model; a letter to all waits for nobody's answer."""
    facts = replace(FACTS, flags=frozenset({"safety"}), quotes=(("safety", "He bumped his head."),), asks=True)
    some = replace(USUAL, asks=dict.fromkeys(ASKS, 0.3))
    thresholds = Thresholds(asks=dict.fromkeys(ASKS, 0.5))
    verdict = classify(MESSAGE, facts, some, thresholds)
    assert (verdict.flags, verdict.needs_reply, verdict.urgent) == (("safety",), True, True)
    assert ("safety", "He bumped his head.") in [(item.label, item.text) for item in verdict.evidence]
    assert not classify(MESSAGE, FACTS, some, thresholds).flags
    to_all = replace(some, asks={**some.asks, "bulk": 0.9})
    assert not classify(MESSAGE, facts, to_all, thresholds).needs_reply


def test_an_unreadable_message_still_gives_an_object() -> None:
    """With every documented key, and `error` set."""
    keys = set(classify(MESSAGE, FACTS, USUAL, Thresholds()).to_json("x"))
    shown = unreadable_json("x", "damaged")
    assert set(shown) == keys
    assert (shown["error"], shown["path"]) == ("damaged", "x")


probability = st.floats(0, 1)


@given(
    labels=st.fixed_dictionaries(dict.fromkeys(LABELS, probability)),
    school=probability,
    primary=st.lists(probability, min_size=5, max_size=5),
    kind=st.sampled_from(["known", "school", "platform", "unknown", "suspicious"]),
    language=st.sampled_from(["en", "es", "fr"]),
)
def test_what_must_always_hold(
    labels: dict[str, float], school: float, primary: list[float], kind: str, language: str
) -> None:
    """Primary is among the labels or other_school; doubt has a reason; nothing not of school has labels."""
    total = sum(primary) or 1.0
    among = {name: school * value / total for name, value in zip(PRIMARIES, primary, strict=False)}
    given_scores = Scores(labels, school, 0.1, {**among, "not_school": 1 - school}, dict.fromkeys(ASKS, 0.5), {})  # type: ignore[arg-type]
    facts = replace(FACTS, standing=Standing(kind, ("w",) if kind == "suspicious" else ()), language=language)  # type: ignore[arg-type]
    verdict = classify(MESSAGE, facts, given_scores, Thresholds())
    assert verdict.primary in (*verdict.labels, "other_school", "not_school")
    assert (verdict.primary == "not_school") == (not verdict.school)
    assert bool(verdict.reason) == verdict.unsure
    assert verdict.school or not verdict.labels
    assert 0 <= verdict.confidence <= 1
    assert kind != "suspicious" or not verdict.school


def test_a_stranger_who_writes_like_a_forger_is_suspicious() -> None:
    """By the words alone, and only a stranger: never a known teacher or the school's own domain."""
    forged = replace(scores(school=0.6, behavior=0.95), forged=0.99)
    stranger = replace(FACTS, standing=Standing("unknown"))
    found = classify(MESSAGE, stranger, forged, Thresholds())
    assert (found.sender, found.school, found.unsure) == ("suspicious", False, True)
    assert found.warnings
    for kind in ("known", "school", "platform"):
        known = replace(FACTS, standing=Standing(kind))
        assert classify(MESSAGE, known, forged, Thresholds()).sender == kind
    assert classify(MESSAGE, stranger, USUAL, Thresholds()).sender == "unknown"
    assert classify(MESSAGE, stranger, replace(USUAL, forged=0.99), Thresholds()).sender == "unknown"


def test_only_dates_that_are_to_be_kept_are_shown() -> None:
    """The model's word on each, above its threshold; what it is for comes from there too."""
    written = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)
    dues = find_dates("The essay is due Friday. On Monday we sang.", written, day_first=False)
    judged = replace(USUAL, dates=(DateScore(0.9, "test"), DateScore(0.2, "event")))
    found = classify(MESSAGE, replace(FACTS, due=dues), judged, Thresholds())
    assert [(due.at, due.what) for due in found.due] == [("2026-01-09", "test")]


def test_what_cannot_be_read_has_the_fields_in_the_same_order() -> None:
    """Each object of a list looks like the others."""
    assert list(unreadable_json("a.eml", "odd")) == list(classify(MESSAGE, FACTS, USUAL, Thresholds()).to_json("a.eml"))


@pytest.mark.parametrize("flag", ["plan", "safety"])
def test_what_may_touch_danger_or_a_plan_is_the_schools_from_even_odds_on(flag: Ask) -> None:
    """Of all else a stranger's mail has to read surely like the school's; a higher threshold misses nothing grave."""
    thresholds = Thresholds(school=0.7)
    grave: dict[Ask, float] = {**dict.fromkeys(ASKS, 0.0), flag: 0.12}
    plain: dict[Ask, float] = dict.fromkeys(ASKS, 0.0)
    for likely, asks, school in ((0.6, plain, False), (0.6, grave, True), (0.45, grave, False), (0.75, plain, True)):
        judged = replace(scores(school=likely), asks=asks)
        assert classify(MESSAGE, FACTS, judged, thresholds).school is school


@pytest.mark.parametrize(
    ("subject", "own", "kind", "school"),
    [
        ("hi", "hello", "unknown", False),
        ("", "12:30 / 4", "unknown", False),
        ("hi", "Maya was kind", "unknown", True),
        ("hi", "hello", "known", True),
        ("Absent: Maya", "", "platform", True),
    ],
)
def test_a_word_or_two_of_a_stranger_tell_nothing(subject: str, own: str, kind: str, school: bool) -> None:
    """However probable: what is left of the probability is that of mail at large."""
    message = parse_message(f"From: x@a.example\r\nSubject: {subject}\r\n\r\n{own}".encode())
    facts = find_facts(message, Config(timezone="UTC"))
    facts = replace(facts, standing=Standing(kind))  # type: ignore[arg-type]
    quiet = replace(scores(), asks=dict.fromkeys(ASKS, 0.0))
    assert classify(message, facts, quiet, Thresholds()).school == school
