"""Mails that pretend to be the school: nothing is written beside them, nobody becomes known by them."""

import pytest

from tests.conftest import Household as Home
from tests.support.cases import NOW, abilities
from tests.support.mail import BODIES, a_mail
from tests.test_cycle import note_count, once, places
from triage.awaiting import waiting_of
from triage.config import Child, Config
from triage.judge import Context, Household, Judgement, RawMail
from triage.ledger import Ledger
from triage.observe import kept_of
from triage.plan import Case, Place, Stored, newcomer_of, plan
from triage.resources import shipped_model_path
from triage.store import Store
from triage.worker import Worker

TEACHER = "Ms. Alvarez <alvarez@maplewood.k12.example>"
_MINE = "Authentication-Results: mx.parent.example;"
_FAILED = "dmarc=fail (p=REJECT) header.from=maplewood.k12.example"
# The receiving server's failure, behind something that the forger had it write.
HIDDEN = {
    "a failure behind forty signatures": [
        f"From: {TEACHER}",
        f"{_MINE} {'dkim=pass header.i=@evil.example header.s=s header.b=AbCdEf01; ' * 40}{_FAILED}",
    ],
    "a failure behind no sender": [f"From: {TEACHER}", f"{_MINE} spf=pass smtp.mailfrom=<>; {_FAILED}"],
    "a failure behind a number": [f"From: {TEACHER}", f"{_MINE} spf=fail smtp.mailfrom=x@[192.0.2.1]; {_FAILED}"],
    "a failure behind a bracket": [f"From: {TEACHER}", f"{_MINE} spf=pass smtp.mailfrom=a(b@evil.example; {_FAILED}"],
    "a failure behind a foreign letter": [
        f"From: {TEACHER}",
        f"{_MINE} spf=pass smtp.mailfrom=é@evil.example; {_FAILED}",
    ],
}
# Each way of pretending, as header fields.
WAYS = {
    **HIDDEN,
    "failed DMARC": [f"From: {TEACHER}", f"{_MINE} dmarc=fail header.from=maplewood.k12.example"],
    "a genuine-looking result beneath the failed one": [
        f"From: {TEACHER}",
        f"{_MINE} dmarc=fail header.from=maplewood.k12.example",
        f"{_MINE} dmarc=pass header.from=maplewood.k12.example",
    ],
    "a pass by a server that nobody knows": [
        f"From: {TEACHER}",
        f"{_MINE} spf=fail smtp.mailfrom=evil.example; dkim=none; dmarc=fail",
        "Authentication-Results: mail.evil.example; dmarc=pass header.from=maplewood.k12.example",
    ],
    "a domain without a policy": [f"From: {TEACHER}", f"{_MINE} spf=fail; dkim=none; dmarc=none"],
    "a signature of their own": [f"From: {TEACHER}", f"{_MINE} spf=fail; dkim=pass header.d=evil.example; dmarc=none"],
    "two From fields": [f"From: {TEACHER}", "From: Somebody <somebody@evil.example>"],
    "two addresses in one field": [f"From: {TEACHER}, Somebody <somebody@evil.example>"],
    "answers go elsewhere, as on a list": [
        f"From: {TEACHER}",
        "Reply-To: ms.alvarez.maplewood@freemail.example",
        "List-Id: <class.maplewood.k12.example>",
    ],
    "the teacher's name with a foreign letter": ["From: Ms. Alvаrez <office.4711@freemail.example>"],
    "the teacher's name with an accent": ["From: Ms. Alva\u0301rez <office.4711@freemail.example>"],
    "the teacher's name with a sign that shows nothing": ["From: Ms. Alv\u200barez <office.4711@freemail.example>"],
    "answers go elsewhere": [f"From: {TEACHER}", "Reply-To: ms.alvarez.maplewood@freemail.example"],
    "a letter exchanged": ["From: Ms. Alvarez <alvarez@map1ewood.k12.example>"],
    "a letter of another alphabet": ["From: Ms. Alvarez <alvarez@mаplewood.k12.example>"],
    "a word added": ["From: Ms. Alvarez <alvarez@maplewood-k12.example>"],
    "the teacher's name": ["From: Ms. Alvarez <office.4711@freemail.example>"],
    "the school's address as a name": ['From: "alvarez@maplewood.k12.example" <x9@evil.example>'],
}
# The exact address, and nothing that speaks for it or against it.
UNCONFIRMED = {
    "no finding at all": [
        f"From: {TEACHER}",
        "Received: from evil.example by mx.parent.example; Wed, 7 Jan 2026 15:04:01 -0500",
    ],
    "no finding but one that is not the standard's": [
        f"From: {TEACHER}",
        "Received-SPF: fail (mx.parent.example: does not designate 192.0.2.66) client-ip=192.0.2.66;",
        "Received: from evil.example by mx.parent.example; Wed, 7 Jan 2026 15:04:01 -0500",
    ],
    "a pass of their own making": [
        f"From: {TEACHER}",
        "Authentication-Results: mail.evil.example; dmarc=pass header.from=maplewood.k12.example",
    ],
    "a pass for another domain": [
        f"From: {TEACHER}",
        f"{_MINE} spf=pass smtp.mailfrom=x@evil.example; dkim=pass header.d=evil.example; dmarc=none",
    ],
}
KINDS = ("homework", "behavior", "meeting_request", "praise", "other_school")


def a_spoof(way: str, kind: str) -> bytes:
    fields = [
        *{**WAYS, **UNCONFIRMED}[way],
        "To: parent@mailbox.example",
        f"Subject: Maya: {kind}",
        "Date: Wed, 7 Jan 2026 15:04:00 -0500",
    ]
    fields.append(f"Message-ID: <{abs(hash((way, kind)))}@evil.example>")
    return "\r\n".join([*fields, "", f"Hello, {BODIES[kind]} Please answer today.", "", "Ms. Alvarez", ""]).encode()


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.model_validate_json(
        """{"timezone": "America/New_York", "children": [{"name": "Maya", "plan": "504"}],
        "prompts": {"deliver": ["digest", "note", "draft"]},
        "school": {"domains": ["maplewood.k12.example"], "authserv_id": "mx.parent.example",
        "teachers": [{"name": "Ms. Alvarez",
        "address": "alvarez@maplewood.k12.example"}]},
        "accounts": [{"name": "home", "host": "imap.parent.example", "username": "parent@mailbox.example"}]}"""
    )


@pytest.fixture(scope="module")
def judged(config: Config) -> dict[tuple[str, str], Judgement]:
    ways = [(way, kind) for way in (*WAYS, *UNCONFIRMED) for kind in KINDS]
    with Worker(Household(config, own_addresses=("parent@mailbox.example",)), shipped_model_path) as worker:
        found = worker.judge([RawMail(a_spoof(*one)) for one in ways], Context(NOW.date()))
    return dict(zip(ways, found, strict=True))


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_spoof_gets_nothing(judged: dict[tuple[str, str], Judgement], config: Config, way: str, kind: str) -> None:
    """Suspicious, with the reason in words; no note, no draft, no urgency, no newcomer; filed nowhere but in Review."""
    found = judged[way, kind]
    verdict = found.verdict
    assert verdict is not None
    assert verdict.sender == "suspicious"
    assert verdict.warnings
    assert not verdict.urgent
    assert (found.note, found.draft) == ("", "")
    actions = plan(Case("k", Place("INBOX", 1, 1), frozenset(), verdict), abilities(), config.filing, config.prompts)
    assert {action.kind for action in actions} <= {"tag", "move"}
    assert all(action.target in ("", "School/Review") for action in actions)
    row = Stored("home", "k", "", Place("INBOX", 1, 1), None, NOW, "done", 0, "", frozenset(), kept_of(found))
    assert newcomer_of(row) is None


@pytest.mark.parametrize("way", list(UNCONFIRMED))
@pytest.mark.parametrize("kind", KINDS)
def test_an_address_alone_makes_nobody_known(
    judged: dict[tuple[str, str], Judgement], config: Config, way: str, kind: str
) -> None:
    """Judged by its words like a stranger's, with the reason; no note, no draft, no newcomer, nothing to answer."""
    found = judged[way, kind]
    verdict = found.verdict
    assert verdict is not None
    assert verdict.sender in ("unknown", "suspicious")
    assert "mx.parent.example did not confirm that it comes from maplewood.k12.example" in verdict.warnings
    assert (found.note, found.draft) == ("", "")
    if kind != "other_school":
        assert found.card is not None
        assert found.card.situation == "suspicious"
    row = Stored("home", "k", "", Place("INBOX", 1, 1), NOW, NOW, "done", 0, "", frozenset(), kept_of(found))
    assert newcomer_of(row) is None
    assert waiting_of([row], (), config, NOW) == []


def drafts_to(home: Home) -> list[str]:
    with home.server.client(home.user) as client:
        client.select_folder("Drafts", readonly=True)
        found = client.fetch(client.search(), ["ENVELOPE"]).values()
        return [str(data[b"ENVELOPE"].to[0]) for data in found]


DRAFTING = '[prompts]\ndeliver = ["digest", "note", "draft"]\n'


def test_a_failure_that_is_hard_to_read_counts_without_a_configured_server(household: Home) -> None:
    """Whichever server wrote it: nothing is filed but in Review, nothing is written."""
    household.write_config(DRAFTING)
    kinds = ("homework", "meeting_request")
    household.deliver(*(a_spoof(way, kind) for way in HIDDEN for kind in kinds))
    once(household)
    found = [place for place, _ in places(household).values()]
    assert len(found) == len(HIDDEN) * len(kinds)
    assert set(found) <= {"INBOX", "School/Review"}
    assert note_count(household) == 0


@pytest.mark.parametrize(
    ("results", "drafts"),
    [
        ("spf=pass smtp.mailfrom=x@evil.example; dkim=pass header.d=evil.example; dmarc=none", 0),
        ("spf=none smtp.mailfrom=x@evil.example; dmarc=none header.from=parentsquare.com", 0),
        ("spf=pass smtp.mailfrom=b@mailer.example; dkim=pass header.d=parentsquare.com; dmarc=pass", 1),
    ],
)
def test_only_what_the_platform_sent_is_answered(household: Home, results: str, drafts: int) -> None:
    """A platform's address is no proof of itself either; what it did send gets note and draft as ever."""
    household.write_config(f'authserv_id = "mx.parent.example"\n{DRAFTING}')
    sender = '"Ms. Alvarez" <donotreply@parentsquare.com>\r\nReply-To: Ms. Alvarez <r-4711@replies.example>'
    mail = a_mail("meeting_request", sender=sender)
    household.deliver(f"{_MINE} {results}\r\n".encode() + mail)
    once(household)
    assert note_count(household) == 2 * drafts
    assert drafts_to(household) == ["r-4711@replies.example"] * drafts


@pytest.mark.parametrize(("result", "answers"), [("dmarc=fail", 0), ("dmarc=pass", 1)])
def test_a_forged_answer_settles_nothing(household: Home, result: str, answers: int) -> None:
    """A teacher's mail waits on, unless it was the other parent who answered."""
    asked = a_mail("meeting_request", number=7).replace(b"To: ", b"To: other@family.example, ", 1)
    household.deliver(asked)
    once(household)
    fields = (
        f"{_MINE} {result} header.from=family.example",
        "From: other@family.example",
        "To: somebody@family.example",
        "In-Reply-To: <meeting_request-7@test.example>",
        "Subject: dinner",
        "Message-ID: <z@family.example>",
    )
    household.deliver("\r\n".join([*fields, "", "I bought rice and beans for tonight.", ""]).encode())
    once(household)
    with Store(household.state) as store:
        assert len(Ledger(store).answers()) == answers


# --- What claims to be from somebody known is never lost from sight ------------------------------------------

GIFT_CARDS = "Your order has shipped. I need you to buy gift cards today, thank you for shopping with us."
CLAIMS = [
    *WAYS.values(),
    *UNCONFIRMED.values(),
    # What a mailbox that forwards looks like.
    [f"From: {TEACHER}", f"{_MINE} spf=softfail smtp.mailfrom=alvarez@maplewood.k12.example; dkim=none; dmarc=none"],
    ["From: Office <office@maplewood.k12.example>", f"{_MINE} dmarc=fail header.from=maplewood.k12.example"],
    ["From: Ana Alvarez <a.alvarez@learned.example>", "Reply-To: x@gmail.com"],
]
STRANGERS = [
    ["From: Deals <deals@evil.example>", f"{_MINE} spf=fail smtp.mailfrom=evil.example; dkim=none; dmarc=fail"],
    ["From: Bank <no-reply@evil.example>", "Reply-To: cash@gmail.com"],
    ['From: "service@bank.example" <x9@evil.example>'],
]


def _odd_mail(fields: list[str]) -> bytes:
    common = [
        "Subject: Your order",
        "Date: Wed, 7 Jan 2026 15:04:00 -0500",
        f"Message-ID: <o{len(fields[0])}@evil.example>",
    ]
    return "\r\n".join([*fields, *common, "", GIFT_CARDS, ""]).encode()


def test_a_claim_to_be_known_is_looked_at_whatever_it_says(config: Config) -> None:
    """Forged or forwarded, it goes to Review with the warning; what names nobody does not."""
    mails = [RawMail(_odd_mail(fields)) for fields in (*CLAIMS, *STRANGERS)]
    with Worker(Household(config), shipped_model_path) as worker:
        judged = worker.judge(mails, Context(NOW.date(), learned=("a.alvarez@learned.example",)))
    for fields, found in zip((*CLAIMS, *STRANGERS), judged, strict=True):
        verdict = found.verdict
        assert verdict is not None
        assert verdict.scores["school"] < 0.5, fields
        assert verdict.warnings, fields
        assert not verdict.school
        assert verdict.unsure is (fields in CLAIMS), fields
        assert verdict.reason == ("; ".join(verdict.warnings) if fields in CLAIMS else "")
        assert (found.note, found.draft) == ("", "")
        assert (found.card is not None) is (fields in CLAIMS)


def test_a_claim_to_be_known_stands_in_review_and_in_the_digest(household: Home) -> None:
    """The parent sees it in both; the prompts are the warning, for a stranger's mail too."""
    forwarded, stranger = _odd_mail(CLAIMS[-2]), _odd_mail(STRANGERS[1])
    household.deliver(forwarded, stranger)
    once(household)
    assert sorted(place for place, _ in places(household).values()) == ["INBOX", "School/Review"]
    assert "DMARC failed" in household.run("digest").stdout
    shown = household.run("prompts", "-", stdin=forwarded)
    assert shown.returncode == 0, shown.stderr
    assert "DMARC failed" in shown.stdout
    refused = household.run("prompts", "-", stdin=stranger)
    assert refused.returncode == 1
    assert "an answer would go to cash@gmail.com" in refused.stderr


GRADED = b"""From: Canvas Notifications <notifications@instructure.com>
Subject: Assignment graded: Unit 3 Quiz, Chemistry P5
Date: Fri, 20 Nov 2026 20:00:00 -0500
Message-ID: <graded@instructure.com>

Your student Isla Quist: Unit 3 Quiz has been graded.
score: 41 out of 50
"""


def test_what_a_platform_says_of_a_child_is_never_lost_from_sight(config: Config) -> None:
    """A notice that does not read like a teacher's goes to Review with the reason, and gets no note or draft."""
    isla = config.model_copy(update={"children": (Child(name="Isla"),)})
    other = GRADED.replace(b"instructure.com>\r\nSubject", b"instructure.example>\r\nSubject")
    with Worker(Household(isla), shipped_model_path) as worker:
        named, elsewhere = worker.judge([RawMail(GRADED), RawMail(other)], Context(NOW.date()))
    with Worker(Household(config), shipped_model_path) as worker:
        (nobody,) = worker.judge([RawMail(GRADED)], Context(NOW.date()))
    assert named.verdict is not None
    if not named.verdict.school:
        assert named.verdict.unsure
        assert "Canvas" in named.verdict.reason
        assert "Isla" in named.verdict.reason
        assert (named.card, named.note, named.draft) == (None, "", "")
    for found in (elsewhere, nobody):
        assert found.verdict is not None
        assert found.verdict.reason == ""
