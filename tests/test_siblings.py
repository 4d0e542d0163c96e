"""Mails that tell of several children of one family: what is said of each is on the card, and of nobody else."""

import re
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

import pytest

from tests.support.guidance import Shown, violations
from tests.test_prompts import BEFORE, SITUATIONS
from triage import model as models
from triage.classify import Verdict
from triage.config import LANGUAGES, Child, Config, Language
from triage.digest import Day, build_digest, to_text
from triage.judge import Household, Judgement, RawMail, judge
from triage.message import parse_message
from triage.observe import kept_of
from triage.plan import Place, Stored
from triage.prompts import Around, Card, Wording, make_card
from triage.resources import shipped_model_path
from triage.siblings import Siblings, pieces_of

MODEL = models.load(shipped_model_path())
FAMILY = (Child(name="Isla", aliases=("Izzy",)), Child(name="Dev", aliases=("Devi",)))
TODAY = date(2026, 1, 7)


def raw(own: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Ms. Alvarez <alvarez@maplewood.k12.example>"
    mail["To"] = "Jo Rivera <jo@rivera.example>"
    mail["Subject"] = "Today"
    mail["Date"] = "Wed, 07 Jan 2026 15:04:00 -0500"
    mail["Message-ID"] = "<siblings@maplewood.k12.example>"
    mail.set_content(own)
    return mail.as_bytes()


def config_of(language: Language) -> Config:
    school = {"domains": ("maplewood.k12.example",)}
    return Config.model_validate(
        {"timezone": "America/New_York", "language": language, "children": FAMILY, "school": school}
    )


def judged(own: str, language: Language = "en") -> Judgement:
    return judge([RawMail(raw(own))], Household(config_of(language), every_mail=True), MODEL, TODAY)[0]


def card_of(own: str, language: Language = "en") -> tuple[Card, Verdict]:
    found = judged(own, language)
    assert found.card is not None
    assert found.verdict is not None
    return found.card, found.verdict


# The mail, the child whom the main event is about, the other, what is told of each.
MAILS = [
    (
        "Isla would not come to her session and shouted at me, please talk to her. And Dev was wonderful today.",
        ("Isla", "shouted at me"),
        ("Dev", "Dev was wonderful today"),
    ),
    (
        "Dev was wonderful today. Isla pushed another student in the lunch line and would not say sorry.",
        ("Isla", "pushed another student"),
        ("Dev", "Dev was wonderful today"),
    ),
    (
        "Isla had a lovely morning, but Dev hit a classmate at recess today.",
        ("Dev", "Dev hit a classmate"),
        ("Isla", "Isla had a lovely morning"),
    ),
    (
        "Izzy helped a new girl. Her brother Devi still owes me the fractions worksheet and two reading logs.",
        ("Dev", "owes me the fractions worksheet"),
        ("Isla", "Izzy helped a new girl"),
    ),
    (
        "Dev forgot his reading log again. It is the third time. Izzy sang a solo at choir. She was proud of it.",
        ("Dev", "forgot his reading log"),
        ("Isla", "Izzy sang a solo"),
    ),
    (
        "Isla's reading is going very well. Dev's IEP meeting is on January 14 at 3. Please tell me if you can come.",
        ("Dev", "IEP meeting"),
        ("Isla", "reading is going very well"),
    ),
    (
        "Dear Isla and Dev's mom,\n\nIzzy read us her poem. Devi hit a boy at recess and then he threw a shoe.",
        ("Dev", "threw a shoe"),
        ("Isla", "read us her poem"),
    ),
    (
        "Dev fell off the climbing frame and hit his head. Please call me at 555-0188. Isla turned in all her work.",
        ("Dev", "hit his head"),
        ("Isla", "turned in all her work"),
    ),
    (
        "Dev estuvo muy bien hoy. Ayudó a un compañero nuevo. Isla empujó a otra niña en la fila.",
        ("Isla", "empujó a otra niña"),
        ("Dev", "Ayudó a un compañero nuevo"),
    ),
    (
        "Isla sacó diez en matemáticas, pero Devi no entregó la tarea de lectura.",
        ("Dev", "no entregó la tarea"),
        ("Isla", "sacó diez en matemáticas"),
    ),
    (
        "Hola:\n\nIzzy le pegó a un compañero durante el recreo. A Dev le fue muy bien en el examen.",
        ("Isla", "le pegó a un compañero"),
        ("Dev", "le fue muy bien"),
    ),
    (
        "Devi leyó un cuento a los pequeños. Izzy no ha traído la maqueta. La necesita para el viernes.",
        ("Isla", "no ha traído la maqueta"),
        ("Dev", "leyó un cuento"),
    ),
    (
        "Isla no entregó su mapa de ciencias; por favor pídale que lo traiga el lunes. Y Dev estuvo maravilloso hoy.",
        ("Isla", "no entregó su mapa"),
        ("Dev", "estuvo maravilloso"),
    ),
]  # fmt: skip
mails = pytest.mark.parametrize(("own", "main", "other"), MAILS, ids=[mail[0][:20] for mail in MAILS])
languages = pytest.mark.parametrize("language", LANGUAGES)


@languages
@mails
def test_what_is_told_of_the_other_child_is_on_the_card(
    own: str, main: tuple[str, str], other: tuple[str, str], language: Language
) -> None:
    """In the mail's words, under that child's name, in the note too; and not as what the card is about."""
    found = judged(own, language)
    card, verdict = card_of(own, language)
    assert verdict.child == main[0]
    line = next(text for text in card.known if text.startswith(f"{other[0]}: "))
    assert other[1] in line
    assert main[1] not in line
    assert line in card.others
    assert line in found.note_text
    repeated = " ".join([*re.findall("[“«][^”»]*[”»]", " ".join([card.reply, *card.ask_teacher, *card.ask_child]))])
    assert other[1] not in repeated


@languages
@mails
def test_each_child_is_spoken_to_and_spoken_of(
    own: str, main: tuple[str, str], other: tuple[str, str], language: Language
) -> None:
    """The main child first; the other has a line of its own, and its place in the reply. Beside danger nothing else."""
    card, _ = card_of(own, language)
    if card.situation == "safety":
        assert other[0] not in card.reply + str(card.ask_child)
        return
    assert card.ask_child[-1].startswith(f"{other[0]}, ")
    assert not any(other[0] in text for text in card.ask_child[:-1])
    assert other[0] in card.headline
    assert card.reply.count(other[0]) == 1
    assert not any(other[0] in text for text in (card.next_step, *card.ask_teacher))


@languages
@mails
def test_such_a_card_keeps_the_rules(own: str, main: object, other: object, language: Language) -> None:
    """Those that every card keeps: nothing invented, short, easy to read."""
    card, verdict = card_of(own, language)
    shown = Shown(card, verdict, parse_message(raw(own)), config_of(language))
    assert list(violations(shown, Wording(language))) == []


def test_what_is_good_of_one_is_not_a_mixture_about_the_other() -> None:
    """Praise of a brother makes no card of praise and concern; his date is not in her headline."""
    card, _ = card_of(
        "Devi helped a new boy. Isla pushed another student today, then she shouted at me and refused to sit down."
    )
    assert card.situation == "behavior"
    slip, _ = card_of(
        "Dev's museum slip is due on January 15. Isla still owes me her spelling worksheet and two essays."
    )
    assert "15" not in slip.headline + slip.reply
    assert any("January 15" in text for text in slip.known)


def test_a_mail_about_one_child_is_as_it_was() -> None:
    """A sister who is not named is not spoken of; who is only greeted is not either."""
    card, verdict = card_of("Dear Isla's mom,\n\nDev threw a shoe across the gym today.")
    assert verdict.child == "Dev"
    assert card.others == ()
    assert "Isla" not in str(card)


def test_whom_a_sentence_is_about() -> None:
    """The child that it names; the one before, where it goes on; nobody, where it speaks to the reader."""
    own = "Isla was late. She ran. Dev read. Please sign the slip. Both laughed. Thank you for asking about him."
    found = [(piece.text, piece.children) for piece in pieces_of("Hello", own, FAMILY, "en")]
    assert found == [
        ("Isla was late.", ("Isla",)),
        ("She ran.", ("Isla",)),
        ("Dev read.", ("Dev",)),
        ("Please sign the slip.", ()),
        ("Both laughed.", ("Isla", "Dev")),
        ("Thank you for asking about him.", ()),
    ]
    assert [piece.children for piece in pieces_of("Dev", "He ran fast.", FAMILY, "en")] == [("Dev",)]


@pytest.mark.parametrize(
    ("own", "texts"),
    [
        ("Isla read a poem, and Dev drew it for us.", ["Isla read a poem", "Dev drew it for us."]),
        ("Isla leyó un poema y a Dev le gustó mucho.", ["Isla leyó un poema", "Dev le gustó mucho."]),
        ("Isla and Dev drew it for us.", ["Isla and Dev drew it for us."]),
        ("Isla sat with Ada and Dev at lunch today.", ["Isla sat with Ada and Dev at lunch today."]),
        ("Isla told me that Dev was sick last night.", ["Isla told me that Dev was sick last night."]),
    ],
)
def test_a_sentence_is_cut_where_it_turns_to_the_other(own: str, texts: list[str]) -> None:
    """And not within a row of names."""
    assert [piece.text for piece in pieces_of("", own, FAMILY, "en")] == texts


def test_names_that_hold_each_other_or_are_words() -> None:
    """Ana Sofía is not Ana, and what will be is not Will."""
    family = (Child(name="Ana Sofía"), Child(name="Ana"), Child(name="Will"))
    found = pieces_of("", "Ana Sofía read. Ana ran. I will call about her. Will ran.", family, "en")
    assert [piece.children for piece in found] == [("Ana Sofía",), ("Ana",), ("Ana",), ("Will",)]


@languages
@pytest.mark.parametrize("situation", SITUATIONS)
def test_no_card_grows_too_long_by_the_other_child(situation: str, language: Language) -> None:
    """Whatever the card, a line for a brother fits on it; where there is danger or a forger, nothing is added."""
    pieces = pieces_of("", "Maya ran. Dev read a poem to us.", (Child(name="Maya"), Child(name="Dev")), "en")
    siblings = Siblings(pieces, {"behavior": "Maya"})
    around = Around(TODAY, BEFORE.get(situation, ()), siblings=siblings)
    card = make_card(SITUATIONS[situation], Config(timezone="UTC"), Wording(language), around)
    read = [card.headline, card.pause, *card.ask_child, *card.ask_teacher, card.next_step]
    assert len(re.sub("“[^”]*”|«[^»]*»", "", " ".join(read)).split()) <= 110
    assert any("Dev read a poem" in line for line in card.known)
    assert ("Dev" in card.reply) == (situation not in ("safety", "suspicious", "newsletter"))


def test_the_digest_tells_of_the_other_child_too() -> None:
    """Beneath the headline, even where what is asked and what is known of the first fill their two lines."""
    own = "Dev hit another student at recess. He kicked a door too. Can you talk with him? Isla read a poem to us."
    found = judged(own)
    at = datetime(2026, 1, 7, 20, tzinfo=UTC)
    row = Stored(
        account="home",
        key="k" * 64,
        message_id="<siblings@maplewood.k12.example>",
        place=Place("INBOX", 1, 1),
        received=at,
        day=at,
        status="done",
        tries=0,
        error="",
        tags=frozenset(),
        judgement=kept_of(found),
    )
    end = datetime(2026, 1, 8, 11, tzinfo=UTC)
    page = to_text(
        build_digest(Day(end - timedelta(days=1), end, [row]), config_of("en"), Wording("en")), Wording("en")
    )
    assert "Isla: “Isla read a poem to us”" in page
    assert "Dev hit another student" in page
