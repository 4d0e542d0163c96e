"""Pure: the child and the teacher of a mail, as the mail or the configuration names them.

With children configured only their names are looked for. Without, a name is guessed from how it stands in the
sentences; where that leaves doubt no name is given, for a wrong one is worse than "your child".
"""

import re
from collections import Counter
from collections.abc import Collection

from triage.config import Child, Config, School
from triage.lexicon import entries, pattern, words
from triage.message import Message, Person
from triage.sender import SenderKind, Standing, answer_address, platform_of, sender_standing, within

TITLE = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Coach|Principal|Nurse|Sr|Sra|Srta|Dra|Lic|Ing|Mtr[oa]|Profr?a?|Profe|Profesora?|Maestr[oa]|Miss|Teacher|Sir|Madam|"
    r"Señor(?:a|ita)?|Sister|Father|Fr|Rev|Dean|Officer|Deputy|Assistant Principal)\b\.?"
)
NAME = r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+(?:[-'’][A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]{2,})?|[A-Z]{2}(?=\b)"
_WORD = re.compile(r"[A-ZÀ-ÖØ-Þ][\w]*(?:[-'’][A-ZÀ-ÖØ-Þ]?\w+)*")

_AFTER_CHILD = re.compile(rf"(?:['’]s\b|['’](?=\s)|,? (?:{'|'.join(entries('after_child'))})\b)")


def find_child(message: Message, config: Config, standing: Standing) -> str | None:
    """The child that a mail is about: a configured name, or the one that the mail itself comes back to."""
    own = f"{message.subject}\n{message.parts.own}"
    if not config.children:
        return _probable_child(message)
    counts = {child.name: mentions(own, child) for child in config.children}
    if any(counts.values()):
        return max(counts, key=lambda name: counts[name])
    taught = standing.teacher.children if standing.teacher else ()
    return taught[0] if len(taught) == 1 else None


def mentions(text: str, child: Child) -> int:
    """How often a text names a child, by the name that it names most."""
    names = {child.name, child.name.split()[0], *child.aliases}
    return max(len(re.findall(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", text)) for name in names)


def _probable_child(message: Message) -> str | None:
    own = message.parts.own
    strangers = _strangers(message)
    scores: Counter[str] = Counter()
    for line in [message.subject, *own.split("\n")]:
        for match in _WORD.finditer(line):
            name = re.sub(r"['’]s?$", "", match.group())
            if (
                name.lower() in words("not_names")
                or name.lower() in words("common_words")
                or name.lower() in strangers
                or len(name) < 2
                or (name.isupper() and len(name) > 2)
            ):
                continue
            scores[name] += _weight(line, match, subject=line is message.subject)
    if not scores:
        return None
    # "Maya Rivera" is one child: the surname has no score, and so is no rival.
    (best, score), *rivals = scores.most_common(2)
    lead = score - max((rival for _, rival in rivals), default=0)
    lower = re.search(rf"(?<!\w){re.escape(best.lower())}(?!\w)", own)
    return best if min(score, lead) >= 3 and not lower else None


def _weight(line: str, match: re.Match[str], *, subject: bool) -> int:
    before = line[: match.start()].rstrip()
    last_word = re.search(r"([\w'’]+)[\"'“‘(]*$", before)
    previous = last_word.group(1) if last_word else ""
    after = line[match.end() :]
    if re.search(rf"{TITLE}$", before) or re.match(
        r" (?:Elementary|Middle|High|School|Academy|College|Street|Road|Hall|Park)\b", after
    ):
        return -6
    if previous.lower() in words("before_things") and not previous[0].isupper():
        return -2
    if previous[:1].isupper() and before.endswith(previous) and previous.lower() not in words("not_names"):
        # Second of two capitals: a surname, or part of a title.
        return 0
    initial = not before or before[-1] in ".!?:;•-–—*" or subject
    possessive = bool(re.search(r"['’]s$", match.group())) or after.startswith(("'s", "’s"))
    followed = bool(_AFTER_CHILD.match(after))
    capital_follows = bool(re.match(r" [A-ZÀ-ÖØ-Þ]", after))
    if subject:
        return 3 if not capital_follows or possessive else 2
    if initial:
        return 3 if possessive or followed else 0
    return 3 if followed or possessive else 1 if capital_follows else 2


def _strangers(message: Message) -> set[str]:
    """Words of names that are not the child's: sender, recipients, whoever is greeted, and titled people."""
    own = message.parts.own
    people = (message.sender, *message.recipients)
    texts = [message.parts.signature, *(person.name for person in people)]
    texts += [re.sub(r"[._-]", " ", person.address.partition("@")[0]) for person in people]
    greeting = r"(?im)^(?:hi|hello|dear|hey|good \w+|hola|estimad\w+|querid\w+)"
    texts += re.findall(rf"{greeting} +([^\n,!.:]{{1,60}})", own)
    # "Hello, Maya has ..." greets nobody by name; "Hello, Dana," does.
    texts += re.findall(rf"{greeting}, +([^\n,!.:]{{1,30}})(?:[,!.:]|$)", own)
    texts += re.findall(rf"{TITLE} ((?:{NAME})(?:[ -](?:{NAME}))?)", own)
    # Somebody who opens with "Beata, come in" speaks to the parent.
    texts += re.findall(r"\A\s*([A-Z]\w+(?: [A-Z]\w+)?),\s", own)
    last_line = own.rstrip().rpartition("\n")[2]
    if len(last_line.split()) <= 5:
        texts.append(last_line)
    return {word.lower() for text in texts for word in re.findall(r"[\w'’]+", text)}


# --- Teacher ---------------------------------------------------------------------------------------------

_PERSON = rf"(?:{TITLE} )?(?:{NAME})(?: (?:{NAME}|[A-Z]\.?)){{0,2}}"
_TITLED = rf"{TITLE} (?:{NAME})(?:[ -](?:{NAME}))?"
_RELAYED = re.compile(
    rf"(?m)(?:message|mensaje|note|post|announcement|update|comment|story|by|from|de) "
    rf"(?:from |by |de )?(?P<a>{_TITLED})|"
    rf"^(?P<b>{_PERSON}) (?:sent|posted|shared|added|wrote|commented|messaged|te envió|publicó|ha enviado|escribió)\b|"
    rf"(?P<c>{TITLE} (?:{NAME})) (?:via|on|through|en|por) |"
    rf"(?:from|by|de|sent by|posted by|teacher:?) (?P<d>{_PERSON})\b"
)
_SIGNED = re.compile(
    rf"^(?:[-–—~*]\s*)?((?:{TITLE} )(?:[A-Z]\.? ?){{0,2}}(?:{NAME})(?:[- ](?:{NAME})){{0,2}}"
    rf"|(?:{NAME}|[A-Z]\.)(?: (?:{NAME}|[A-Z]\.?|de|del|van|von|der)){{0,3}})"
    rf"(?=$|,|\s*[-–—|(•/]|\s+(?:[A-Z]{{2,}}|\d))"
)


def find_teacher(message: Message, standing: Standing) -> Person | None:
    """The person who writes, behind a platform or a forward too, with the address that an answer reaches."""
    # Whoever passes a mail on is neither its writer nor who should have the answer.
    writer = writer_of(message, standing.kind)
    answer = _own_address(message, standing) if writer is message.sender else writer
    if standing.teacher is not None:
        return Person(standing.teacher.name, standing.teacher.address)
    shown, addressed = _shown(writer.name, standing), _addressed(message)
    found = (*_signed(message), _relayed(message) if standing.via else "", shown)
    name = next((name for name in found if _may_sign(name, addressed)), "")
    if name and not re.match(TITLE, name) and (len(name.split()) == 1 < len(shown.split())):
        # "Deb" beneath a mail from Deb Krantz.
        name = shown
    return Person(name, answer.address) if name else None


def _own_address(message: Message, standing: Standing) -> Person:
    """Where an answer goes; of somebody whom nothing proves, only where that is the sender's own domain."""
    answer = answer_address(message)
    own, other = message.sender.domain, answer.domain
    elsewhere = standing.kind in ("unknown", "suspicious") and not (within(own, other) or within(other, own))
    return message.sender if elsewhere else answer


def is_passed_on(message: Message, sender: SenderKind) -> bool:
    """Whether the words are another's than the sender's, who is nobody of the school's."""
    return bool(message.parts.header) and sender in ("unknown", "suspicious")


def writer_of(message: Message, sender: SenderKind) -> Person:
    """Whose words they are: the sender's, but of a mail that was passed on."""
    return author_of(message.parts.header) if is_passed_on(message, sender) else message.sender


def author_of(header: str) -> Person:
    """Who wrote the mail that was passed on, as the lines above it say; anybody can write those."""
    line = next(filter(_FROM.match, header.split("\n")), "")
    named = _FROM.sub("", line).replace("*", "")
    found = _ADDRESS.search(line or header)
    name = re.sub(r"[<\[(].*$", "", named).strip("\"' ")
    return Person("" if "@" in name else name, found.group().lower() if found else "")


_FROM = re.compile(r"(?i)^\*?(?:from|de|von|van|da)\s?:\*?")
_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")


def _may_sign(name: str, addressed: set[str]) -> bool:
    """Whether a name is more than a title, a subject or a button, and not that of whom the mail speaks to."""
    bare = re.sub(rf"^(?:{TITLE} ?)+", "", name)
    if not bare or pattern("not_signatures").search(bare):
        return False
    return not set(re.findall(r"\w{2,}", bare.lower())) <= addressed if len(bare) > 2 else True


def _addressed(message: Message) -> set[str]:
    """Words of the names of the recipients and of whoever the first line speaks to."""
    texts = [person.name for person in message.recipients]
    first = message.parts.own.lstrip().partition("\n")[0]
    # "Ms. Rivera, Leo pushed a boy", "Dear Ms Rivera -", "Hi Dana!"
    texts += re.findall(rf"^(?:{_GREETING_WORDS},? +)?({TITLE} (?:{NAME})(?:[ -](?:{NAME}))?)\s*[,!:;–—-]", first)
    texts += re.findall(rf"(?i:^(?:{_GREETING_WORDS})),? +([^,.!:;–—\n]{{1,40}}?)(?=[,.!:;–—]| -|$)", first)
    return {word for text in texts for word in re.findall(r"\w{2,}", text.lower())}


_GREETING_WORDS = r"(?:hi|hello|dear|hey|good \w+|hola|estimad\w+|querid\w+|buen[oa]s \w+|apreciad\w+)"


def _signed(message: Message) -> list[str]:
    """The names beneath the mail, the likeliest first: on its last lines, or first after the sign-off."""
    signature = message.parts.signature.split("\n")
    lines = [line for line in message.parts.own.split("\n") if line]
    # Where a mail begins it speaks to somebody.
    tail = lines[-3:] if len(lines) > 3 else lines[1:]
    # "Thanks, Ms. Ortiz" keeps the name on the line of the sign-off.
    inline = [_SIGN_OFF.sub("", line) for line in [*signature[:1], *(tail[-1:] or filter(_SIGN_OFF.match, lines))]]
    titled = [
        match.group(1)
        for line in [*inline, *signature[1:4], *reversed(tail)]
        if (match := _SIGNED.match(line.strip(" ,💛❤️🙂😊"))) and re.match(TITLE, line.strip()) and len(line) <= _LINE
    ]
    plain = [
        match.group(1)
        for line in [*inline[:1] * bool(message.parts.signature), *signature[1:4], *inline[1:], *reversed(tail)]
        if (match := _SIGNED.match(line.strip(" ,-–—~💛❤️🙂😊"))) and len(line) <= _LINE
    ]
    return titled + plain


_SIGN_OFF = re.compile(r"(?i)^.*?\b(?:thanks|thank you|regards|best|cheers|sincerely|saludos|gracias|warmly)[,! ]+")
# A line of more characters is no signature.
_LINE = 60


def _relayed(message: Message) -> str:
    shown = re.sub(r"\s*[(\[<|].*$", "", message.sender.name)
    for text in (message.subject, message.parts.own[:600], f"{shown} via "):
        if match := _RELAYED.search(text):
            return next(filter(None, match.groups()), "")
    inner = re.search(rf"\(({_PERSON})[,)]", message.sender.name)
    return inner.group(1) if inner else ""


def _shown(name: str, standing: Standing) -> str:
    """The display name, if it is a person's."""
    display = re.sub(
        r"\s*[(\[<|].*$|\s+(?:via|at|@|-|–)\s.*$|,? (?:M\.?Ed|Ed\.?D|Ph\.?D|LCSW|CCC-SLP|RN)\b.*$",
        "",
        name,
    ).strip("\"' ")
    if match := re.fullmatch(
        rf"((?:{NAME})(?:[- ](?:{NAME}))?),\s*((?:{NAME}|[A-Z]\.?)(?: (?:{NAME}|[A-Z]\.?))?)", display
    ):
        display = f"{match.group(2)} {match.group(1)}"
    if standing.via and not re.match(TITLE, display):
        return ""
    return display if re.fullmatch(rf"{_PERSON}|(?:[A-Z]\.? ?){{1,2}}(?:{NAME})", display) else ""


# --- Whom it claims to be from ---------------------------------------------------------------------------


def why_not_to_lose(message: Message, config: Config, learned: Collection[str], standing: Standing) -> str:
    """Why a mail is to be looked at even if it does not read like the school's, empty where nothing speaks for it.

    Forged or forwarded, it speaks for somebody whose mail the parent waits for; or a school platform names a child.
    """
    if standing.warnings:
        return "; ".join(standing.warnings) if _claims_to_be_known(message, config, learned, standing) else ""
    own = f"{message.subject}\n{message.parts.own}"
    platform = platform_of(message) if standing.kind == "platform" else None
    named = next((child.name for child in config.children if mentions(own, child)), "") if platform else ""
    return f"it has an address of {platform} and names {named}, but does not read like a teacher's" if named else ""


def _claims_to_be_known(message: Message, config: Config, learned: Collection[str], standing: Standing) -> bool:
    """Whether a mail speaks for a known teacher or the configured school: by address, name or domain."""
    shown = [message.sender.address, *(address.lower() for address in _ADDRESS.findall(message.sender.name))]
    known = {teacher.address for teacher in config.school.teachers} | set(learned)
    if any(address in known or _is_at(address, config.school) for address in shown):
        return True
    # An imitation of somebody is a warning that only the configuration gives.
    nobody = School(authserv_id=config.school.authserv_id)
    strange = sender_standing(message, config.model_copy(update={"school": nobody}))
    return not set(standing.warnings) <= set(strange.warnings)


_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w-]+(?:\.[\w-]+)*")


def _is_at(address: str, school: School) -> bool:
    return any(within(address.rpartition("@")[2], domain) for domain in (*school.domains, *school.platforms))
