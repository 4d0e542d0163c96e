"""Mail that the other parent passes on: the school's words are read, and nobody is trusted for them."""

from datetime import date

import pytest

from triage.config import Config
from triage.judge import Household, Judgement, RawMail, judge
from triage.model import load
from triage.resources import shipped_model_path

MODEL = load(shipped_model_path())
FROM_AND_ABOUT = "From: {author}\nSubject: {subject}\n"
GMAIL = (
    f"---------- Forwarded message ---------\n{FROM_AND_ABOUT}Date: Mon, Jan 5, 2026 at 3 PM\nTo: <sam@r.example>\n\n"
)
OUTLOOK = f"{'_' * 32}\n{FROM_AND_ABOUT}Sent: Monday, January 5, 2026 3:14 PM\nTo: Sam Rivera\n\n"
APPLE = (
    "Begin forwarded message:\n\n> From: {author}\n> Date: January 5, 2026 at 3:14:11 PM EST\n> To: sam@r.example\n"
    "> Subject: {subject}\n>\n"
)
THUNDERBIRD = (
    "-------- Original Message --------\nSubject: {subject}\nDate: Mon, 5 Jan 2026 15:14:00 -0500\nFrom: {author}\n"
    "To: sam@r.example\n\n"
)
ALVAREZ = "Dana Alvarez <alvarez@maplewood.k12.example>"
SHOVED = (
    "Dear Mr. Rivera,\n\nMaya shoved a classmate in the lunch line today and refused to apologize. Nobody was hurt. "
    "I would like to meet with you on Thursday, January 8 at 3:15 PM.\n\nMs. Alvarez"
)
COMMENT = "Hey, could you take this one? I am on shift until Saturday and she told me nothing about it!!"


def judged(
    body: str, config: Config, subject: str = "Fwd: Maya", sender: str = "Sam Rivera <sam@r.example>"
) -> Judgement:
    raw = (
        f"From: {sender}\r\nTo: Jo Rivera <jo@r.example>\r\nSubject: {subject}\r\nMessage-ID: <f@r.example>\r\n"
        f"Date: Wed, 07 Jan 2026 21:04:00 -0500\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    )
    config = config.model_copy(
        update={"prompts": config.prompts.model_copy(update={"deliver": ("digest", "note", "draft")})}
    )
    household = Household(config, own_addresses=("jo@r.example",))
    return judge([RawMail(raw.encode())], household, MODEL, date(2026, 1, 8), words=True)[0]


@pytest.mark.parametrize("header", [GMAIL, OUTLOOK, APPLE, THUNDERBIRD])
@pytest.mark.parametrize(
    "comment", ["FYI", "FYI. Let's talk about it tonight.", COMMENT, f"{COMMENT}\n\nSent from my iPhone"]
)
def test_the_schools_words_count_whatever_the_other_parent_says_above(
    config: Config, header: str, comment: str
) -> None:
    """Found, quoted from the teacher alone, under the teacher's name; the sender stays a stranger to the school."""
    body = header.format(author=ALVAREZ, subject="Maya")
    words = "\n".join(f"> {line}" for line in SHOVED.split("\n")) if header is APPLE else SHOVED
    found = judged(f"{comment}\n\n{body}{words}", config)
    verdict = found.verdict
    assert verdict is not None
    assert {"behavior", "meeting_request"} <= set(verdict.labels)
    assert (verdict.sender, verdict.warnings, verdict.child) == ("unknown", (), "Maya")
    assert verdict.teacher is not None
    assert (verdict.teacher.name, verdict.teacher.address) == ("Ms. Alvarez", "alvarez@maplewood.k12.example")
    assert all(item.text in SHOVED.replace("\n", " ") for item in verdict.evidence)
    assert [due.at for due in verdict.due] == ["2026-01-08T15:15:00-05:00"]


def test_an_answer_to_what_was_passed_on_is_not_drafted_to_whoever_passed_it_on(config: Config) -> None:
    """The card speaks to the teacher; a draft in the thread would go to the other parent."""
    passed = judged(f"{COMMENT}\n\n{GMAIL.format(author=ALVAREZ, subject='Maya')}{SHOVED}", config)
    direct = judged(SHOVED, config, subject="Maya", sender=ALVAREZ)
    assert passed.card is not None
    assert "Alvarez" in passed.card.reply
    assert (bool(passed.note), passed.draft, bool(direct.draft)) == (True, "", True)


def test_a_teacher_unknown_so_far_is_named_by_the_line_above(config: Config) -> None:
    """By name and address of the forwarded mail, where it names a child of the household."""
    body = f"{COMMENT}\n\n{OUTLOOK.format(author='Greaves, Tom <greaves@hillside.example>', subject='Maya')}"
    words = "Maya has not turned in her book report, which was due on Friday. I will take it until Monday, January 12."
    verdict = judged(body + words, config).verdict
    assert verdict is not None
    assert verdict.primary == "homework"
    assert verdict.teacher is not None
    assert (verdict.teacher.name, verdict.teacher.address) == ("Tom Greaves", "greaves@hillside.example")


def test_days_are_counted_from_the_one_on_which_the_teacher_wrote(config: Config) -> None:
    """Passed on late on Wednesday, the Wednesday of Monday's mail is today, not in a week."""
    words = "Please send Maya's signed permission slip back by Wednesday. I cannot take her to the museum without it."
    for comment in ("FYI", COMMENT):
        verdict = judged(f"{comment}\n\n{GMAIL.format(author=ALVAREZ, subject='Museum')}{words}", config).verdict
        assert verdict is not None
        assert [due.at for due in verdict.due] == ["2026-01-07"]


def test_what_is_not_about_the_household_stays_talk_among_friends(config: Config) -> None:
    """A friend's teacher on a friend's child, and a friend's forward that is not of a school."""
    header = GMAIL.format(author="M. Pruitt <mpruitt@kettlecreek.k12.example>", subject="Ollie")
    about_ollie = "Ollie shoved a boy in line today and would not apologize. Could you come in on Monday at 3:15?"
    trips = "Dear guest, the cabin for Maya and Jo is booked for July 4 to 11. The deposit is due on March 1."
    for words in (
        f"Look what his teacher wrote me, am I crazy?\n\n{header}{about_ollie}",
        f"{COMMENT}\n\n{header}{trips}",
    ):
        verdict = judged(words, config, subject="Fwd: look at this", sender="Trish <trish@pals.example>").verdict
        assert verdict is not None
        assert not verdict.school


def test_an_answer_above_the_parents_own_mail_is_read_by_itself(config: Config) -> None:
    """Neither "Re:" nor "Fwd:" makes the parent's anger the teacher's."""
    angry = "Why was Maya humiliated in front of everyone? She hit nobody. I want a meeting today!"
    for subject in ("Re: Maya", "Fwd: Maya", "Re: Fwd: Maya"):
        for author in ("Jo Rivera <jo@r.example>", "Jo Rivera"):
            body = f"All is well again, she had a good day.\n\n{OUTLOOK.format(author=author, subject='Maya')}{angry}"
            found = judged(body, config, subject=subject, sender="Ann Lee <lee@hillside.example>")
            assert "humiliated" not in found.own_words


def test_a_teacher_who_passes_a_note_on_keeps_her_own_words(config: Config) -> None:
    """They are what is read where they say something; where they only point, the note is read with them."""
    header = GMAIL.format(author="Ray Lee <lee@maplewood.k12.example>", subject="Maya in music")
    note = "Dana, Maya was disruptive again today, drumming on the chairs and shouting while I gave directions."
    says = (
        "Maya read a whole chapter aloud today and I am so proud of her. Mr. Lee wanted you to have his concert plan."
    )
    own = judged(f"{says}\n\n{header}{note}", config, sender=ALVAREZ)
    points = judged(f"Please see Mr. Lee's note below.\n\n{header}{note}", config, sender=ALVAREZ)
    assert (own.verdict is not None, points.verdict is not None) == (True, True)
    assert own.verdict is not None
    assert points.verdict is not None
    assert (own.verdict.labels, "drumming" in own.own_words) == (("praise",), False)
    assert (points.verdict.labels, points.verdict.sender) == (("behavior",), "known")
    assert points.verdict.teacher is not None
    assert points.verdict.teacher.name == "Ms. Alvarez"


def test_forged_mail_does_not_gain_by_a_header_that_names_the_teacher(config: Config) -> None:
    """The sender is a stranger still, and a link above a teacher's mail is the stranger's own."""
    phish = (
        "Your student portal password expires today. Verify your account now or Maya will lose access to her grades: "
        "http://maplewood-login.example/verify"
    )
    header = GMAIL.format(author=ALVAREZ, subject="Account")
    below = judged(
        f"Please do this one today, I forgot\n\n{header}{phish}", config, sender="Help Desk <help@desk9.example>"
    )
    assert below.verdict is not None
    assert below.verdict.sender in ("unknown", "suspicious")
    assert (below.note, below.draft) == ("", "") or not below.verdict.warnings
    above = judged(f"{phish}\n\n{header}{SHOVED}", config, sender="Help Desk <help@desk9.example>")
    assert "shoved" not in above.own_words
