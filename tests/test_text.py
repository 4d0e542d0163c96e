"""The words that this sender wrote now, and no others."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED_MAIL
from triage.text import clean, html_to_text, one_line, sentence_spans, sentences, split_parts

ANGRY = "Why was my son humiliated in front of everyone? He was hitting nobody. I want a meeting today!"


@pytest.mark.parametrize(
    "quoted",
    [
        "On Tue, Jan 6, 2026 at 8:12 PM Jo Rivera <jo@rivera.example> wrote:\n> {0}",
        "On Tue, Jan 6, 2026 at 8:12 PM Jo Rivera <\njo@rivera.example> wrote:\n\n> {0}",
        "El mar, 6 ene 2026 a las 20:12, Jo Rivera (<jo@rivera.example>) escribió:\n> {0}",
        "-----Original Message-----\nFrom: Jo Rivera\nSent: Tuesday\nTo: Ms. Alvarez\nSubject: Leo\n\n{0}",
        "________________________________\nFrom: Jo Rivera <jo@rivera.example>\nSent: Tuesday, January 6\nTo: Ms. "
        "Alvarez\nSubject: Leo\n\n{0}",
        "From: Jo Rivera\nDate: Tuesday\nSubject: Leo\n\n{0}",
        "De: Jo Rivera\nEnviado el: martes\nPara: Srta. Alvarez\nAsunto: Leo\n\n{0}",
        "---------- Forwarded message ---------\nFrom: Jo\n\n{0}",
        "Begin forwarded message:\n\n{0}",
        "---- On Tue, 06 Jan 2026 20:12:00 -0500 jo@rivera.example wrote ----\n\n{0}",
        "Jo Rivera <jo@rivera.example> wrote:\n> {0}",
        "> {0}",
    ],
)
def test_earlier_mail_beneath_is_not_own(quoted: str) -> None:
    """In every way that clients quote, the parent's words stay out of the teacher's answer."""
    parts = split_parts(clean("All is well, he had a good day. See you.\n\n" + quoted.format(ANGRY)))
    assert parts.own == "All is well, he had a good day. See you."
    assert "humiliated" in parts.quoted


def test_answers_between_quoted_lines_are_own() -> None:
    """Both answers, none of the questions."""
    text = "On Monday Jo wrote:\n> Did he eat?\n\nYes, all of it.\n\n> And the test?\n\nHe has until Friday."
    assert split_parts(text).own == "Yes, all of it.\n\nHe has until Friday."


def test_a_bare_forward_is_read_for_what_it_forwards() -> None:
    """With nothing but a word on top, the forwarded words are what there is."""
    head = "FYI\n\n---------- Forwarded message ---------\nFrom: Nurse\nDate: Monday\nSubject: Maya\n\n"
    text = f"{head}Maya bumped her head."
    assert "Maya bumped her head." in split_parts(text).own
    assert "Subject" not in split_parts(text).own


def test_a_short_answer_is_never_taken_for_a_forward() -> None:
    """Two words above an angry mail stay two words; marked as forwarded, the mail beneath counts."""
    text = clean(f"Will do!\n\nFrom: Jo Rivera\nSent: Tuesday\nTo: Ms. Alvarez\nSubject: Leo\n\n{ANGRY}")
    assert split_parts(text).own == "Will do!"
    assert "humiliated" in split_parts(text, forward=True).own


@pytest.mark.parametrize(
    ("text", "own", "signature"),
    [
        ("Maya read well.\n\nBest,\nMs. Alvarez\nRoom 12", "Maya read well.", "Best,\nMs. Alvarez\nRoom 12"),
        ("Thanks for coming in.\nMaya was brave.", "Thanks for coming in.\nMaya was brave.", ""),
        ("All good\n--\nDana\nGrade 3", "All good", "--\nDana\nGrade 3"),
        ("running late\n\nSent from my iPhone", "running late", "Sent from my iPhone"),
        ("Un saludo desde clase: hoy leyó muy bien.", "Un saludo desde clase: hoy leyó muy bien.", ""),
        ("Leyó bien.\n\nSaludos cordiales,\nProfe Ruiz", "Leyó bien.", "Saludos cordiales,\nProfe Ruiz"),
        (
            "Maya read well.\n\nBest,\nMs. A\n\nP.S. The library book is due Friday.",
            "Maya read well.\n\nP.S. The library book is due Friday.",
            "Best,\nMs. A",
        ),
    ],
)
def test_signatures_are_taken_off_and_postscripts_kept(text: str, own: str, signature: str) -> None:
    """A sign-off counts near the end only."""
    parts = split_parts(text)
    assert (parts.own, parts.signature) == (own, signature)


def test_disclaimers_and_platform_lines_are_boilerplate() -> None:
    """What a server or a platform adds is no word of the teacher's."""
    text = (
        "Maya lost her tooth at lunch.\n\nView this message in your browser\nUnsubscribe\n\n"
        "CONFIDENTIALITY NOTICE: This email and any attachments are intended only for the person named above.\n\n"
        "© 2026 ClassBuzz. All rights reserved."
    )
    parts = split_parts(text)
    assert parts.own == "Maya lost her tooth at lunch."
    assert "intended only" in parts.boilerplate


def test_html_becomes_lines() -> None:
    """Blocks and breaks are lines, lists have dashes, hidden things are gone, entities are letters."""
    html = (
        "<html><head><style>p{}</style><title>no</title></head><body><div style='display:none'>preheader</div>"
        "<p>Dear&nbsp;Jo,</p><p>bring:<br>water</p><ul><li>hat</li><li>se&ntilde;al</li></ul>"
        "<script>alert(1)</script><table><tr><td>a</td><td>b</td></tr></table></body></html>"
    )
    assert html_to_text(html) == "Dear Jo,\n\nbring:\nwater\n\n- hat\n- señal\n\na b"


def test_quoted_html_is_quoted() -> None:
    """A cited block gets the mark of quoted lines."""
    html = f"<div>Fine.</div><div>On Monday Jo wrote:</div><blockquote type='cite'><p>{ANGRY}</p></blockquote>"
    parts = split_parts(html_to_text(html))
    assert parts.own == "Fine."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She ran. She fell! Did you see?", ["She ran.", "She fell!", "Did you see?"]),
        ("Dr. Lee saw her at 3 p.m. today.", ["Dr. Lee saw her at 3 p.m. today."]),
        ("he had a rough day. he also lost it.", ["he had a rough day.", "he also lost it."]),
        ("Bring:\n- a coat\n- lunch", ["Bring:", "a coat", "lunch"]),
        (
            "This line is long enough to have been wrapped by some\nmail program that does so.",
            ["This line is long enough to have been wrapped by some mail program that does so."],
        ),
        ("¿Puede venir? Gracias.", ["¿Puede venir?", "Gracias."]),
        ("", []),
        ("...", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    """Abbreviations do not end a sentence, list items stand alone, wrapped lines are joined."""
    assert sentences(text) == expected


def test_lines_of_a_list_of_dates_stand_alone() -> None:
    """However long: the hour of one day is not that of the next."""
    text = (
        "Oct 23 - Field trip to the farm with both classes, buses leave at 8:45\n"
        "10/30: Fall parade around the block, and cider afterwards in the gym\n"
        "Fri, Nov 6 - No school, teachers meet all day in the district office.\n"
        "We are so glad about all of it that we would like to have everybody in on\n"
        "May 4 for a picnic."
    )
    first, second, third, last = sentences(text)
    assert (first[:6], second[:5], third[:10]) == ("Oct 23", "10/30", "Fri, Nov 6")
    assert last.endswith("in on May 4 for a picnic.")
    assert [text[a:b] for a, b in sentence_spans(text)][:3] == [first, second, third]


@given(st.text())
def test_clean_leaves_nothing_unseen(text: str) -> None:
    """No control, bidirectional or zero-width characters, no runs of spaces or blank lines."""
    cleaned = clean(text)
    assert all(char == "\n" or char.isprintable() for char in cleaned)
    assert not re.search(r"[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]", cleaned)
    assert "\n\n\n" not in cleaned
    assert clean(cleaned) == cleaned


@given(st.text(), st.integers(5, 50))
def test_one_line_is_one_line(text: str, limit: int) -> None:
    """Whatever comes in fits on a line of the given length."""
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit


pieces = st.sampled_from(
    [
        "On Mon, Jo <a@b.example> wrote:",
        "> quoted",
        "From: a",
        "Sent: b",
        "Subject: c",
        "Best,",
        "Ms. A",
        "--",
        "",
        "Sent from my iPhone",
        "plain words here.",
        "P.S. x",
        "Unsubscribe",
        "-----Original Message-----",
        "CONFIDENTIALITY NOTICE: intended only for you and for nobody else at all, thank you",
    ]
)


@given(st.lists(pieces, max_size=14))
def test_splitting_invents_nothing(lines: list[str]) -> None:
    """Each line of each part is a line of the mail, and no part raises."""
    text = clean("\n".join(lines))
    parts = split_parts(text)
    known = {line.removeprefix("> ").removeprefix(">") for line in text.split("\n")} | set(text.split("\n")) | {""}
    for part in (parts.own, parts.signature, parts.quoted, parts.boilerplate):
        assert set(part.split("\n")) <= known


@given(st.text(alphabet="<>/abdivpst =\"'&;\n", max_size=300))
def test_any_html_gives_text(html: str) -> None:
    """Broken markup is survived, and no tag is left over from markup that was whole."""
    assert isinstance(html_to_text(html), str)


def test_hostile_sizes_end_in_time() -> None:
    """Long lines and deep nesting cost no more than their length."""
    for text in ("a" * 200_000, "word " * 50_000, "> q\n" * 20_000, "-" * 100_000, "On " * 40_000, "Best,\n" * 5_000):
        assert split_parts(clean(text)) is not None
        assert sentences(clean(text)) is not None
    assert html_to_text("<div>" * 20_000 + "x" + "</div>" * 20_000).strip() == "x"


REPLIES = sorted((SHARED_MAIL / "replies").glob("*.txt")) if SHARED_MAIL.exists() else []


@pytest.mark.parametrize("path", REPLIES, ids=[path.stem for path in REPLIES])
def test_real_replies_are_survived(path: Path) -> None:
    """Replies as many clients write them: something is left, and nothing is invented."""
    text = clean(path.read_text(encoding="utf-8", errors="replace"))
    parts = split_parts(text)
    assert parts.own or parts.quoted or parts.signature
    assert len(parts.own) <= len(text)


@pytest.mark.parametrize(
    "line",
    [
        "If you would rather not, send back the opt-out slip by Thursday.",
        "Please confirm that you have received this letter before Monday.",
        "If you are getting this, your daughter was picked for the spelling bee.",
        "Thanks for getting this back to me so fast, page 4 is still missing.",
        "(c) The science poster is due on May 3.",
        "You are receiving this message because your student earned a place in the regional choir.",
    ],
)
def test_what_looks_like_a_platforms_line_and_is_the_writers_own_stays(line: str) -> None:
    """Words of mailing services in a sentence that says something."""
    assert split_parts(f"Dear family,\n\n{line}\n\nMs. Ortega").own.count(line) == 1


@pytest.mark.parametrize(
    "line",
    [
        "Opt out of these messages at any time.",
        "You are receiving this because your child is enrolled at Birch Hill.",
        "You received this email because you follow this class.",
        "(c) 2025 Homeroom Apps",
    ],
)
def test_a_platforms_line_goes(line: str) -> None:
    """What a mailing service puts below."""
    parts = split_parts(f"Dear family,\n\nMaya read aloud today.\n\n{line}")
    assert (line in parts.own, line in parts.boilerplate) == (False, True)


BANNERS = [
    "CAUTION: This email originated from outside of the organization. Do not click links or open attachments unless "
    "you recognize the sender and know the content is safe.",
    "CAUTION: This email originated from outside of the organization. Do not click links\n"
    "or open attachments unless you recognize the sender and know the content is safe.",
    "[EXTERNAL]",
    "[EXTERNO]",
    "***EXTERNAL EMAIL***",
    "External Email - Use Caution",
    "*** This is an EXTERNAL email. DO NOT open attachments or click links from unknown senders. ***",
    "CAUTION: External Sender - Please be careful when opening links and attachments.",
    "This Message Is From an Untrusted Sender\nYou have not previously corresponded with this sender.",
    "You don't often get email from lee@x.example. Learn why this is important",
    "Some people who received this message don't often get email from lee@x.example. Learn why this is important",
    "Este correo proviene de un remitente externo. No haga clic en enlaces si no conoce al remitente.",
    "PRECAUCIÓN: Este mensaje se originó fuera de la organización.",
    "No suele recibir correos electrónicos de lee@x.example. Por qué es esto importante",
]


@pytest.mark.parametrize("banner", BANNERS)
@pytest.mark.parametrize("form", ["{0}\n\nHi Jo,\n\n{1}", "{0}\nHi Jo,\n\n{1}", "Hi Jo,\n\n{0}\n\n{1}"])
def test_what_the_server_says_of_senders_from_outside_is_boilerplate(banner: str, form: str) -> None:
    """Wherever it stands at the top; the words after it stay whole."""
    words = "Maya shoved a boy in line today. Could we talk on Friday?"
    parts = split_parts(clean(form.format(banner, words)))
    assert parts.own == f"Hi Jo,\n\n{words}"
    assert banner.partition("\n")[0][:20] in parts.boilerplate


def test_a_banner_in_a_table_or_on_the_line_of_the_first_words_goes_too() -> None:
    """As servers put it above HTML, and before plain text."""
    table = f"<table><tr><td></td><td><b>{BANNERS[0][:8]}</b>{BANNERS[0][8:]}</td></tr></table><div>Maya ran.</div>"
    assert split_parts(html_to_text(table)).own == "Maya ran."
    assert split_parts("[EXTERNAL] Hi Jo, Maya ran.").own == "Hi Jo, Maya ran."
    forwarded = f"FYI\n\n---------- Forwarded message ---------\nFrom: Lee\nSubject: Maya\n\n{BANNERS[0]}\n\nMaya ran."
    assert split_parts(forwarded).own == "FYI\n\nMaya ran."


@pytest.mark.parametrize(
    "line",
    [
        "External email addresses can be added on the parent page.",
        "Caution: the museum steps are icy, please be careful when you park.",
        "This message is for the parents of Room 12.",
        "Please do not click on the sign-up link before Friday.",
        "ext. 4411",
        "Este mensaje es para las familias de la clase de fuera.",
    ],
)
def test_what_looks_like_a_banner_and_is_the_writers_own_stays(line: str) -> None:
    """Words of warning in a teacher's own sentence."""
    assert split_parts(f"Hi Jo,\n\n{line}\n\nMaya ran.").own == f"Hi Jo,\n\n{line}\n\nMaya ran."


@pytest.mark.parametrize(
    "footer",
    [
        'You received this message because you are subscribed to the Google Groups "Room 12" group.\n'
        "To view this discussion visit https://groups.google.com/d/msgid/room12/abc.\n"
        "For more options, visit https://groups.google.com/d/optout.",
        "_______________________________________________\nRoom 12 mailing list\nRoom12@lists.x.example\n"
        "https://lists.x.example/mailman/listinfo/room12",
        "Groups.io Links:\nView/Reply Online (#1): https://groups.io/g/x/message/1\nMute This Topic: https://groups.io/mt/1",
        'Has recibido este mensaje porque estás suscrito al grupo "Familias" de Grupos de Google.',
        "To stop receiving these emails, click here.",
        "Si no desea recibir más correos, haga clic aquí.",
    ],
)
def test_what_a_mailing_list_writes_beneath_is_boilerplate(footer: str) -> None:
    """Google, Mailman and their like."""
    assert split_parts(clean(f"Maya shoved a boy in line today.\n\n{footer}")).own == "Maya shoved a boy in line today."
