"""Names and posts beneath a mail that ends without a farewell: nobody's words, so they say nothing of its matter."""

import pytest

from triage.config import Config
from triage.facts import find_facts
from triage.message import parse_message
from triage.text import split_parts

_SAID = "Owen's annual IEP meeting is due. Would Thursday at 2 work?"


@pytest.mark.parametrize(
    "closing",
    [
        "Mrs. Lindqvist\nSpecial Education Case Manager\nHarbor County High School",
        "R. Blum, Resource Room",
        "Gail\n\nSENCO",
        "Nurse Tolland, RN",
        "J. Okamura (she/her)\nCounselor // 504 coord // finder of lost AirPods",
        "Julie Trask\nCross-Categorical Special Ed., 4/5\nWolf River Elementary\n(715) 555-0136",
        "- Luz Dary Henao\nOrientadora escolar\nExt. 118",
        "Departamento de Educación Especial\nDistrito Escolar Willow Bend",
        "Paul Lindgren\n504 Coordinator\nWheatfield Junior High",
    ],
)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_name_with_a_post_is_no_part_of_what_is_said(closing: str, gap: str) -> None:
    """It stands apart, whole, as a signature."""
    parts = split_parts(f"Good morning,\n\n{_SAID}{gap}{closing}")
    assert parts.own == f"Good morning,\n\n{_SAID}"
    assert parts.signature == closing


@pytest.mark.parametrize(
    "end",
    [
        "Bring:\nRecent report cards\nAny 504 paperwork",
        "Coming:\nMaria Gomez, counselor\nTom Reyerson, special education",
        "- last report card\n- copy of 504 or IEP if there is one",
        "Science Fair\nTuesday 6 pm with the principal",
        "Step 3\nSee the nurse at 8:15",
        "I have spoken with the case manager, the school nurse and also with\nCoach Purvis about it",
        "Please see the counselor",
        "Luis\nnos vemos al rato",
        "Leo\nno trajo su libro hoy dice la maestra",
        "ask the case manager",
        "Mrs. Lindqvist",
        "Mrs. Lindqvist is his case manager.",
        "Subject: IEP goals, Q3\nWho: Case Manager",
    ],
)
def test_what_may_be_said_stays(end: str) -> None:
    """Lists, dates, sentences without a stop, and a name alone, which tells who writes."""
    parts = split_parts(f"Good morning,\n\n{_SAID}\n{end}")
    assert parts.own.endswith(end)


def test_a_mail_of_nothing_but_a_name_is_its_words() -> None:
    """There is nothing that it could stand beneath."""
    assert split_parts("Dana Whitlock, case manager").own == "Dana Whitlock, case manager"


def test_a_postscript_beneath_is_said() -> None:
    """As beneath any other signature."""
    parts = split_parts(f"{_SAID}\nGail Orr\nCase manager\nP.S. Bring the form.")
    assert parts.own.endswith("P.S. Bring the form.")
    assert parts.signature == "Gail Orr\nCase manager"


def test_a_case_managers_praise_names_no_plan() -> None:
    """The post of whoever writes is not what the mail is about."""
    fields = "From: Dana <d@school.example>\r\nSubject: Leo\r\n\r\n"
    raw = f"{fields}Leo helped a new boy today.\r\n\r\nDana Whitlock\r\nSpecial Education Case Manager\r\n"
    found = find_facts(parse_message(raw.encode()), Config(timezone="UTC"))
    assert not found.quotes
    assert found.teacher is not None
    assert found.teacher.name == "Dana Whitlock"


def test_a_name_above_what_a_telephone_adds_goes_too() -> None:
    """And so does a farewell there."""
    for closing in ("Gail Orr\nPsicopedagoga", "Regards,\nGail"):
        parts = split_parts(f"{_SAID}\n\n{closing}\n\nSent from my iPhone")
        assert parts.own == _SAID
        assert parts.signature == f"{closing}\n\nSent from my iPhone"
