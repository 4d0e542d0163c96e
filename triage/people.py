"""Pure: the child and the teacher of a mail, as the mail or the configuration names them.

With children configured only their names are looked for. Without, a name is guessed from how it stands in the
sentences; where that leaves doubt no name is given, for a wrong one is worse than "your child".
"""

import re
from collections import Counter

from triage.config import Child, Config
from triage.message import Message, Person
from triage.sender import Standing, answer_address

TITLE = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Coach|Principal|Nurse|Sr|Sra|Srta|Profe|Profesora?|Maestr[oa]|Miss|Teacher|Sir|Madam|"
    r"Señor(?:a|ita)?|Sister|Father|Fr|Rev|Dean|Officer|Deputy|Assistant Principal)\.?"
)
NAME = r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+(?:[-'’][A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]{2,})?|[A-Z]{2}(?=\b)"
_WORD = re.compile(r"[A-ZÀ-ÖØ-Þ][\w]*(?:[-'’][A-ZÀ-ÖØ-Þ]?\w+)*")

_NEVER = frozenset(
    "i i'm i've i'll i'd he she they we it you this that there these those the a an my our your his her their its hi hello dear hey good "
    "thank thanks please just as if in on at to for from by with and but or so also when while what which who how why no not yes ok okay sorry "
    "yesterday today tonight tomorrow monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun "
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sept sep oct nov dec "
    "mr mrs ms miss mx dr coach principal teacher nurse parent parents parent's guardian family families student students class grade school math maths "
    "english science reading writing spelling history geography spanish french german latin art music pe gym drama biology chemistry physics algebra "
    "geometry calculus homework quiz test exam project report everyone everybody all each some every any both either el la los las su sus un una mi "
    "me se que de por para con hoy mañana ayer lunes martes miércoles jueves viernes hola buenos buenas estimado estimada estimados queridos "
    "querida querido gracias fwd fw re pta pto iep ehcp sen senco act sat gcse naplan cbse zoom teams google classroom canvas classdojo dojo seesaw "
    "remind schoology powerschool parentsquare internet ipad chromebook christmas easter halloween thanksgiving english spanish french american "
    "british indian australian canadian kindergarten reception prep year period unit chapter week room building office library cafeteria "
    "mum mom dad mama papa grandma grandpa god lego minecraft fortnite youtube tiktok covid flu ps p.s btw fyi eta asap tl dr pm am tbc tba "
    "first second third next last only then now here once again after before during since because although however unfortunately overall "
    "confidential invitation reminder update notice urgent important question concern concerns behavior behaviour missing late absent absence "
    "meeting conference progress praise news note notes message about regarding".split()
)
# A capital after one of these is a place, a thing or a grown-up.
_BEFORE_THINGS = frozenset(
    "the a an at in of on from into to our this your my year grade unit chapter room period el la los las del al en un una house form team".split()
)
_AFTER_CHILD = (
    r"(?:['’]s\b|['’](?=\s)|,? (?:has|had|have|is|was|isn't|isn’t|wasn't|wasn’t|did|didn't|didn’t|does|doesn't|doesn’t|hasn't|hasn’t|will|won't|won’t|would|"
    r"can|can't|can’t|could|couldn't|couldn’t|needs?|needed|seems?|seemed|got|gets|came|went|told|said|says|hit|left|made|makes|worked|works|still|really|also|"
    r"never|always|just|who|and I|to|for|today|yesterday|himself|herself|ha|está|estuvo|no|se|fue|tiene|hizo|tuvo|le|me|entregó|necesita|\w+ed)\b)"
)
_FOLLOWED = re.compile(_AFTER_CHILD)


def find_child(message: Message, config: Config, standing: Standing) -> str | None:
    """The child that a mail is about: a configured name, or the one that the mail itself comes back to."""
    own = f"{message.subject}\n{message.parts.own}"
    if not config.children:
        return _probable_child(message)
    mentions = {child.name: _mentions(own, child) for child in config.children}
    if any(mentions.values()):
        return max(mentions, key=lambda name: mentions[name])
    taught = standing.teacher.children if standing.teacher else ()
    return taught[0] if len(taught) == 1 else None


def _mentions(text: str, child: Child) -> int:
    names = {child.name, child.name.split()[0], *child.aliases}
    return max(len(re.findall(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", text)) for name in names)


def _probable_child(message: Message) -> str | None:
    own = message.parts.own
    strangers = _strangers(message)
    scores: Counter[str] = Counter()
    for line in [message.subject, *own.split("\n")]:
        for match in _WORD.finditer(line):
            name = re.sub(r"['’]s?$", "", match.group())
            if name.lower() in _NEVER or name.lower() in strangers or len(name) < 2 or name.isupper() and len(name) > 2:
                continue
            scores[name] += _weight(line, match, subject=line is message.subject)
    if not scores:
        return None
    # "Maya Rivera" is one child: the surname's score is not a rival.
    (best, score), *_ = scores.most_common(1)
    lower = len(re.findall(rf"(?<![\w]){re.escape(best.lower())}(?!\w)", own))
    return best if score >= 5 and not lower else None


def _weight(line: str, match: re.Match[str], *, subject: bool) -> int:
    before = line[: match.start()].rstrip()
    last_word = re.search(r"([\w'’]+)[\"'“‘(]*$", before)
    previous = last_word.group(1) if last_word else ""
    after = line[match.end() :]
    if re.search(rf"{TITLE}$", before) or re.match(r" (?:Elementary|Middle|High|School|Academy|College|Street|Road|Hall|Park)\b", after):
        return -6
    if previous.lower() in _BEFORE_THINGS and not previous[0].isupper():
        return -2
    if previous[:1].isupper() and before.endswith(previous) and previous.lower() not in _NEVER:
        # Second of two capitals: a surname, or part of a title.
        return 0
    initial = not before or before[-1] in ".!?:;•-–—*" or subject
    possessive = bool(re.search(r"['’]s$", match.group())) or after.startswith(("'s", "’s"))
    followed = bool(_FOLLOWED.match(after))
    capital_follows = bool(re.match(r" [A-ZÀ-ÖØ-Þ]", after))
    if subject:
        return 3 if not capital_follows or possessive else 2
    if initial:
        return 3 if possessive or followed else 0
    return 3 if followed or possessive else 1 if capital_follows else 2


def _strangers(message: Message) -> set[str]:
    """Words of names that are not the child's: sender, recipients, whoever is greeted, and titled people."""
    own = message.parts.own
    texts = [message.sender.name, message.parts.signature, *(person.name for person in message.recipients)]
    for address in (message.sender.address, *(person.address for person in message.recipients)):
        texts.append(re.sub(r"[._-]", " ", address.partition("@")[0]))
    texts += re.findall(r"(?im)^(?:hi|hello|dear|hey|good \w+|hola|estimad\w+|querid\w+)[ ,]+([^\n,!.:]{1,60})", own)
    texts += re.findall(rf"{TITLE} ((?:{NAME})(?:[ -](?:{NAME}))?)", own)
    # Somebody who opens with "Beata, come in" speaks to the parent.
    texts += re.findall(r"\A\s*([A-Z]\w+(?: [A-Z]\w+)?),\s", own)
    last_line = own.rstrip().rpartition("\n")[2]
    if len(last_line.split()) <= 5:
        texts.append(last_line)
    return {word.lower() for text in texts for word in re.findall(r"[\w'’]+", text)}


# --- Teacher ---------------------------------------------------------------------------------------------

_PERSON = rf"(?:{TITLE} )?(?:{NAME})(?: (?:{NAME}|[A-Z]\.?)){{0,2}}"
_RELAYED = re.compile(
    rf"(?m)(?:message|mensaje|note|post|announcement|update|comment|story|from|by|de) (?:from|by|de)? ?(?P<a>{TITLE} (?:{NAME})(?:[ -](?:{NAME}))?)|"
    rf"^(?P<b>{_PERSON}) (?:sent|posted|shared|added|wrote|commented|messaged|te envió|publicó|ha enviado|escribió)\b|"
    rf"(?P<c>{TITLE} (?:{NAME})) (?:via|on|through|en|por) |"
    rf"(?:from|by|de|sent by|posted by|teacher:?) (?P<d>{_PERSON})\b"
)
_SIGNED = re.compile(rf"^(?:[-–—~*]\s*)?((?:{TITLE} )(?:[A-Z]\.? ?){{0,2}}(?:{NAME})(?:[- ](?:{NAME})){{0,2}}|(?:{NAME}|[A-Z]\.)(?: (?:{NAME}|[A-Z]\.?|de|del|van|von|der)){{0,3}})(?=$|,|\s*[-–—|(•/]|\s+(?:[A-Z]{{2,}}|\d))")
_NOT_SIGNATURES = re.compile(r"(?i)\b(school|grade|room|teacher|class|office|department|elementary|middle|high|district|year|math|maths|science|english|sent from|thanks|regards|confidential|sincerely|best)\b")


def find_teacher(message: Message, standing: Standing) -> Person | None:
    """The person who writes, behind a platform too, with the address that an answer reaches."""
    answer = answer_address(message)
    if standing.teacher is not None:
        return Person(standing.teacher.name, standing.teacher.address)
    shown = _shown(message, standing)
    name = _signed(message) or (_relayed(message) if standing.via else "") or shown
    if name and not re.match(TITLE, name) and (len(name.split()) == 1 < len(shown.split())):
        # "Deb" beneath a mail from Deb Krantz.
        name = shown
    return Person(name, answer.address) if name else None


def _signed(message: Message) -> str:
    """The name beneath the mail: on its last lines, or first after the sign-off."""
    signature = message.parts.signature.split("\n")
    tail = [line for line in message.parts.own.split("\n") if line][-3:]
    # "Thanks, Ms. Ortiz" keeps the name on the line of the sign-off.
    inline = [re.sub(r"(?i)^.*?\b(?:thanks|thank you|regards|best|cheers|sincerely|saludos|gracias|warmly)[,! ]+", "", line) for line in [*signature[:1], *tail[-1:]]]
    titled = [match.group(1) for line in [*inline, *signature[1:4], *reversed(tail)] if (match := _SIGNED.match(line.strip(" ,💛❤️🙂😊"))) and re.match(TITLE, line.strip())]
    if titled:
        return titled[0]
    for line in [*inline[:1] * bool(message.parts.signature), *signature[1:4], *inline[1:], *reversed(tail)]:
        match = _SIGNED.match(line.strip(" ,-–—~💛❤️🙂😊"))
        if match and len(line) <= 60 and not _NOT_SIGNATURES.search(match.group(1)):
            return match.group(1)
    return ""


def _relayed(message: Message) -> str:
    shown = re.sub(r"\s*[(\[<|].*$", "", message.sender.name)
    for text in (message.subject, message.parts.own[:600], f"{shown} via "):
        if match := _RELAYED.search(text):
            return next(filter(None, match.groups()), "")
    inner = re.search(rf"\(({_PERSON})[,)]", message.sender.name)
    return inner.group(1) if inner else ""


def _shown(message: Message, standing: Standing) -> str:
    """The display name, if it is a person's."""
    display = re.sub(r"\s*[(\[<|].*$|\s+(?:via|at|@|-|–)\s.*$|,? (?:M\.?Ed|Ed\.?D|Ph\.?D|LCSW|CCC-SLP|RN)\b.*$", "", message.sender.name).strip("\"' ")
    if match := re.fullmatch(rf"((?:{NAME})(?:[- ](?:{NAME}))?),\s*((?:{NAME}|[A-Z]\.?)(?: (?:{NAME}|[A-Z]\.?))?)", display):
        display = f"{match.group(2)} {match.group(1)}"
    if standing.via and not re.match(TITLE, display):
        return ""
    return display if re.fullmatch(rf"{_PERSON}|(?:[A-Z]\.? ?){{1,2}}(?:{NAME})", display) and not _NOT_SIGNATURES.search(display) else ""
