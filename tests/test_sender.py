"""Who writes, as far as the header fields show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.config import Config
from triage.message import parse_message
from triage.sender import PLATFORMS, Standing, sender_standing


def standing(
    config: Config, sender: str, headers: dict[str, str] | None = None, learned: tuple[str, ...] = ()
) -> Standing:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in (headers or {}).items())
    raw = f"From: {sender}\r\nSubject: x\r\n{fields}\r\nHello\r\n"
    return sender_standing(parse_message(raw.encode()), config, learned)


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("Ms. Alvarez <alvarez@maplewood.k12.example>", "known"),
        ("ALVAREZ@MAPLEWOOD.K12.EXAMPLE", "known"),
        ("Office <office@maplewood.k12.example>", "school"),
        ("Nurse <n@mail.maplewood.k12.example>", "school"),
        ("ClassDojo <no-reply@classdojo.com>", "platform"),
        ("Canvas <notifications@instructure.com>", "platform"),
        ("Mail <x@mail.parentsquare.com>", "platform"),
        ("Someone <someone@elsewhere.example>", "unknown"),
        ("Bakery <hello@maplewoodbakery.example>", "unknown"),
        ("Oak <hello@oakwood.k12.example>", "unknown"),
    ],
)
def test_the_kinds(config: Config, sender: str, kind: str) -> None:
    """Configured teacher, configured domain, relay, stranger."""
    found = standing(config, sender)
    assert (found.kind, found.warnings) == (kind, ())


def test_a_learned_address_is_known(config: Config) -> None:
    """Filing a mail by hand makes its sender known."""
    assert standing(config, "x@elsewhere.example", learned=("x@elsewhere.example",)).kind == "known"


@pytest.mark.parametrize(
    "domain",
    [
        "maplewo0d.k12.example",
        "rnaplewood.k12.example",
        "maplewood-k12.example",
        "maplewoodk12.example",
        "mapelwood.k12.example",
        "maplewod.k12.example",
        "maplewood.k12.example.login.example",
        "maplewood-school-login.example",
        "mаplewood.k12.example".encode("idna").decode(),
    ],
)
def test_domains_that_imitate(config: Config, domain: str) -> None:
    """Swapped, lost, doubled, look-alike letters and lures."""
    found = standing(config, f"Ms. Hargrove <h@{domain}>")
    assert found.kind == "suspicious"
    assert "looks like maplewood.k12.example" in found.warnings[0]


@pytest.mark.parametrize(
    ("sender", "headers", "words"),
    [
        ("Ms. Alvarez <dana.alvarez88@gmail.com>", {}, "carries the name of Ms. Alvarez"),
        ("alvarez@maplewood.k12.example <x@other.example>", {}, "shows the address"),
        ("Office <office@maplewood.k12.example>", {"Reply_To": "x@gmail.com"}, "an answer would go to x@gmail.com"),
        ("Shop <a@shop.example>", {"Reply_To": "x@gmail.com"}, "an answer would go to"),
        ("A <a@b.example>", {"From": "C <c@d.example>"}, "more than one from field"),
        (
            "Office <office@maplewood.k12.example>",
            {"Authentication_Results": "mx.example.com; spf=fail smtp.mailfrom=x.example; dmarc=fail header.from=x"},
            "DMARC failed",
        ),
        (
            "Office <office@maplewood.k12.example>",
            {"Authentication_Results": "mx.example.com; spf=softfail smtp.mailfrom=x.example; dkim=none"},
            "SPF failed",
        ),
    ],
)
def test_other_signs_of_forgery(config: Config, sender: str, headers: dict[str, str], words: str) -> None:
    """Each warning says in words what was seen."""
    found = standing(config, sender, headers)
    assert found.kind == "suspicious"
    assert any(words in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("Office <office@maplewood.k12.example>", {"Reply_To": "nurse@maplewood.k12.example"}),
        ("ClassDojo <no-reply@classdojo.com>", {"Reply_To": "m-8812@reply.classdojo.com"}),
        ("ParentSquare <donotreply@parentsquare.com>", {"Reply_To": "alvarez@maplewood.k12.example"}),
        ("News <news@letters.shop.example>", {"Reply_To": "help@shop.example"}),
        ("Club <c@club.example>", {"Reply_To": "coach@gmail.com", "List_Id": "<u9.club.example>"}),
        (
            "Office <office@maplewood.k12.example>",
            {"Authentication_Results": "mx.example.com; spf=pass; dkim=pass; dmarc=pass"},
        ),
        ("Office <office@maplewood.k12.example>", {"Authentication_Results": "garbage ;;; ="}),
        (
            "Office <office@maplewood.k12.example>",
            {"Authentication_Results": "mx.example.com; spf=fail smtp.mailfrom=x; dkim=pass header.d=maplewood"},
        ),
    ],
)
def test_honest_oddities_are_no_warning(config: Config, sender: str, headers: dict[str, str]) -> None:
    """Answers to the same school, relays, mailing lists and passing checks."""
    assert standing(config, sender, headers).warnings == ()


@pytest.fixture
def trusting(config: Config) -> Config:
    """The same household, where it is known whose findings count."""
    return config.model_copy(update={"school": config.school.model_copy(update={"authserv_id": "mx.mine.example"})})


OFFICE, TEACHER, LEARNED = "o@maplewood.k12.example", "alvarez@maplewood.k12.example", "coach@club.example"
PLATFORM = "donotreply@parentsquare.com"


def with_results(config: Config, *fields: str, sender: str = OFFICE) -> Standing:
    lines = "".join(f"Authentication-Results: {field}\r\n" for field in fields)
    raw = f"{lines}From: {sender}\r\nSubject: x\r\n\r\nHello\r\n"
    return sender_standing(parse_message(raw.encode()), config, (LEARNED,))


def test_only_the_configured_server_is_believed(trusting: Config) -> None:
    """A field that somebody else's server added decides nothing, for better or worse."""
    fail, passed = "dmarc=fail header.from=maplewood.k12.example", "dmarc=pass header.from=maplewood.k12.example"
    assert with_results(trusting, f"mx.other.example; {fail}").kind == "unknown"
    assert with_results(trusting, f"mx.other.example; {passed}").kind == "unknown"
    assert with_results(trusting, f"mx.other.example; {fail}", f"MX.mine.example 1; {passed}").kind == "school"
    assert with_results(trusting, f"mx.mine.example; {fail}", f"mx.mine.example; {passed}").kind == "suspicious"


@pytest.mark.parametrize(
    ("sender", "kind"), [(OFFICE, "school"), (TEACHER, "known"), (LEARNED, "known"), (PLATFORM, "platform")]
)
@pytest.mark.parametrize(
    "results",
    [
        "dmarc=pass (p=REJECT) header.from={d}",
        "spf=fail smtp.mailfrom=x@forwarder.example; dkim=pass header.d={d}; dmarc=none header.from={d}",
        "dkim=pass header.i=@{d} header.s=x header.b=ab; dkim=fail header.d=relay.example",
        "spf=pass (designates 192.0.2.1) smtp.mailfrom=bounce+1@mail.{d}; dkim=none; dmarc=none",
        "dkim=fail header.d={d}; spf=pass smtp.mailfrom={d}",
        "spf=pass smtp.mailfrom=x@relay.example; dkim=pass header.d={d}; dmarc=pass header.from={d};",
    ],
)
def test_what_the_server_confirms_is_known(trusting: Config, sender: str, kind: str, results: str) -> None:
    """DMARC, or a school without it whose SPF or DKIM passed for its own domain."""
    found = with_results(trusting, f"mx.mine.example; {results.format(d=sender.partition('@')[2])}", sender=sender)
    assert (found.kind, found.warnings) == (kind, ())


@pytest.mark.parametrize("sender", [OFFICE, TEACHER, LEARNED, PLATFORM])
@pytest.mark.parametrize(
    "fields",
    [
        ["mx.mine.example; none"],
        ["mx.mine.example; spf=none smtp.mailfrom=x@evil.example; dkim=none; dmarc=none"],
        ["mx.mine.example; spf=pass smtp.mailfrom=x@evil.example; dkim=pass header.d=evil.example; dmarc=none"],
        ["mx.mine.example; dmarc=pass header.from=evil.example"],
        ["mx.mine.example; dkim=pass header.d=example; spf=pass"],
        ["mx.mine.example; dkim=pass header.i=@maplewood.k12.example.evil.example"],
        # Not to be read, and what stands beneath was there before it came.
        ["mx.mine.example; spf=<<pass>>", "mx.mine.example; dmarc=pass header.from=maplewood.k12.example"],
    ],
)
def test_what_nothing_confirms_is_not_known(trusting: Config, sender: str, fields: list[str]) -> None:
    """An exact address is no proof of itself where the server's findings are to be had."""
    found = with_results(trusting, *fields, sender=sender)
    assert (found.kind, found.teacher) == ("unknown", None)
    domain = sender.partition("@")[2]
    assert found.warnings == (f"mx.mine.example did not confirm that it comes from {domain}",)


@pytest.mark.parametrize(
    ("sender", "kind"), [(OFFICE, "school"), (TEACHER, "known"), ("x@mail.parentsquare.com", "platform")]
)
def test_mail_that_no_server_looked_at_is_as_its_address_says(trusting: Config, sender: str, kind: str) -> None:
    """What comes from outside bears the server's finding; what bears none did not, or the name was mistyped."""
    assert with_results(trusting, sender=sender).kind == kind


EXCHANGE = (
    "spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=maplewood.k12.example; dkim=none (message not signed) "
    "header.d=none;dmarc=fail action=quarantine header.from=maplewood.k12.example;compauth=fail reason=000"
)


# What a forger can have the server write before its finding, each beyond the standard's grammar or made to hide it.
ODD = {
    "signatures without end": "dkim=pass header.i=@evil.example header.s=s header.b=AbCdEf12; " * 900,
    "no sender": "spf=pass smtp.mailfrom=<>;",
    "an address literal": "spf=fail smtp.mailfrom=x@[192.0.2.1];",
    "an open bracket": "spf=pass smtp.mailfrom=a(b@evil.example;",
    "a backslash": "spf=pass smtp.mailfrom=a\\b@evil.example;",
    "another alphabet": "spf=pass smtp.mailfrom=bé@evil.example;",
    "a comment that does not end": "spf=pass (domain of a(b@evil.example) smtp.mailfrom=x@evil.example;",
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("after", ["", ";", "; dkim=pass header.i=c)d@evil.example"])
@pytest.mark.parametrize("before", list(ODD.values()), ids=list(ODD))
def test_nothing_odd_hides_a_failure(config: Config, trusting: Config, before: str, after: str, *, known: bool) -> None:
    """However long the field is, and whatever stands around the finding."""
    field = f"mx.mine.example; {before} dmarc=fail header.from=maplewood.k12.example{after}"
    found = with_results(trusting if known else config, field, sender=TEACHER)
    assert found.kind == "suspicious"
    assert "DMARC failed" in found.warnings[0]


@pytest.mark.parametrize("before", [before for before in ODD.values() if "fail" not in before])
def test_what_is_odd_accuses_nobody(config: Config, before: str) -> None:
    """A field that cannot be read to its end is no failure, where it tells of none."""
    assert with_results(config, f"mx.mine.example; {before} dmarc=pass", sender=TEACHER).kind == "known"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        [EXCHANGE],
        ["mx.mine.example; dkim=none", "mx.mine.example; dmarc=fail header.from=maplewood.k12.example"],
        ["mx.mine.example; dkim=pass header.d=evil.example", "mx.mine.example; spf=pass; dmarc=fail"],
    ],
)
def test_a_failure_is_seen_however_it_is_written(
    config: Config, trusting: Config, fields: list[str], *, known: bool
) -> None:
    """By Exchange, which names no server, and by servers that look in several steps and write a field for each."""
    found = with_results(trusting if known else config, *fields, sender=TEACHER)
    assert found.kind == "suspicious"
    assert "DMARC failed" in found.warnings[0]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ([EXCHANGE.replace("fail", "pass")], "known"),
        ([EXCHANGE.replace("dmarc=fail", "dmarc=bestguesspass")], "known"),
        (
            ["mx.mine.example; spf=fail; dkim=none", "mx.mine.example; dkim=pass header.d=maplewood.k12.example"],
            "suspicious",
        ),
    ],
)
def test_a_pass_beneath_or_without_a_name_excuses_nothing_and_accuses_nobody(
    config: Config, fields: list[str], kind: str
) -> None:
    """Exchange's own pass is no failure; a pass further down may be a forger's."""
    assert with_results(config, *fields, sender=TEACHER).kind == kind


@pytest.mark.parametrize("sender", [OFFICE, TEACHER, PLATFORM])
@pytest.mark.parametrize(
    "results",
    [
        "spf=fail; dkim=none; dmarc=none",
        "spf=softfail smtp.mailfrom=x@maplewood.k12.example; dmarc=temperror",
        "spf=fail smtp.mailfrom=x@maplewood.k12.example; dkim=pass header.d=evil.example; dmarc=none",
    ],
)
def test_a_domain_without_a_policy_can_be_forged_too(trusting: Config, sender: str, results: str) -> None:
    """That it has none excuses no failure, nor does the signature of somebody else."""
    found = with_results(trusting, f"mx.mine.example; {results}", sender=sender)
    assert found.kind == "suspicious"
    assert "SPF failed" in found.warnings[0]


def test_a_domain_without_a_policy_excuses_nothing_anywhere(config: Config) -> None:
    """Where no server is configured, a failure counts all the same, and a signature still makes up for it."""
    assert with_results(config, "mx.any.example; spf=fail; dkim=none; dmarc=none").kind == "suspicious"
    assert (
        with_results(config, "mx.any.example; spf=fail; dkim=pass header.d=list.example; dmarc=none").kind == "school"
    )


def test_strangers_need_no_proof(trusting: Config) -> None:
    """Whoever claims nothing is judged by what they write."""
    assert with_results(trusting, sender="x@elsewhere.example") == Standing("unknown")


def test_without_a_configured_server_a_platform_is_as_its_address_says(config: Config) -> None:
    """Whose pass counts is not known then; only failures do."""
    assert with_results(config, "mx.any.example; dkim=pass header.d=relay.example", sender=PLATFORM).kind == "platform"
    assert with_results(config, "mx.any.example; dmarc=fail", sender=PLATFORM).kind == "suspicious"


@given(st.sampled_from(sorted(PLATFORMS)), st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_platforms_and_their_subdomains_are_themselves(domain: str, label: str) -> None:
    """No built-in relay is taken for an imitation of another."""
    for host in (domain, f"{label}.{domain}"):
        assert standing(Config(timezone="UTC"), f"x@{host}").kind == "platform"
