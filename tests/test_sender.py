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


def test_only_the_configured_server_is_believed(config: Config) -> None:
    """A field that somebody else's server added decides nothing."""
    trusting = config.model_copy(update={"school": config.school.model_copy(update={"authserv_id": "mx.mine.example"})})
    field = "mx.other.example; dmarc=fail header.from=maplewood.k12.example"
    assert standing(trusting, "o@maplewood.k12.example", {"Authentication_Results": field}).kind == "school"
    field = field.replace("mx.other", "mx.mine")
    assert standing(trusting, "o@maplewood.k12.example", {"Authentication_Results": field}).kind == "suspicious"


@given(st.sampled_from(sorted(PLATFORMS)), st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_platforms_and_their_subdomains_are_themselves(domain: str, label: str) -> None:
    """No built-in relay is taken for an imitation of another."""
    for host in (domain, f"{label}.{domain}"):
        assert standing(Config(timezone="UTC"), f"x@{host}").kind == "platform"
