"""`triage check`: what stands out in a draft, where, and what is left alone."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Household
from triage.calmer import calmer, findings_of
from triage.classify import PRIMARIES
from triage.config import LANGUAGES, Language
from triage.corpus import load_drafts
from triage.draft import LONGEST_WORDS, TONES, Limits, Tones, other_children, own_spans, remarks, shouts, tones_of
from triage.draft_figures import report
from triage.errors import ModelError
from triage.figures import table_of
from triage.fit_tone import read
from triage.prompts import word_table
from triage.resources import corpus_path, shipped
from triage.tone import ToneModel, load, save
from triage.voice import lowered

MODEL = load(shipped("models") / "tone.skops")
KINDS = (*TONES, "shouting", "too_long", "no_question", "blank")
CALM = Tones(0.0, dict.fromkeys(TONES, 0.0))
HOT = Tones(0.9, dict.fromkeys(TONES, 0.0) | {"accusation": 0.9})

ANGRY = """Mrs. Holt,

You ALWAYS ignore my emails!! Why did you make Leo sit alone?
Fix this today or I am going to the principal.

Dana (Leo's mom)
"""
FAIR = """Dear Mr. Osei,

I disagree with the zero on the lab report. Leo handed it in on the 4th, and I have a photo of it. Could you look
again and tell me what you find by Friday? I am worried about his grade, and I know that you have many to check.

Thank you,
Dana
"""


def found(draft: str, *children: str) -> list[tuple[str, str]]:
    spans = own_spans(draft)
    scores = MODEL.score([span.text for span in spans])
    return [(remark.kind, remark.text) for remark in remarks(draft, scores, MODEL.limits, children)]


def test_each_charged_sentence_is_pointed_at() -> None:
    """Accusation, absolute, demand and threat, each at its own sentence; greeting and signature at none."""
    kinds = found(ANGRY)
    assert ("shouting", "You ALWAYS ignore my emails!!") in kinds
    assert any(kind == "accusation" for kind, text in kinds if "sit alone" in text)
    assert {"demand", "threat"} & {kind for kind, text in kinds if text.startswith("Fix this")}
    assert not [text for _, text in kinds if "Dana" in text or "Holt" in text]


def test_a_firm_and_fair_draft_is_left_alone() -> None:
    """Disagreement, worry and a date to answer by are no offence."""
    assert found(FAIR) == []
    assert found("Gracias por avisarme. ¿Podríamos hablar el jueves a las tres? Quisiera entender qué pasó.") == []


@given(st.text(max_size=400))
def test_offsets_are_places_in_the_text(text: str) -> None:
    """Whatever is typed: spans are in order, do not overlap, and quote the draft exactly."""
    spans = own_spans(text)
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    scored = remarks(text, [HOT] * len(spans), Limits())
    assert all(text[remark.start : remark.end] for remark in scored)


def test_quoted_mail_is_not_the_parents() -> None:
    """What stands below the line that a client writes, or behind >, is not read."""
    above = "Thank you, that helps.\n\nOn Tue, Jan 6, 2026 at 3:00 PM Mrs. Holt <h@x.example> wrote:\n"
    assert [span.text for span in own_spans(f"{above}> You never listen!!\n")] == ["Thank you, that helps."]
    outlook = "I see.\n\nFrom: Mrs. Holt\nSent: Tuesday\nTo: Dana\nSubject: Leo\n\nYou never listen!!\n"
    assert [span.text for span in own_spans(outlook)] == ["I see."]
    below = f"{above.partition('.')[2].strip()}\n> You never listen!!\n\nI see.\n"
    assert [span.text for span in own_spans(below)] == ["I see."]


@pytest.mark.parametrize(
    ("sentence", "loud"),
    [
        ("You are NOT LISTENING to me.", True),
        ("Stop it!!", True),
        ("How can this be?!", True),
        ("He did NOT turn it in.", False),
        ("The IEP and the PTA met in the USA.", False),
        ("Thank you!", False),
    ],
)
def test_shouting_is_more_than_one_word_of_stress(sentence: str, *, loud: bool) -> None:
    """Abbreviations are not shouted, and one stressed word is none."""
    assert shouts(sentence, warm=True) is loud


@pytest.mark.parametrize(
    "sentence",
    [
        "THIS IS NOT OK!!!",
        "I AM SO ANGRY!!!",
        "I HAVE ASKED YOU THREE TIMES!!!",
        "WE NEED TO TALK ABOUT THIS NOW!!!",
        "This is not acceptable!!",
        "I DO NOT APPRECIATE THIS!!!",
        "HELLO??? IS ANYBODY READING THIS???",
        "WHAT HAPPENED TO MY SON",
        "¡¡¡ESTO NO PUEDE SER!!!",
        "¡¡¡ESTAMOS HARTOS!!!",
    ],
)
def test_a_raised_voice_is_shouting(sentence: str) -> None:
    """Whether or not the words charge anybody."""
    assert "shouting" in [kind for kind, _ in found(sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Thank you SO MUCH for the photos!!! She loved the trip.",
        "SO proud!!!",
        "THANK YOU!!",
        "HE MADE THE TEAM AND WE ARE SO HAPPY!!!",
        "HI MS. KLEIN!!!",
        "She's six!!",
        "¡¡Felicidades!!",
        "¡¡¡MIL GRACIAS POR TODO, MAESTRA!!!",
        "¡¡¡Hola profe!!!",
        "DR. MARTIN LUTHER KING DAY ASSEMBLY",
    ],
)
def test_gladness_is_not_shouting(sentence: str) -> None:
    """Thanks, praise, joy, a greeting, a heading: said with a raised voice, they offend nobody."""
    assert "shouting" not in [kind for kind, _ in found(sentence)]


def test_what_asks_for_nothing_is_pointed_at_where_it_is_said() -> None:
    """No question: at the worried sentence, else at the first that charges; never at a greeting or thanks."""
    for start in ("Dear Ms. Alvarez,", "Thank you for the field trip photos!"):
        draft = f"{start}\n\nYou never listen to me.\n\nDana"
        assert ("no_question", "You never listen to me.") in found(draft)
        assert [text for _, text in found(draft) if text == start] == []


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("I'm worried about Maya.", "Me preocupa Maya. Llora todas las noches."),
        ("It worries us how she comes home.", "Nos inquieta cómo llega a casa."),
        ("We are very frustrated.", "Estamos muy frustrados."),
        ("I am not happy with how this went.", "No estoy contenta con lo que pasó."),
        ("This isn't working.", "Esto no está funcionando."),
        ("There is a serious problem with the seats.", "Hay un grave problema con los asientos."),
        ("That was outrageous.", "Eso fue indignante."),
        ("She is struggling with reading.", "Le cuesta mucho la lectura."),
        ("She cries every night.", "Llora todas las noches."),
        ("He doesn't want to go anymore.", "Ya no quiere ir."),
    ],
)
def test_a_worry_is_a_worry_in_both_languages(english: str, spanish: str) -> None:
    """Each way to raise a concern is known in English and in Spanish."""
    assert "no_question" in [kind for kind, _ in found(english)]
    assert "no_question" in [kind for kind, _ in found(spanish)]


def test_tears_of_joy_are_no_worry() -> None:
    """What once made a child cry, and what makes a parent cry for joy, asks for nothing."""
    assert found("Leyó solito el letrero y casi me suelto llorando ahí. Dios la bendiga.") == []
    assert found("Hace un año lloraba en la puerta. Solo gracias.") == []


def test_what_rules_find() -> None:
    """Blanks, length, a concern with nothing to go on, another child in a bad light."""
    assert ("blank", "____") in found("Thank you. I could come on ____ after work.")
    assert ("blank", "[your name]") in found("Thank you.\n[your name]")
    long = "I went to the shop and then I came home again with bread. " * (LONGEST_WORDS // 12 + 1)
    assert "too_long" in [kind for kind, _ in found(long)]
    assert found("I am very worried about how things are going.")[0][0] == "no_question"
    assert found("I am very worried about how things are going. What do you see in class?") == []
    assert other_children("My son Leo says that Jaden hit him.", ()) == {"Jaden"}
    assert other_children("Jaden hit him.", ()) == frozenset()
    assert "sensitive" in [kind for kind, _ in found("My son Leo came home hurt because Jaden hit him.", "Leo")]
    assert other_children("Ms. Ward told Maya on Monday that Leo may read.", ("Maya", "Leo")) == frozenset()


def test_the_plainest_tone_comes_first() -> None:
    """None below the limit; at least one above it."""
    assert tones_of(CALM, Limits()) == []
    assert tones_of(HOT, Limits()) == ["accusation"]
    weak = Tones(0.9, dict.fromkeys(TONES, 0.1) | {"blame": 0.2, "threat": 0.15})
    assert tones_of(weak, Limits()) == ["blame"]


def test_the_parents_own_words_are_not_taken_for_quoted_ones() -> None:
    """Theirs is a sentence like "On Monday you wrote:"; a saved mail is read; nothing is cleared unread."""
    told = "On Monday you wrote:\nLeo is lazy.\nYou ALWAYS lie to us and I will get you fired."
    assert any(kind in TONES for kind, _ in found(told))
    assert own_spans("From: Dana\nTo: Ms. Holt\nSubject: Leo\n\nYou always lie.\n")


def test_the_family_and_places_are_no_other_children() -> None:
    """A surname, a town, a book, a late bus."""
    for text in (
        "My daughter Maya Rivera was pushed on the bus on Monday. What was seen?",
        "Our son Leo loved the trip to Boston. Thank you!",
        "Leo was a bit late because the bus from Oakland broke down. Is that alright?",
        "Maya has trouble with the Lincoln essay. What could she do first?",
    ):
        assert "sensitive" not in [kind for kind, _ in found(text, "Maya", "Leo")], text


def test_no_worry_is_no_worry() -> None:
    """What is no problem asks for nothing; a line that a mail program draws is no blank."""
    assert found("That's not a problem at all.") == []
    assert found("I'm not worried, take your time.") == []
    assert found("Thank you.\n________________________________\n") == []


# --- A calmer way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "kind", "instead"),
    [
        ("Why did you give him a zero?", "accusation", "Can you help me understand the decision to give him a zero?"),
        ("Why wasn't I told?", "accusation", None),
        ("I demand you to change the grade immediately.", "demand", "Would it be possible to change the grade?"),
        ("FIX this today or I am going to the principal.", "demand", "Would it be possible to fix this today?"),
        ("This is UNACCEPTABLE!!!", "shouting", "This is unacceptable."),
        ("Why was Leo moved up?", "blame", "Can you help me understand how it came that Leo was moved up?"),
    ],
)  # fmt: skip
def test_the_sentences_own_words_are_kept(sentence: str, kind: str, instead: str | None) -> None:
    """Where it is built like one of the patterns; else a sentence for its kind."""
    said = calmer(sentence, kind, "en")  # type: ignore[arg-type]
    assert said == instead if instead else said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_words(language: Language, kind: str) -> None:
    """A reason and a calmer sentence in both languages, none of them charged itself."""
    said = calmer("You never call about the homework and the bus.", kind, language)  # type: ignore[arg-type]
    assert said
    assert "{" not in said
    assert word_table(language, "calmer")["why"][kind]
    assert word_table(language, "words")["check"]["kind"][kind]
    if kind not in ("shouting", "too_long", "blank"):
        assert [remark for remark in found(said) if remark[0] in TONES] == []


def test_instead_is_in_the_drafts_language() -> None:
    """A Spanish draft of an English household gets Spanish sentences and English reasons."""
    draft = "¿Por qué usted nunca contesta los correos que le mando sobre mi hijo?"
    spans = own_spans(draft)
    (finding,) = findings_of(remarks(draft, [HOT] * len(spans), Limits()), draft, "en")
    assert finding.instead.startswith("¿Me puede contar")
    assert finding.why.startswith("This reads")


@given(st.text(max_size=200))
def test_lowering_a_voice_never_fails(text: str) -> None:
    """Nothing that is typed raises."""
    assert lowered(text) is not None


# --- The command and its model ---------------------------------------------------------------------------

Run = Callable[..., "object"]


def test_check_prints_the_documented_object(run_triage: Callable[..., object], tmp_path: Path) -> None:
    """`ok` and findings with text, offsets, kind, why and instead; no configuration needed."""
    draft = tmp_path / "draft.txt"
    draft.write_text(ANGRY, encoding="utf-8")
    done = run_triage("check", str(draft), "--json")
    answer = json.loads(done.stdout)  # type: ignore[attr-defined]
    assert answer["ok"] is False
    for finding in answer["findings"]:
        assert set(finding) == {"text", "start", "end", "kind", "why", "instead"}
        assert ANGRY[finding["start"] : finding["end"]] == finding["text"]
        assert finding["kind"] in KINDS
    calm = run_triage("check", "-", "--json", stdin=FAIR.encode())
    assert json.loads(calm.stdout) == {"ok": True, "findings": []}  # type: ignore[attr-defined]
    shown = run_triage("check", stdin=ANGRY.encode())
    assert "Perhaps: " in shown.stdout  # type: ignore[attr-defined]
    assert shown.returncode == 0  # type: ignore[attr-defined]


def test_check_says_what_is_wrong_with_its_input(run_triage: Callable[..., object], tmp_path: Path) -> None:
    """No file, no text, too much: one sentence each, exit code 2."""
    for arguments, stdin, words in (
        (["check", str(tmp_path / "none.txt")], b"", "cannot be read"),
        (["check", "-"], b"\xff\xfe\x00", "UTF-8"),
        (["check", "-"], b"word " * 60_000, "too large"),
    ):
        done = run_triage(*arguments, stdin=stdin)
        assert done.returncode == 2  # type: ignore[attr-defined]
        assert words in done.stderr  # type: ignore[attr-defined]
        assert "Traceback" not in done.stderr  # type: ignore[attr-defined]


def test_the_familys_names_come_from_the_configuration(household: Household) -> None:
    """Another child is known as such, because the own ones are."""
    done = household.run("check", "-", "--json", stdin=b"Yesterday Jaden hit Maya on the bus. What was seen?")
    kinds = [finding["kind"] for finding in json.loads(done.stdout)["findings"]]
    assert "sensitive" in kinds


def test_the_card_tells_the_truth() -> None:
    """The shipped model of tones has the figures of its card."""
    held_out = [draft for draft in load_drafts(corpus_path()) if draft.split == "heldout"]
    card = (shipped("models") / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert table_of(report(read(held_out, MODEL))) in card


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    """As every model file: hash and format are looked at before it is read."""
    path = tmp_path / "tone.skops"
    save(MODEL, path)
    again = load(path)
    assert isinstance(again, ToneModel)
    assert again.score(["You never listen."]) == MODEL.score(["You never listen."])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged"):
        load(path)
    assert len(PRIMARIES) == 6


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Honestly, this is amateur hour.", "sarcasm"),
        ("That punishment was a joke.", "sarcasm"),
        ("Even a toddler can see what is going on there.", "sarcasm"),
        ("How nice of you to finally write.", "sarcasm"),
        ("Gracias por dignarse a responder.", "sarcasm"),
        ("No me sorprende que todos se porten mal con usted.", "sarcasm"),
        ("Change his seat.", "demand"),
        ("Just remove that zero!", "demand"),
    ],
)
def test_idioms_of_contempt_and_bare_orders_are_pointed_at_in_any_letter(sentence: str, kind: str) -> None:
    """Even where the model of tones hears nothing, among friendly sentences."""
    letter = f"Dear Mr. Osei,\n\nThank you for your note. {sentence} We will talk with Leo tonight. Could you call me?"
    spans = own_spans(letter)
    assert (kind, sentence) in [(r.kind, r.text) for r in remarks(letter, [CALM] * len(spans), MODEL.limits, ["Leo"])]


@pytest.mark.parametrize(
    "sentence",
    [
        "He told me that it was a joke between the two boys.",
        "Dice que fue una broma.",
        "The card is so plain that even a substitute can follow it.",
        "No me sorprende que mi hija esté contenta con usted.",
        "Move her seat if you think that it helps.",
        "Please change his seat.",
        "Stop by my office any time.",
        "Fix that, and I will gladly sign it, could you?",
    ],
)
def test_what_only_sounds_like_contempt_or_an_order_is_left_alone(sentence: str) -> None:
    """A joke told again, a wish, an offer."""
    letter = f"Dear Mr. Osei,\n\nThank you for your note. {sentence} We will talk with Leo tonight. Could you call me?"
    assert remarks(letter, [CALM] * len(own_spans(letter)), MODEL.limits, ["Leo"]) == []


@pytest.mark.parametrize(
    ("draft", "charge"),
    [
        ("Usted nunca avisa nada, ¿me puede decir qué pasó el lunes?", "Usted nunca avisa nada"),
        ("¿Qué pasó? Usted dejó que le pegaran, ¿qué va a hacer?", "Usted dejó que le pegaran"),
    ],
)
def test_a_charge_before_a_question_is_a_charge(draft: str, charge: str) -> None:
    """Spanish marks where the question begins; what stands before it is judged by itself, in its place."""
    assert {text for kind, text in found(draft) if kind != "no_question"} == {charge}
    assert all(draft[span.start : span.end] == span.text for span in own_spans(draft))


@pytest.mark.parametrize(
    "draft", ["Hola maestra, ¿cómo le fue a Leo?", "Si Leo no trae la tarea, ¿me avisa por favor?"]
)
def test_what_stands_before_a_question_may_be_fair(draft: str) -> None:
    """A greeting and a condition charge nobody."""
    assert found(draft) == []
