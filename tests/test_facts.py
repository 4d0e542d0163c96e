"""What a message states: child, teacher, flags, language."""

import pytest

from triage.config import Config
from triage.facts import Facts, detect_language, find_facts
from triage.message import parse_message

NOBODY = Config(timezone="UTC")


def facts(
    body: str, config: Config = NOBODY, sender: str = "Dana Alvarez <d@x.example>", subject: str = "Hello", **more: str
) -> Facts:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
    raw = (
        f"From: {sender}\r\nTo: Jo Rivera <jo@r.example>\r\nSubject: {subject}\r\n"
        f"Date: Wed, 07 Jan 2026 15:04:00 -0500\r\n{fields}\r\n{body}"
    )
    return find_facts(parse_message(raw.encode()), config)


@pytest.mark.parametrize(
    ("body", "child"),
    [
        ("Maya read well today. Maya R. is proud.", "Maya"),
        ("LEO lost a tooth", "Leo"),
        ("Leo and Maya fought; Leo hit, Leo ran.", "Leo"),
        ("Your daughter was wonderful", None),
        ("The mayan calendar project is due", None),
    ],
)
def test_configured_children_are_found_by_name(config: Config, body: str, child: str | None) -> None:
    """The one that is named most; nobody where nobody is named."""
    assert facts(body, config).child == child


def test_a_teacher_of_one_child_writes_about_that_child(config: Config) -> None:
    """The configuration says so."""
    assert facts("All well.", config, sender="alvarez@maplewood.k12.example").child == "Maya"


@pytest.mark.parametrize(
    ("body", "child"),
    [
        ("I wanted to tell you that Priya's reading is better, and that Priya was kind.", "Priya"),
        ("Dear families, picture day is on Friday. Thanks, the Office", None),
        ("Hi Jo, could you call me? Thanks", None),
        ("Please bring the Hatchet book and see the Counselor in Room Five.", None),
    ],
)
def test_a_name_is_guessed_only_where_the_mail_leaves_no_doubt(body: str, child: str | None) -> None:
    """Neither parent nor teacher, neither book nor room."""
    assert facts(body).child == child


@pytest.mark.parametrize(
    ("body", "sender", "teacher"),
    [
        ("All well.\n\nThanks,\nMs. Alvarez\nGrade 3", "Dana Alvarez <d@x.example>", "Ms. Alvarez"),
        ("All well.", "Dana Alvarez <d@x.example>", "Dana Alvarez"),
        ("All well.", '"Alvarez, Dana" <d@x.example>', "Dana Alvarez"),
        ("All well.\n\nDana", "Dana Alvarez <d@x.example>", "Dana Alvarez"),
        ("Ms. Ortiz sent you a message:\n\nAll well.", "ClassDojo <no-reply@classdojo.com>", "Ms. Ortiz"),
        ("All well.", "Ms. Ortiz (via Seesaw) <no-reply@seesaw.me>", "Ms. Ortiz"),
        ("Points were added.", "ClassDojo <no-reply@classdojo.com>", None),
        ("Ms. Rivera, Leo pushed a boy today. Please call.", "Ms. Ortiz <o@x.example>", "Ms. Ortiz"),
        ("Ms. Rivera,\nLeo pushed a boy.\nPlease call.", "Dana Ortiz <o@x.example>", "Dana Ortiz"),
        ("Mrs. Rivera - Leo bumped his head. He is fine.", "Nurse Abrams <n@x.example>", "Nurse Abrams"),
        ("All well.\n\nPrincipal", "Owen Maddox <m@x.example>", "Owen Maddox"),
        ("All well.\n\nWorld History", "Dee Yancey <y@x.example>", "Dee Yancey"),
        ("All well.\n\nReply", "Seesaw <no-reply@seesaw.me>", None),
        ("Todo bien.\n\nMtra. Lucía Fernández", "Escuela <e@x.example>", "Mtra. Lucía Fernández"),
        ("Todo bien.\n\nProfra. Elena Ruiz", "Escuela <e@x.example>", "Profra. Elena Ruiz"),
        ("Todo bien.\n\nDra. Ana Soto", "Escuela <e@x.example>", "Dra. Ana Soto"),
    ],
)
def test_the_human_who_writes(body: str, sender: str, teacher: str | None) -> None:
    """As signed; behind a platform the name that it shows; else the display name."""
    found = facts(body, sender=sender).teacher
    assert (found.name if found else None) == teacher


@pytest.mark.parametrize(
    ("sender", "reply_to", "address"),
    [
        ("dana@oak.example", "dana@elsewhere.example", "dana@oak.example"),
        ("dana@oak.example", "office@mail.oak.example", "office@mail.oak.example"),
        ("dana@mail.oak.example", "office@oak.example", "office@oak.example"),
        ("noreply@maplewood.k12.example", "alvarez@district.example", "noreply@maplewood.k12.example"),
        ("noreply@classdojo.com", "alvarez@elsewhere.example", "alvarez@elsewhere.example"),
    ],
)
def test_a_strangers_answer_elsewhere_is_not_the_teachers_address(
    config: Config, sender: str, reply_to: str, address: str
) -> None:
    """Nothing proves that it is the same person's, unless it is at the sender's own domain, or a platform relays it."""
    found = facts("All well.\n\nThanks,\nMs. Alvarez", config, f"Dana Alvarez <{sender}>", Reply_To=reply_to).teacher
    assert found is not None
    assert (found.name, found.address) == ("Ms. Alvarez", address)


@pytest.mark.parametrize(
    "body",
    [
        "Her IEP meeting is soon.",
        "We follow the 504.",
        "The SENCO asked for the EHCP review.",
        "I am the case manager.",
        "We would like consent for a psychoeducational evaluation.",
        "Su plan 504 sigue vigente.",
    ],
)
def test_plan_words(body: str) -> None:
    """Written for recall, with the sentence as its quote."""
    found = facts(body)
    assert "plan" in found.flags
    assert ("plan", body) in found.quotes


@pytest.mark.parametrize(
    "body",
    [
        "He bumped his head at recess.",
        "She said she does not want to be here anymore.",
        "He had an allergic reaction after lunch.",
        "A student brought a knife.",
        "We could not find him for ten minutes.",
        "Se cayó y se golpeó la cabeza.",
        "Dijo que quería morirse.",
    ],
)
def test_safety_words(body: str) -> None:
    """Written for recall."""
    assert "safety" in facts(body).flags


def test_bulk_by_header_or_greeting() -> None:
    """Lists, and letters to all."""
    assert "bulk" in facts("x", List_Unsubscribe="<mailto:x@y.example>").flags
    assert "bulk" in facts("Dear families, picture day is near.").flags
    assert "bulk" not in facts("Dear Ms. Rivera, Maya was kind.").flags


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The class was very good and she is happy with it.", "en"),
        ("La maestra dice que el niño no trajo la tarea y que hay que firmar.", "es"),
        ("Les enfants sont sages et nous avons lu une histoire pour la classe.", "fr"),
        ("Die Kinder haben heute nicht gelesen und wir bitten um eine Antwort.", "de"),
        ("Prezados pais, a reunião da turma será na quinta. Por favor, confirmem com a professora.", "pt"),
        ("Gentili genitori, la riunione della classe si terrà giovedì. Vi prego di venire con il libretto.", "it"),
        ("Szanowni Państwo, proszę o zgodę na wycieczkę do muzeum. Nie zapomnijcie o śniadaniu.", "pl"),
        ("Kính gửi phụ huynh, ngày mai các con được nghỉ học. Xin cho con mang theo sách.", "vi"),
        ("Magandang umaga po. Wala pong pasok ang mga bata bukas. Pakidala ang aralin sa Lunes.", "tl"),
        ("Bonjou paran yo, demen pa gen lekòl pou timoun yo. N ap wè nou lendi.", "ht"),
        ("Regrade: a C- to a B+, posted tonight. As it stands no one is failing.", "en"),
        ("can i go to alex's after practice? his mum says i do", "en"),
        ("Señora, ¿cuándo puede venir para que platiquemos de Wendy? Estoy libre de 12:30 a 1.", "es"),
        ("Dale, martes 1 a las 8. Entrá por portería, avisá que venís a verme a mí.", "es"),
        ("Entra todo. NO entra lo de mayo. Calculadora no, regla no.", "es"),
        ("今日は宿題がありません。明日は遠足です。", "ja"),
        ("Завтра экскурсия, принесите воду и обед.", "ru"),
        ("明天没有作业，请带午饭。", "zh"),
        ("ok", "en"),
        ("", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    """English and Spanish are told from others, whose small words they share."""
    assert detect_language(text) == language


def test_hours_are_the_familys_where_a_relay_stamps_utc() -> None:
    """A platform's Date is in UTC; "3:15" in the text is not."""
    config = Config.model_validate({"timezone": "America/New_York"})
    raw = (
        b"From: x@classdojo.com\r\nSubject: x\r\nDate: Wed, 07 Jan 2026 20:04:00 +0000\r\n\r\n"
        b"Can we meet Friday at 3:15?"
    )
    (due,) = find_facts(parse_message(raw), config).due
    assert due.at.isoformat() == "2026-01-09T15:15:00-05:00"


@pytest.mark.parametrize(
    ("sender", "words", "zone", "at"),
    [
        ("lowe@birch.example", "Can we meet on 9 January at 3.15pm?", "America/New_York", "2026-01-09T15:15:00+00:00"),
        ("lowe@birch.example", "Can we meet on 29/01 at 3.15pm?", "America/New_York", "2026-01-29T15:15:00+00:00"),
        ("lowe@birch.example", "Can we meet on January 9 at 3:15 pm?", "America/New_York", "2026-01-09T15:15:00-05:00"),
        ("x@classdojo.com", "Can we meet on 9 January at 3.15pm?", "America/New_York", "2026-01-09T15:15:00-05:00"),
        ("lowe@birch.example", "Can we meet on 9 January at 3.15pm?", "Asia/Kolkata", "2026-01-09T15:15:00+05:30"),
        (
            "lowe@birch.example",
            "¿Puede venir el 9 de enero a las 15:15?",
            "America/New_York",
            "2026-01-09T15:15:00-05:00",
        ),
    ],
)
def test_hours_of_a_british_school_are_its_own(sender: str, words: str, zone: str, at: str) -> None:
    """Who puts the day before the month, in English, does not write from the American family's own zone."""
    raw = f"From: {sender}\r\nSubject: x\r\nDate: Wed, 07 Jan 2026 09:04:00 +0000\r\n\r\n{words}"
    (due,) = find_facts(parse_message(raw.encode()), Config.model_validate({"timezone": zone})).due
    assert due.at.isoformat() == at


def test_without_a_time_zone_of_its_own_the_configuration_means_the_systems() -> None:
    """The same mail, the same family, and no key in the file."""
    raw = b"From: x@remind.com\r\nDate: Sat, 07 Nov 2026 20:04:00 +0000\r\n\r\nCan we meet on 11/9 at 3:15?"
    here = Config.model_construct(_fields_set=set(), timezone="America/New_York")
    (due,) = find_facts(parse_message(raw), here).due
    assert due.at.isoformat() == "2026-11-09T15:15:00-05:00"


def test_what_shows_a_flag_stands_in_the_mail() -> None:
    """Of the subject and of the text, letter for letter."""
    found = facts("We meet about the IEP on Friday.", subject="Annual IEP review for Maya")
    assert found.quotes == (("plan", "Annual IEP review for Maya"), ("plan", "We meet about the IEP on Friday."))
