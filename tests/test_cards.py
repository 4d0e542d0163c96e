"""Cards for the mails of a school year: each says what its mail says, asks for what it asks for, and no more."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.support.cases import verdict
from triage.classify import DueDate, Evidence, Label, Verdict
from triage.config import LANGUAGES, Config, Language
from triage.history import Past
from triage.message import Person
from triage.plan import deserves_card
from triage.prompts import Around, Card, Wording, make_card, note_text
from triage.said import hear, numbers
from triage.situations import situation_of

TODAY = date(2026, 1, 7)
HIT = Evidence("behavior", "Maya threw a shoe across the gym")
OFFER = Evidence("meeting_request", "I am happy to talk after two on any day")
BOTH = verdict(labels=("behavior", "meeting_request"), primary="behavior", evidence=(HIT, OFFER))

languages = pytest.mark.parametrize("language", LANGUAGES)


def card_of(judged: Verdict, language: Language = "en", own: str = "") -> Card:
    return make_card(judged, Config(timezone="UTC"), Wording(language), Around(TODAY, said=hear(own)))


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


# --- Danger ----------------------------------------------------------------------------------------------

FAINTED = Evidence("safety", "Maya fainted at choir")
DANGER = verdict(labels=(), primary="other_school", flags=("safety",), evidence=(FAINTED,), needs_reply=True)
CALLS = {
    "en": ("Maya fainted at choir. Please ring the health room at 555-0188 now. Her bag is in Room 9.", "555-0188"),
    "es": ("Maya se desmayó en el coro. Por favor llame a la enfermería al 91 555 01 88.", "91 555 01 88"),
}


@languages
def test_what_a_mail_about_danger_asks_comes_first(language: Language) -> None:
    """The request, with its number, before all else; the next step is to do it."""
    own, number = CALLS[language]
    card = card_of(DANGER, language, own)
    text = text_of(card, DANGER, language)
    assert number in card.asked[0]
    assert number in card.next_step
    assert number in card.reply
    assert text.index(card.asked[0]) < text.index(card.known[0])
    assert "Room 9" not in card.next_step


@languages
@pytest.mark.parametrize(
    "own",
    ["She has to be picked up by a parent as soon as possible.", "Maya debe ser recogida lo antes posible."],
)
def test_to_fetch_the_child_is_what_is_asked(own: str, language: Language) -> None:
    """Without a please, too; the number of nobody is invented."""
    card = card_of(DANGER, language, f"Maya fainted at choir. {own}")
    assert own.rstrip(".") in card.next_step
    assert not numbers(card.reply)


@languages
def test_a_talk_some_day_is_not_what_comes_first(language: Language) -> None:
    """Next week's talk does not stand before the danger; a call that is asked for does."""
    talk = "Me gustaría hablar con ustedes el martes 24 a las 16:30."
    own = f"Maya fainted at choir. {talk} Could we meet next Tuesday at three?"
    first = {"en": "Read the mail itself", "es": "Lea el correo mismo"}[language]
    assert card_of(DANGER, language, own).next_step.startswith(first)
    assert "ring me" in card_of(DANGER, language, f"{own} Could you ring me when you get this?").next_step


@languages
def test_the_child_is_asked_when_child_and_parent_are_together(language: Language) -> None:
    """A child who is not found, or in an ambulance, cannot be asked first."""
    card = card_of(DANGER, language, CALLS[language][0])
    text = text_of(card, DANGER, language)
    assert card.ask_child[0].startswith({"en": "When you are together", "es": "Cuando estén juntos"}[language])
    assert {"en": "First, with", "es": "Primero, con"}[language] not in text


@languages
def test_nobody_is_sent_to_a_strangers_number(language: Language) -> None:
    """Who may be a forger, or is nobody's teacher yet, does not say what to do first, nor whom to call."""
    forged = replace(DANGER, warnings=("it is not confirmed",), sender="suspicious")
    for one in (forged, replace(DANGER, sender="unknown")):
        card = card_of(one, language, CALLS[language][0])
        assert CALLS[language][1] not in card.next_step + card.reply + card.wait


def test_numbers_are_telephone_numbers() -> None:
    """No dates, no sums, no pages; only where the sentence speaks of calling."""
    assert numbers("Call the office at (555) 010-0199, ext. 4 before 3:15.") == ("(555) 010-0199, ext. 4",)
    assert numbers("Llame al +34 91 555 01 88.") == ("+34 91 555 01 88",)
    assert numbers("Call me before 2026-11-20 or 23.11.2026 about the $1200 2000.") == ()
    assert numbers("She read pages 112 113 114.") == ()


@pytest.mark.parametrize(
    "text",
    [
        "Please let me know if you have any questions.",
        "Please note that the gym is closed.",
        "Feel free to call me.",
        "Any questions?",
        "Si tiene alguna duda, por favor llame a la escuela.",
        'He asked "may I go now?"',
    ],
)
def test_a_courtesy_asks_nothing(text: str) -> None:
    """What only sounds like a request is none."""
    assert hear(text).asked == ()


# --- A talk that is settled ------------------------------------------------------------------------------

AT = DueDate("2026-01-13T16:00:00+00:00", "meeting", "Tuesday at 4")


@languages
@pytest.mark.parametrize(
    "own",
    [
        "Great, Tuesday at 4 is confirmed.",
        "This is to confirm our talk on Tuesday at 4 in room 114.",
        "Le confirmo nuestra cita del martes a las 4.",
        "You are in my calendar for Tuesday at 4.",
        "Thanks, that works for me. See you Tuesday!",
        "Gracias, nos vemos el martes a las 4 en la biblioteca.",
        "Queda confirmada la cita del martes. La espero a las 4.",
    ],
)
def test_what_is_settled_is_not_asked_again(own: str, language: Language) -> None:
    """A date to note, a line to write if one likes, no time to offer."""
    judged = verdict(
        labels=("meeting_request",), primary="meeting_request", evidence=(replace(OFFER, text=own),), due=(AT,)
    )
    card = card_of(judged, language, own)
    assert card.situation == "confirmed"
    assert "13" in card.headline + card.next_step
    assert card.reply.count("____") == 1
    assert {"en": "No answer is needed", "es": "No hace falta responder"}[language] in card.wait
    assert not card.unknown


@pytest.mark.parametrize(
    "own",
    [
        "Tuesday at 4 works for me. Does it suit you?",
        "Let me know if Tuesday is confirmed on your side.",
        "It is not confirmed yet.",
        "Please confirm Tuesday at 4.",
        "Le espero el martes. Confírmeme, por favor.",
    ],
)
def test_what_is_still_open_is_not_settled(own: str) -> None:
    """A question, a condition or a denial leaves the talk open."""
    judged = verdict(labels=("meeting_request",), primary="meeting_request", evidence=(replace(OFFER, text=own),))
    assert card_of(judged, "en", own).situation == "meeting_request"


# --- What the teacher asks -------------------------------------------------------------------------------

ASKED = {
    "en": "Maya rubs her eyes a lot. Does she sleep well? I wonder about it.",
    "es": "Maya se frota mucho los ojos. ¿Duerme bien en casa? Me pregunto si sí.",
}
QUESTION = {"en": "“Does she sleep well?”", "es": "«¿Duerme bien en casa?»"}
CURIOUS = {"en": "Can you help me understand", "es": "¿Me ayuda a entender"}


@languages
def test_a_question_of_the_teachers_is_shown_and_has_its_place(language: Language) -> None:
    """On the card as the teacher's, and in the reply with a blank; our own question does not stand beside it."""
    judged = verdict(labels=("behavior",), primary="behavior", evidence=(HIT,), needs_reply=True)
    card = card_of(judged, language, ASKED[language])
    assert card.asked == (QUESTION[language],)
    assert QUESTION[language] in text_of(card, judged, language)
    assert re.search(re.escape(QUESTION[language]) + r" \w+ \w+: ____", card.reply)
    assert CURIOUS[language] not in card.reply
    assert CURIOUS[language] in card_of(judged, language).reply


@languages
@pytest.mark.parametrize("labels", [("homework",), ("homework", "behavior"), ("behavior", "praise"), ()])
def test_each_kind_of_card_leaves_room_for_the_answer(labels: tuple[Label, ...], language: Language) -> None:
    """Whatever the mail is about."""
    judged = verdict(labels=labels, primary=labels[0] if labels else "other_school", needs_reply=True)
    assert QUESTION[language] in card_of(judged, language, ASKED[language]).reply


def test_an_invitation_is_answered_with_times_alone() -> None:
    """It is no question beside them."""
    own = "Could we meet on Friday? Does she sleep well?"
    judged = verdict(labels=("meeting_request",), primary="meeting_request", evidence=(OFFER,), needs_reply=True)
    reply = card_of(judged, "en", own).reply
    assert "Could we meet" not in reply
    assert "Does she sleep well?" in reply


@languages
def test_good_news_that_asks_for_an_answer_says_so(language: Language) -> None:
    """The day that the mail names, a blank to fill; news that asks nothing needs no answer."""
    won = Evidence("praise", "Maya won the spelling round")
    due = (DueDate("2026-01-16", "reply", "by January 16"),)
    judged = verdict(labels=("praise",), primary="praise", evidence=(won,), due=due)
    own = {"en": "Please tell me by January 16 if she can come.", "es": "Dígame antes del 16 de enero si puede venir."}
    card, quiet = card_of(judged, language, own[language]), card_of(replace(judged, due=()), language)
    for text in (card.wait, card.next_step):
        assert "16" in text
    assert own[language].rstrip(".") in card.reply
    assert {"en": "No answer is needed", "es": "No hace falta"}[language] in quiet.wait
    assert {"en": "No answer is needed", "es": "No hace falta"}[language] not in card.wait
    assert "My answer" in card_of(judged).reply


# --- A first mail ----------------------------------------------------------------------------------------

LEE = Person("Mr. Lee", "lee@maplewood.k12.example")
FIRST = verdict(labels=(), primary="other_school", evidence=(), teacher=LEE)
KNOWN = (Past(datetime(2026, 1, 5, tzinfo=UTC), "Maya", "alvarez@maplewood.k12.example", ("homework",)),)


def test_hello_is_said_where_there_is_nothing_else_to_do() -> None:
    """Not to an office, not where something is asked or due; then the ordinary card comes."""
    asked = hear("Please send me a note about the late bus.")
    clerk = replace(FIRST, teacher=Person("Mrs. Kim", "attendance@maplewood.k12.example"))
    assert situation_of(FIRST, KNOWN) == "new_teacher"
    assert situation_of(FIRST, KNOWN, asked) == "other_school"
    assert situation_of(clerk, KNOWN) == "other_school"
    assert situation_of(replace(FIRST, due=(DueDate("2026-01-08", "form", "tomorrow"),)), KNOWN) == "other_school"
    assert situation_of(replace(FIRST, needs_reply=True), KNOWN) == "other_school"


# --- What is over ----------------------------------------------------------------------------------------

OVER = [
    ("She said sorry to Ada and they shook hands. All good here.", "settled"),
    ("The matter of the chairs is resolved. No need to do anything.", "settled"),
    ("Lo de las sillas ya quedó resuelto. Todo bien.", "settled"),
    ("An update after last week's biting: not one incident since.", "resolved"),
]


@languages
@pytest.mark.parametrize(("own", "situation"), OVER)
def test_what_is_over_is_no_concern(own: str, situation: str, language: Language) -> None:
    """No question what came before, no pause for what stings; nothing that ended is quoted as the concern."""
    sentence = own.split(". ", maxsplit=1)[0]
    labels: tuple[Label, ...] = ("behavior", "praise") if situation == "resolved" else ("behavior",)
    judged = verdict(labels=labels, primary="behavior", evidence=(Evidence("behavior", sentence),))
    card = card_of(judged, language, own)
    assert card.situation == situation
    assert CURIOUS[language] not in " ".join([card.reply, *card.ask_teacher])
    assert not re.search("stings|duele", card.pause)
    assert {"en": "No answer is needed", "es": "No hace falta"}[language] in card.wait


@pytest.mark.parametrize(
    "own",
    [
        "Maya threw a shoe across the gym. She apologized.",
        "Maya threw a shoe across the gym. All good here. Could you talk to her?",
    ],
)
def test_a_new_concern_is_not_over_because_the_day_ended_well(own: str) -> None:
    """What has just happened, or is still asked, keeps its card."""
    judged = verdict(labels=("behavior",), primary="behavior", evidence=(HIT,))
    assert card_of(judged, "en", own).situation == "behavior"


@languages
@pytest.mark.parametrize("own", ["Do you know why she left early?", "¿Sabe usted por qué salió antes?"])
def test_a_question_why_is_shown_and_answered_unrepeated(own: str, language: Language) -> None:
    """It has its blank in the reply, without the word that reproaches there."""
    judged = verdict(labels=("behavior",), primary="behavior", evidence=(HIT,), needs_reply=True)
    card = card_of(judged, language, own)
    assert own in card.asked[0]
    assert own not in card.reply
    assert {"en": "My answer to what you ask: ____", "es": "Mi respuesta a lo que pregunta: ____"}[
        language
    ] in card.reply


# --- Plans ---------------------------------------------------------------------------------------------------

MEANTIME = Evidence("plan", "Under her 504 she may dictate the log")
BLANK = Evidence("homework", "Her reading log has been empty for a fortnight")
OF_WORK = verdict(labels=("homework",), flags=("plan",), evidence=(MEANTIME, BLANK))


@languages
def test_a_plan_in_the_background_does_not_hide_the_matter(language: Language) -> None:
    """The label's card, which says where to keep the mail; where the plan is the matter, the plan's."""
    papers = Wording(language).words["plan_papers"]
    assert situation_of(OF_WORK) == "homework"
    assert papers in card_of(OF_WORK, language).document
    review = Evidence("plan", "At the annual review of her 504 we look at the log")
    about = replace(OF_WORK, evidence=(review, BLANK))
    assert situation_of(about) == "plan"
    assert papers not in card_of(about, language).document
    assert situation_of(replace(OF_WORK, labels=("homework", "meeting_request"))) == "plan"


CONSENT = {
    "en": "We ask for your consent to evaluate Maya for special education. The form is attached.",
    "es": "Le pedimos su consentimiento para evaluar a Maya. El estudio es para ver si necesita educación especial.",
}


@languages
@pytest.mark.parametrize("own", CONSENT.values())
def test_a_child_without_a_plan_has_no_support_to_speak_of(own: str, language: Language) -> None:
    """Before a first evaluation nobody asks how the support is used; of a plan that stands one does."""
    asked = verdict(labels=(), primary="other_school", flags=("plan",), evidence=(Evidence("plan", own),))
    now = {"en": "use the support", "es": "los apoyos"}[language]
    assert now not in str(card_of(asked, language, own))
    stands = replace(asked, subject="Annual review / revisión anual del plan 504")
    assert now in str(card_of(stands, language, own))


@languages
@pytest.mark.parametrize(
    ("own", "times"),
    [
        ("Here is her IEP progress report for the first quarter.", False),
        ("You can call me with any questions about her IEP.", False),
        ("Could we meet about her IEP next week?", True),
        ("¿Podríamos reunirnos para revisar su plan 504?", True),
    ],
)
def test_times_are_offered_where_a_talk_is_asked_for(own: str, times: bool, language: Language) -> None:
    """A plan alone is no invitation."""
    plan = verdict(
        labels=("meeting_request",), primary="meeting_request", flags=("plan",), evidence=(Evidence("plan", own),)
    )
    reply = card_of(plan, language, own).reply
    assert ({"en": "times would suit me", "es": "Estas horas"}[language] in reply) == times


@languages
def test_a_plan_mail_that_asks_nothing_is_put_away(language: Language) -> None:
    """Nothing to answer, nothing to ask in writing: a report to keep."""
    own = "Here is her IEP progress report for the first quarter."
    report = verdict(labels=(), primary="other_school", flags=("plan",), evidence=(Evidence("plan", own),))
    quiet, open_one = card_of(report, language, own), card_of(replace(report, needs_reply=True), language, own)
    assert quiet.next_step.startswith({"en": "Put this mail", "es": "Ponga este correo"}[language])
    assert quiet.wait != open_one.wait
    assert "____ o" not in quiet.reply


# --- Good news and news -----------------------------------------------------------------------------------------


@languages
def test_good_news_after_a_worry_leaves_nothing_to_find_out(language: Language) -> None:
    """What came just before is a question about a worry that stands."""
    own = {"en": "The hitting is a thing of the past.", "es": "Lo de pegar es cosa del pasado."}[language]
    said = (Evidence("behavior", own), Evidence("praise", own))
    judged = verdict(labels=("behavior", "praise"), primary="praise", evidence=said)
    card = card_of(judged, language, own)
    assert card.situation == "resolved"
    assert card.unknown == ()
    assert card_of(replace(judged, evidence=(HIT,), labels=("behavior",), primary="behavior"), language).unknown


@languages
def test_news_that_asks_nothing_gets_no_answer_to_fill_in(language: Language) -> None:
    """A blank stands where something is asked."""
    news = verdict(labels=(), primary="other_school", evidence=())
    answer = {"en": "My answer", "es": "Mi respuesta"}[language]
    assert answer not in card_of(news, language).reply
    assert answer in card_of(replace(news, needs_reply=True), language).reply


NEWSLETTER = """Dear families,

Picture day is January 15. The book fair opens on January 20. Please send the museum slip by Friday.
Which day suits you for conferences? Some of you asked about 504 plans: see the office."""


@languages
@pytest.mark.parametrize("labels", [(), ("homework",), ("meeting_request",), ("praise",), ("behavior", "praise")])
def test_a_newsletter_gives_its_dates_and_nothing_else(labels: tuple[Label, ...], language: Language) -> None:
    """No question, no pause, no reply, no day to answer by, whatever the newsletter is about; nor does its note."""
    due = (DueDate("2026-01-15", "event", "January 15"), DueDate("2026-01-09", "form", "by Friday"))
    primary = labels[0] if labels else "other_school"
    plan = Evidence("plan", "Some of you asked about 504 plans: see the office")
    judged = verdict(labels=labels, primary=primary, flags=("bulk", "plan"), due=due, evidence=(HIT, plan))
    card = card_of(replace(judged, unsure=True), language, NEWSLETTER)
    assert (card.situation, card.primary) == ("newsletter", primary)
    assert (card.pause, card.wait, card.reply, card.answer_by, card.where) == ("",) * 5
    assert (card.ask_child, card.ask_teacher, card.asked, card.known, card.unknown) == ((),) * 5
    for what, day in (("event", "15"), ("form", "9")):
        assert Wording(language).words["what"][what] in card.document
        assert re.search(rf"\b{day}\b", card.document)
    text = text_of(card, judged, language)
    assert card.document in text
    assert "____" not in text
    assert not re.search("(?m)^(?:When|Cuándo|For|Para)\\b|reply to adapt|para adaptar", text)
    assert text_of(card_of(replace(judged, flags=()), language), judged, language).count("____")
    assert not deserves_card(judged)


@languages
def test_a_newsletter_without_a_date_and_one_that_may_speak_of_safety(language: Language) -> None:
    """Nothing to note; and a line that may concern safety is shown, without alarm or with it."""
    news = verdict(labels=(), primary="other_school", flags=("bulk",), evidence=())
    assert card_of(news, language).document.endswith({"en": "No date to keep.", "es": "No trae fecha."}[language])
    lice = replace(news, flags=("bulk", "safety"), evidence=(FAINTED,), doubted=("safety",))
    card = card_of(lice, language)
    assert card.situation == "newsletter"
    assert card.next_step == Wording(language).words["may_be_safety"]
    assert FAINTED.text in card.known[0]
    assert card_of(replace(lice, doubted=()), language).situation == "safety"


# --- What there is to a concern ------------------------------------------------------------------------------------

DAY = re.compile("that day|ese día|what came (?:just )?before|qué pasó (?:justo )?antes|happened just before")
STING = re.compile("stings|duele")


def behavior_card(own: str, language: Language, labels: tuple[Label, ...] = ("behavior",)) -> Card:
    told = tuple(Evidence("behavior", text) for text in hear(own).sentences)
    return card_of(verdict(labels=labels, primary="behavior", evidence=told), language, own)


@languages
@pytest.mark.parametrize("labels", [("behavior",), ("behavior", "meeting_request")])
@pytest.mark.parametrize(
    "own",
    [
        "Maya has seemed quieter these weeks.",
        "Maya has been more tired than usual. I have noticed that she eats alone.",
        "Maya often leaves her seat. She tends to do it in math.",
        "These past weeks Maya has looked sad. She barely talked to her table.",
        "Maya used to raise her hand, and now she does not any more.",
        "Maya was late to first period three times this week, and she missed the instructions each time.",
        "Maya se ha mostrado más callada estas semanas.",
        "Maya llegó tarde tres veces esta semana.",
        "Desde hace unas semanas Maya ya no participa como antes. He notado que come sola.",
        "Maya suele levantarse de su lugar en clase.",
    ],
)
def test_no_day_is_asked_about_where_there_is_none(own: str, labels: tuple[Label, ...], language: Language) -> None:
    """What has been so for weeks has no start and nothing just before; it is a worry all the same."""
    card = behavior_card(own, language, labels)
    assert not DAY.search(" ".join([*card.ask_child, *card.ask_teacher, card.reply, *card.unknown]))
    assert STING.search(card.pause)
    assert len(card.ask_teacher) == 2


@languages
@pytest.mark.parametrize(
    "own",
    [
        "Maya threw a shoe across the gym.",
        "Maya hit a boy at recess today.",
        "Maya has seemed tired lately. Today she told a girl to go away.",
        "Maya has been restless these weeks. She pushed a boy in line.",
        "Maya empujó a otra niña en la fila.",
        "Hoy Maya le ha quitado el lápiz a un compañero.",
    ],
)
def test_what_happened_once_is_asked_from_the_start(own: str, language: Language) -> None:
    """A day or a deed in the past tense, even beside what has been so for weeks."""
    card = behavior_card(own, language)
    assert DAY.search(card.ask_child[0] + card.ask_child[1])
    assert DAY.search(card.reply)


@languages
@pytest.mark.parametrize(
    "own",
    [
        "Maya came in with a new haircut and we had to laugh, she was so proud of it.",
        "Maya's new haircut is so cute! The whole class clapped.",
        "Maya llegó con un corte de pelo nuevo y todos aplaudieron.",
        "A Maya se le cayó un diente y estaba muy contenta.",
    ],
)
def test_where_a_teacher_is_glad_nothing_stings(own: str, language: Language) -> None:
    """Whatever the label: no day to account for, no pause for a hurt, nobody to be helped."""
    card = behavior_card(own, language)
    said = " ".join([card.pause, *card.ask_child, *card.ask_teacher, card.reply, card.next_step, *card.unknown])
    assert not STING.search(said)
    assert not DAY.search(said)
    assert not re.search("helps|ayuda|full picture|imagen completa", said)
    assert card.reply.count("____") <= 2


@pytest.mark.parametrize(
    "own",
    [
        "Maya was so excited that she pushed a boy off the bench.",
        "Maya is a happy girl, but she left her seat ten times.",
        "The whole class clapped and Maya interrupted them again.",
        "Maya estaba muy contenta, pero interrumpió la clase.",
        "Maya was very excited. Could you talk to her about it?",
    ],
)
def test_a_glad_word_does_not_hide_a_worry(own: str) -> None:
    """Where something is amiss as well, or is asked, it stays a concern."""
    assert STING.search(behavior_card(own, "en").pause)


@languages
def test_where_no_concern_is_likely_nobody_is_to_be_helped(language: Language) -> None:
    """Mail that triage does not understand may be about a first tooth."""
    scores = dict.fromkeys(("homework", "behavior", "meeting_request", "praise"), 0.03) | {"school": 0.99}
    tooth = verdict(labels=(), primary="other_school", evidence=(), unsure=True, reason="x", scores=scores)
    helped = {"en": "what would help Maya", "es": "qué le ayudaría más a Maya"}[language]
    own = "Maya lost her first tooth at snack."
    assert helped not in card_of(tooth, language, own).reply
    assert helped in card_of(replace(tooth, scores=scores | {"behavior": 0.4}), language, own).reply


# --- Mixtures --------------------------------------------------------------------------------------------------


def test_a_mixture_that_is_certain_is_not_called_unclear() -> None:
    """Which of two comes first may be open; what they are is not."""
    scores = dict.fromkeys(("homework", "praise"), 0.01) | {"behavior": 0.99, "meeting_request": 0.98, "school": 0.7}
    mixed = replace(BOTH, unsure=True, reason="it is not clear what this mail is about", scores=scores)
    assert situation_of(mixed) == "behavior_meeting"
    assert situation_of(replace(mixed, scores=scores | {"meeting_request": 0.6})) == "unsure"
    assert situation_of(replace(mixed, sender="unknown")) == "unsure"
    assert situation_of(replace(mixed, labels=("behavior",))) == "unsure"


# --- What a reply repeats ------------------------------------------------------------------------------------


@languages
@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        (
            "This is to inform you that Maya has not handed in her maths and science notebooks despite reminders",
            "Maya has not handed in her maths and science notebooks despite reminders",
        ),
        (
            "Quería comentarle que Maya lleva tres semanas sin entregar la libreta",
            "Maya lleva tres semanas sin entregar",
        ),
        ("Maya has been given half an hour of detention on Wednesday 25/11 for a third late homework in maths", None),
        ("Maya " + "did one long thing after another thing of the same kind " * 4, ""),
    ],
)
def test_a_reply_repeats_a_whole_thing_or_nothing(said: str, repeated: str | None, language: Language) -> None:
    """No opening that says nothing, no sentence that breaks off in its middle."""
    reply = card_of(verdict(labels=("homework",), evidence=(Evidence("homework", said),)), language).reply
    quoted = [*re.findall("[“«]([^”»]+)[”»]", reply), ""][0]
    assert "…" not in reply
    assert quoted.startswith(said if repeated is None else repeated)
    assert bool(quoted) == (repeated != "")
