"""Pure: who writes a mail, as far as its own header fields show it.

A sender is known, school, platform, unknown or suspicious; `warnings` says in words why it is suspicious.
Nothing here reads what the mail says.
"""

import contextlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import authres

from triage.config import Config, Teacher
from triage.lexicon import table, words
from triage.message import Message, Person

SenderKind = Literal["known", "school", "platform", "unknown", "suspicious"]

PLATFORMS: Mapping[str, str] = {domain: name for name, domains in table("platforms").items() for domain in domains}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the header fields say of the sender.

    `via` names the platform that relays, `teacher` the configured one. An unknown sender has a warning where the mail
    claims an address that is known and the receiving server confirmed nothing.
    """

    kind: SenderKind
    warnings: tuple[str, ...] = ()
    via: str = ""
    teacher: Teacher | None = None


def sender_standing(message: Message, config: Config, learned: Collection[str] = ()) -> Standing:
    """Judge the sender; `learned` holds addresses that the parent made known by filing or answering."""
    address, domain = message.sender.address, message.sender.domain
    teacher = next((t for t in config.school.teachers if t.address == address), None)
    via = _platform(domain, config)
    kind: SenderKind = "unknown"
    if teacher is not None or address in learned:
        kind = "known"
    elif any(within(domain, school) for school in config.school.domains):
        kind = "school"
    elif via:
        kind = "platform"
    strict = config.school.authserv_id is not None and kind != "unknown"
    found = _found(message, config, strict=strict)
    warnings = tuple(_warnings(message, config, via, found))
    if warnings:
        return Standing("suspicious", warnings, via, teacher)
    if strict and message.delivered and not found.confirmed:
        # An address is no proof of itself; what the mail says is still read. Some servers write no finding at all on
        # mail that is not signed; what bears no trace of its way was not sent, but put into the mailbox.
        return Standing("unknown", (f"{config.school.authserv_id} did not confirm that it comes from {domain}",), via)
    return Standing(kind, via=via, teacher=teacher)


def within(domain: str, parent: str) -> bool:
    """Whether `domain` is `parent` or below it."""
    return domain == parent or domain.endswith(f".{parent}")


def platform_of(message: Message) -> str:
    """The usual platform that relays a mail, by name; empty where none does."""
    return next((name for relay, name in PLATFORMS.items() if within(message.sender.domain, relay)), "")


def _platform(domain: str, config: Config) -> str:
    for relay in config.school.platforms:
        if within(domain, relay):
            return relay
    return next((name for relay, name in PLATFORMS.items() if within(domain, relay)), "")


def _warnings(message: Message, config: Config, via: str, found: "_Found") -> Iterable[str]:
    yield from (f"it has {defect}" for defect in message.defects if defect.startswith("more than one from "))
    if found.failure:
        yield found.failure
    if imitated := _imitated_domain(message.sender.domain, config, via):
        yield f"its domain {message.sender.domain} looks like {imitated} but is another"
    yield from _display_name_theft(message.sender, config, via)
    yield from _reply_elsewhere(message, config, via, confirmed=found.confirmed)


# --- What the receiving server found (RFC 8601) -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """`failure` says in words why the sender seems forged, `confirmed` that the From domain itself passed."""

    failure: str = ""
    confirmed: bool = False


def _found(message: Message, config: Config, *, strict: bool) -> _Found:
    """What the topmost field says, or the configured server's topmost, with the failures in those beneath in its name.

    Without a configured server only failures are believed: a forger may add a "pass" of his own, and gains nothing by
    adding a "fail". With `strict`, a signature of somebody else does not make up for a failure.
    """
    fields = _fields(message, config.school.authserv_id)
    server, results = next(iter(fields), ("", ()))
    # A server that looks in several steps writes a field for each; a "pass" beneath may be a forger's.
    results = [*results, *(one for _, more in fields[1:] for one in more if _word(one.result) != "pass")]
    passed = [result for result in results if _word(result.result) == "pass"]
    confirmed = any(_is_aligned(result, message.sender.domain, config) for result in passed)
    outcomes = {(_word(result.method), _word(result.result)) for result in results}
    if ("dmarc", "fail") in outcomes:
        return _Found(f"{server} says that the sender's domain did not send it (DMARC failed)")
    # "dmarc=none" says no more than that the domain has no policy.
    excuses = {("dmarc", "pass"), ("dmarc", "bestguesspass")} | (set() if strict else {("dkim", "pass")})
    spared = confirmed or not outcomes.isdisjoint(excuses)
    if not spared and not outcomes.isdisjoint({("spf", "fail"), ("spf", "softfail"), ("spf", "permerror")}):
        return _Found(f"{server} says that the sender's address was not confirmed (SPF failed)")
    return _Found(confirmed=confirmed)


def _fields(message: Message, authserv_id: str | None) -> list[tuple[str, Sequence[Any]]]:
    """The server whose findings count, and these, for each of its fields that stand together at the top."""
    found: list[tuple[str, Sequence[Any]]] = []
    for value in message.headers.get("authentication-results", ()):
        named = re.sub(r"\([^()]*\)", " ", value).partition(";")[0].split() or [""]
        if _NAMELESS.match(named[0]) and not found:
            # Exchange names no server. Anybody could have written it, who gains nothing by a failure.
            found.append((_EXCHANGE, _failures(value)))
            continue
        if authserv_id is not None and named[0].strip('"').lower() != authserv_id.lower():
            continue
        server = named[0].strip('"')[:100] or _EXCHANGE
        if authserv_id is None and found and server != found[0][0]:
            break
        if found and found[0][0] == _EXCHANGE and not found[0][1]:
            found.clear()
        found.append((server, [*_results(value), *_failures(value)]))
    return found


# A server that looks at dozens of signatures writes some thousand characters.
_LONGEST_PARSED = 32 * 1024


def _results(value: str) -> Sequence[Any]:
    """What a field says by the standard's grammar; nothing where it cannot be read by it, or not in good time."""
    if len(value) > _LONGEST_PARSED:
        return ()
    # Some end the last finding, too.
    value = value.rstrip("; ")
    try:
        return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}").results or ()
    except (authres.AuthResError, ValueError, IndexError, AttributeError, RecursionError):
        return ()


_NAMELESS = re.compile(r"(?:spf|dkim|dmarc|arc|compauth|iprev)\s*=", re.IGNORECASE)
_EXCHANGE = "the receiving server"


@dataclass(frozen=True, slots=True)
class _Failed:
    method: str
    result: str
    properties: tuple[()] = ()


_FAILURES = ("fail", "softfail", "permerror")
_OUTCOME = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc)\s*(?:/\s*\d+\s*)?=\s*(\w+)")


def _failures(value: str) -> Sequence[_Failed]:
    """What failed, in whatever grammar it is written; nothing but DMARC where something passed all the same.

    A forger may choose an address that no grammar covers, or whose bracket makes a comment of all that follows: so the
    field is read with its comments and without.
    """
    value = value.lower()
    outcomes = [found for text in (value, re.sub(r"\([^()]*\)", " ", value)) for found in _OUTCOME.findall(text)]
    passed = any(method != "spf" and result in ("pass", "bestguesspass") for method, result in outcomes)
    failed = (("dmarc", "fail"),) if passed else [one for one in outcomes if one[1] in _FAILURES]
    return [_Failed(method, result) for method, result in outcomes if (method, result) in failed]


def _word(value: object) -> str:
    return str(value).lower()


# Where each method says for which domain it passed.
_PASSED_FOR = {"dmarc": {"from"}, "dkim": {"d", "i"}, "spf": {"mailfrom", "mail"}}


def _is_aligned(result: Any, domain: str, config: Config) -> bool:
    """Whether something that passed did so for the From domain (RFC 7489, 3.1, relaxed), not for somebody else's."""
    method = _word(result.method)
    if method not in _PASSED_FOR or not domain:
        return False
    values = [str(one.value) for one in result.properties if _word(one.name) in _PASSED_FOR[method]]
    passed_for = [value.rpartition("@")[2].lower().rstrip(".") for value in values]
    if method == "dmarc" and not passed_for:
        # It is about the From domain by definition.
        return True
    return any(_is_of(one, domain, config) for one in passed_for)


def _is_of(one: str, domain: str, config: Config) -> bool:
    # A top-level domain has everybody below it.
    related = within(one, domain) or ("." in one and within(domain, one))
    return related or any(within(one, school) and within(domain, school) for school in config.school.domains)


# --- Domains that imitate --------------------------------------------------------------------------------

_LOOKALIKES = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "|": "l"})


@lru_cache(maxsize=4096)
def _skeleton(domain: str) -> str:
    """The domain as a hurried eye reads it: accents and look-alike characters folded, hyphens gone."""
    with contextlib.suppress(UnicodeError):
        domain = domain.encode("ascii").decode("idna")
    folded = _folded(domain).translate(_LOOKALIKES).replace("rn", "m").replace("vv", "w")
    return re.sub(r"[-_]", "", folded)


def _folded(text: str) -> str:
    """Without accents and signs that show nothing, and with Latin letters for those that only look it."""
    decomposed = unicodedata.normalize("NFKD", text)
    shown = "".join(c for c in decomposed if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return shown.translate(_CONFUSABLE)


# In the skeleton's spelling, where 1 is l and 0 is o.
_LURE = re.compile(
    r"kl2|school|edu|isd|district|parent|portal|login|signin|secure|verify|account|support|mail|online|web"
)

# Cyrillic and Greek letters that look Latin.
_CONFUSABLE = str.maketrans("аеіорсухѕјһԁɡοανρι", "aeiopcyxsjhdgoavpi")


def _imitated_domain(domain: str, config: Config, via: str) -> str:
    if via or not domain:
        return ""
    genuine = {*config.school.domains, *config.school.platforms, *PLATFORMS}
    genuine |= {teacher.address.rpartition("@")[2] for teacher in config.school.teachers} - words("free_mail")
    if any(within(domain, real) for real in genuine):
        return ""
    return next((real for real in sorted(genuine) if _imitates(domain, real)), "")


def _imitates(domain: str, real: str) -> bool:
    seen, wanted = _skeleton(domain), _skeleton(real)
    if seen == wanted or f".{wanted}." in f".{seen}.":
        return True
    name, real_name = seen.partition(".")[0], wanted.partition(".")[0]
    if len(real_name) < 6:
        return False
    if _distance_one(name, real_name):
        return True
    # maplewood-k12, maplewoodlogin: the school's own word with a lure added; maplewoodbakery is somebody else.
    return name.startswith(real_name) and bool(_LURE.search(name.removeprefix(real_name)))


def _distance_one(one: str, other: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes `one` into `other`."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, other_rest = one[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[2:] == other_rest[2:] and rest[:2] == other_rest[1::-1])
    )


# --- Names and answers that lead elsewhere ---------------------------------------------------------------


def _display_name_theft(sender: Person, config: Config, via: str) -> Iterable[str]:
    inner = re.search(r"[\w.+-]+@([\w-]+\.[\w.-]+)", sender.name)
    if inner and not _same_organisation(inner.group(1).lower().rstrip("."), sender.domain):
        yield f"it shows the address {inner.group()} but comes from {sender.address}"
    if via or any(within(sender.domain, domain) for domain in config.school.domains):
        return
    for teacher in config.school.teachers:
        if sender.address != teacher.address and _same_name(sender.name, teacher.name):
            yield f"it carries the name of {teacher.name} but comes from {sender.address}"


def _same_name(shown: str, known: str) -> bool:
    shown_words, known_words = _name_words(shown), _name_words(known)
    return bool(known_words) and known_words <= shown_words


def _name_words(name: str) -> set[str]:
    titles = {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "coach", "sr", "sra", "srta"}
    return {word for word in re.findall(r"[^\W\d_]+", _folded(name.lower())) if word not in titles}


def _reply_elsewhere(message: Message, config: Config, via: str, *, confirmed: bool) -> Iterable[str]:
    sender = message.sender
    trusted = (*config.school.domains, *(t.address.rpartition("@")[2] for t in config.school.teachers))
    of_school = any(within(sender.domain, domain) for domain in trusted)
    # On a list it is usual; but anybody can say that a mail is a list's.
    if via or ("list-id" in message.headers and (confirmed or not of_school)):
        return
    for person in message.reply_to:
        if _same_organisation(person.domain, sender.domain) or _platform(person.domain, config):
            continue
        if person.domain in words("free_mail") or of_school:
            yield f"an answer would go to {person.address}, not to {sender.address}"


def _same_organisation(one: str, other: str) -> bool:
    return within(one, other) or within(other, one) or _organisation(one) == _organisation(other) != ""


def _organisation(domain: str) -> str:
    """The last labels of a domain that one owner holds, near enough: three for k12.xx.us, co.uk and the like."""
    labels = domain.split(".")
    deep = len(labels) > 2 and (len(labels[-2]) <= 3 or labels[-2] in ("k12", "school"))
    return ".".join(labels[-3:] if deep else labels[-2:])


def answer_address(message: Message) -> Person:
    """Whom an answer reaches: Reply-To where the mail has one, else From."""
    return next(iter(message.reply_to), message.sender)


def is_automatic(message: Message) -> bool:
    """Whether a program sent it, and nobody waits for an answer (RFC 3834, 2 and 5)."""
    submitted = re.split(r"[\s;(]", message.header("auto-submitted").lower().strip(), maxsplit=1)[0]
    bounce = re.sub(r"\s", "", message.header("return-path")) == "<>"
    return submitted not in ("", "no") or bounce or message.header("precedence").lower().strip() == "auto_reply"


def is_from_list(message: Message) -> bool:
    """Whether the header fields say that it went to a list."""
    return "list-id" in message.headers or message.header("precedence").lower().strip() in ("bulk", "list", "junk")


_UNREAD = re.compile(r"(?i)(no-?reply|do-?not-?reply|donotreply|notifications?|mailer|alerts?)\b")


def is_answerable(message: Message) -> bool:
    """Whether an answer by mail reaches somebody."""
    address = answer_address(message).address
    return bool(address) and not _UNREAD.match(address)
