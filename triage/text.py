"""Pure: HTML and raw mail text to the words that this sender wrote now.

`split_parts` takes a body apart into own words, signature, quoted earlier mail and boilerplate;
only the own words are judged. A parent's angry question quoted beneath a teacher's short answer
must not colour the answer.
"""

import re
from dataclasses import dataclass, replace

from selectolax.lexbor import LexborHTMLParser

from triage.closing import signature_start
from triage.lexicon import pattern

_HIDDEN = (
    "[hidden], [style*='display:none' i], [style*='display: none' i], [style*='mso-hide:all' i], "
    "[style*='max-height:0' i], [style*='font-size:0' i], [style*='visibility:hidden' i]"
)
_DROPPED = "script, style, head, title, noscript, template, svg, object, iframe, select, textarea, map"
_BLOCKS = "p, div, tr, table, ul, ol, h1, h2, h3, h4, h5, h6, section, article, header, footer, blockquote, pre, hr"
_PARAGRAPHS = "p, h1, h2, h3, h4, h5, h6, ul, ol, table, blockquote, hr"

# Characters that are not seen: zero width, soft hyphen, bidirectional marks, byte order mark.
_INVISIBLE = dict.fromkeys(
    [0xAD, 0x34F, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]
)


# A longer line is no prose, and what reads it may need the square of its length.
LONGEST_BLOCK = 4000


@dataclass(frozen=True, slots=True)
class Parts:
    """A mail's text, taken apart; each part is plain text, empty where there is none.

    Where `own` are words that somebody else wrote and the sender passed on, `header` holds the lines above them that
    say whose they are.
    """

    own: str
    signature: str = ""
    quoted: str = ""
    boilerplate: str = ""
    header: str = ""


def html_to_text(html: str) -> str:
    """Visible text of an HTML part, a line for each block; text in `<blockquote type=cite>` gets "> "."""
    tree = LexborHTMLParser(re.sub(r"\s+", " ", html))
    for node in tree.css(f"{_DROPPED}, {_HIDDEN}"):
        node.decompose()
    if tree.body is None:
        return ""
    for node in tree.css("br"):
        node.replace_with("\n")
    for node in tree.css("li"):
        node.insert_before("\n- ")
    for node in tree.css("td, th"):
        node.insert_after(" ")
    for node in tree.css(_BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    for node in tree.css(_PARAGRAPHS):
        node.insert_after("\n")
    for node in tree.css("blockquote[type=cite] blockquote[type=cite]"):
        # One level tells quoted text from own; the text of deeper ones would be read anew at each level.
        node.unwrap()
    for node in tree.css("blockquote[type=cite]"):
        quoted = "".join(f"\n> {line}" for line in clean(node.text()).split("\n"))
        node.replace_with(f"{quoted}\n")
    return clean(tree.body.text())


def clean(text: str) -> str:
    """Unix newlines, plain spaces, no invisible characters, no more than one blank line in a row."""
    text = text.translate(_INVISIBLE).replace("\r\n", "\n").replace("\r", "\n")
    if not text.replace("\n", "").isprintable():
        text = "".join(char if char == "\n" or char.isprintable() else " " for char in text)
    text = re.sub(r"[^\S\n]+", " ", text)
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def one_line(text: str, limit: int = 200) -> str:
    """Text from a mail made fit to be shown on one line: cleaned, folded, cut at `limit` characters."""
    folded = " ".join(clean(text).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


# --- Where earlier mail begins ---------------------------------------------------------------------------

_SEPARATOR = re.compile(
    r"^[-_*=\s]{2,}\s*(original message|forwarded message|forwarded by|mensaje original|mensaje reenviado|"
    r"message d'origine|ursprüngliche nachricht|reply above this line).*$|"
    r"^(begin forwarded message|inicio del mensaje reenviado|forwarded message)\s*:\s*$|"
    r"^#+ ?reply above this line.*$",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"^(-{2,} ?)?(on|el|le|am|il|op|em)\b.{4,250}\b"
    r"(wrote|escribió|a écrit|schrieb|ha scritto|schreef|escreveu)\s*(:|-{2,})\s*$|"
    r"^.{0,120}<[^<>\s]+@[^<>\s]+>.{0,80}\b(wrote|writes|escribió)\s*:\s*$",
    re.IGNORECASE,
)
_FROM = re.compile(r"^\*?(from|de|von|van|da)\s?:\*?\s*\S", re.IGNORECASE)
_OTHER_FIELD = re.compile(
    r"^\*?(sent|date|to|cc|subject|enviado( el)?|fecha|para|asunto|envoyé|à|objet|gesendet|an|betreff)\s?:",
    re.IGNORECASE,
)


def _tail_start(lines: list[str]) -> int | None:
    """Index of the first line that belongs to earlier mail, None where there is none."""
    for index, line in enumerate(lines):
        if _SEPARATOR.match(line):
            return index
        if _FROM.match(line) and _is_field_block(lines[index + 1 : index + 7]):
            return index
        if re.match(r"^(-{2,} ?)?(On|El|Le|Am|Il|Op|Em)\b", line) or "@" in line:
            # Clients fold the line "On Tue, ... <a@b> wrote:" over up to three lines.
            for length in (1, 2, 3):
                if _WROTE.match(" ".join(lines[index : index + length])):
                    return index
    return None


def without_quoted(text: str) -> str:
    """A raw text with earlier mail blanked out: every character keeps its place."""
    lines = text.split("\n")
    start = _tail_start([clean(line) for line in lines])
    tail = lines[start:] if start is not None else []
    told = "\n".join(tail[:3])
    wrote = start is not None and not _SEPARATOR.match(tail[0]) and not _FROM.match(tail[0])
    if wrote and not re.search(r"\d|@|^>", told, re.MULTILINE):
        # "On Monday you wrote:" is the writer's own sentence; what clients write has a date or an address.
        start, tail = None, []
    marked = [number for number, line in enumerate(tail) if line.startswith(">")]
    # Below quoted lines the writer may go on; below a header block of another mail nothing is the writer's.
    last = len(lines) if start is not None and not marked else (start or 0) + (marked[0] if marked else 0)
    kept = [
        " " * len(line) if line.startswith(">") or (start is not None and start <= number < last) else line
        for number, line in enumerate(lines)
    ]
    return "\n".join(kept)


def _is_field_block(following: list[str]) -> bool:
    return sum(bool(_OTHER_FIELD.match(line)) for line in following) >= 2


def _split_quoted(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    start = _tail_start(lines)
    tail = lines[start:] if start is not None else []
    head = lines[:start]
    # An answer written between or below quoted lines: what stands after the last ">" is the sender's own.
    marked = [number for number, line in enumerate(tail) if line.startswith(">")]
    if marked:
        first, last = marked[0], marked[-1]
        if first <= 4:
            own_after = [line for line in tail[first:last] if not line.startswith(">")] + tail[last + 1 :]
            return _join_unquoted(head + own_after), "\n".join(tail)
    quoted = [line for line in head if line.startswith(">")] + tail
    return _join_unquoted(head), "\n".join(quoted)


def _join_unquoted(lines: list[str]) -> str:
    own = "\n".join(line for line in lines if not line.startswith(">"))
    # The rule that a client draws above what it quotes.
    return re.sub(r"\s*\n[-_=*]{5,}\s*$", "", own).strip("\n")


def _header_and_body(quoted: str) -> tuple[str, str]:
    """The lines that tell of a forwarded mail who wrote it and when, and its words."""
    lines = [line.removeprefix("> ").removeprefix(">") for line in quoted.split("\n")]
    start = next((index for index, line in enumerate(lines) if line.strip() and not _is_of_header(line)), len(lines))
    return "\n".join(filter(str.strip, lines[:start])), "\n".join(lines[start:])


def _is_of_header(line: str) -> bool:
    return any(pattern.match(line) for pattern in (_SEPARATOR, _FROM, _OTHER_FIELD, _WROTE))


# --- Signatures, disclaimers, platform lines -------------------------------------------------------------

_SIGN_OFF = re.compile(
    r"(?i:(many |with |my |kind |kindest |best |warm |warmest |all the |yours |very |much |sincere |un |cordial )*"
    r"(regards|best|wishes|sincerely|truly|faithfully|cordially|respectfully|thanks|thank you|thx|cheers|warmly|"
    r"gratitude|appreciation|take care|blessings|in partnership|saludos?( cordiales)?|atentamente|atte|cordialmente|"
    r"(muchas )?gracias|abrazos?|quedo atent[ao]|bendiciones)"
    r"( (so|very) much| a lot| again| in advance| de antemano|"
    r" (for|por) (your|all|everything|the|su|todo)\b[\w ,'’]{0,35})?)"
    r"([, ]+(and )?[A-Z][\w.'’-]*( [A-Z][\w.'’-]*){0,3})?[ ,.!\-–—]*$"
)
_MOBILE = re.compile(
    r"^(sent|enviado) (from|via|desde|con|using) (my|mi|the|el|la|outlook|yahoo|gmail|mail|samsung|a )?.{0,50}$|"
    r"^get outlook for .{2,30}$|^(obtener|descargar) outlook .{2,30}$",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"^(p\.? ?s\.?|p\.? ?d\.?)(?!\w)\s*[:,.\-–—]?\s*\S", re.IGNORECASE)
_BARE_LINK = re.compile(r"^[<\[(]?https?://\S+[>\])]?$")


# Beneath so many lines nothing stands at the top any more.
_BANNER_LINES = 15
_DECORATION = re.compile(r"^[\W_]+")


def _without_banners(text: str) -> tuple[str, str]:
    """The text, and what a mail server wrote at its top about a sender from outside."""
    kept: list[str] = []
    banners: list[str] = []
    lines = text.split("\n")
    behind = False
    while lines and len(kept) < _BANNER_LINES:
        line = lines.pop(0)
        while lines and len(line) >= 50 and line[-1] not in ".!?:*" and lines[0][:1].islower():
            # Wrapped by the server as it is by a client.
            line = f"{line}\n{lines.pop(0)}"
        found = _banner(line, behind=behind)
        behind = bool(found)
        if found:
            banners.append(line[:found])
        if not found or re.search(r"\w", line[found:]):
            kept.append(line[found:].lstrip() if found else line)
    return "\n".join([*kept, *lines]).strip("\n"), "\n".join(banners)


def _banner(line: str, *, behind: bool) -> int:
    """How many characters of a line are a banner's; `behind` says that the line before was one."""
    if label := _LABEL.match(line):
        return label.end()
    end, start = 0, 0
    for stop in [*(match.end() for match in _SENTENCE_END.finditer(line)), len(line)]:
        piece = _DECORATION.sub("", line[start:stop])
        if not (pattern("banners").match(piece) or ((end or behind) and pattern("banner_more").match(piece))):
            return end
        start = end = stop
    return end


# Before the first word of a mail: "[EXTERNAL] Hi Jo".
_LABEL = re.compile(r"^\W*\[\W*(?:external|externo|ext)(?: (?:e-?mail|sender|message))?\W*\]\W*", re.IGNORECASE)


def _split_boilerplate(text: str) -> tuple[str, str]:
    kept: list[str] = []
    dropped: list[str] = []
    for paragraph in text.split("\n\n"):
        if pattern("disclaimers").search(paragraph) and len(paragraph) > 60:
            dropped.append(paragraph)
            continue
        lines = paragraph.split("\n")
        chrome = [line for line in lines if _is_chrome(line)]
        dropped.extend(chrome)
        kept.append("\n".join(line for line in lines if not _is_chrome(line)))
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(kept)).strip("\n"), "\n".join(dropped)


def _is_chrome(line: str) -> bool:
    # Long lines carry the sender's own sentences even where they mention the app.
    return bool(_BARE_LINK.match(line)) or (len(line) < 200 and bool(pattern("chrome").search(line)))


def _split_signature(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    start = _signature_start(lines)
    if start is None:
        return text, ""
    after = lines[start:]
    script = next((i for i, line in enumerate(after) if _POSTSCRIPT.match(line)), None)
    own = lines[:start]
    if script is not None:
        own, after = [*own, "", *after[script:]], after[:script]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(own)).strip("\n"), "\n".join(after).strip("\n")


def _signature_start(lines: list[str]) -> int | None:
    drawn = next((i for i, line in enumerate(lines) if i and (line in _RULES or _MOBILE.match(line))), None)
    above = lines[:drawn]
    # A sign-off counts only near the end and before short lines: "Thanks" may also open a mail.
    for index in range(max(0, len(above) - 14), len(above)):
        rest = [line for line in above[index + 1 :] if line]
        if _SIGN_OFF.match(above[index]) and len(rest) <= 10 and all(_is_short(line) for line in rest):
            return index
    script = next((index for index, line in enumerate(above) if _POSTSCRIPT.match(line)), None)
    named = signature_start(above[:script])
    return named if named is not None else drawn


# What is drawn above a signature (RFC 3676, 4.3, and what clients make of it).
_RULES = ("--", "-- ", "—")


def _is_short(line: str) -> bool:
    return len(line) <= 90 or bool(_POSTSCRIPT.match(line))


_FORWARD = re.compile(r"forwarded|reenviado", re.IGNORECASE)
_FORWARD_MARK = re.compile(r"\s*(\[[^\]\n]{1,30}\]\s*)*(fwd?|rv|reenv\w*|tr|wg)\s*:", re.IGNORECASE)
_ANSWER_MARK = re.compile(r"\s*(\[[^\]\n]{1,30}\]\s*)*(re|aw|sv|resp\w*)\s*(\[\d+\])?\s*:", re.IGNORECASE)
# Fewer words above a forwarded mail say nothing ("see below").
_BARE = 4
# A forward of a forward of a forward: nobody writes more of them by hand.
_DEEPEST = 3


def split_parts(text: str, *, forward: bool = False) -> Parts:
    """Take a cleaned body apart. A bare forward ("see below") counts as the forwarded words.

    `forward` says that the subject line marks the mail as one; an answer is never taken for a forward.
    """
    parts = _split(text)
    if len(parts.own.split()) >= _BARE or not (forward or _opens_as_forward(parts.quoted)):
        return parts
    inner = forwarded_parts(parts)
    own = f"{parts.own}\n\n{inner.own}".strip("\n")
    boilerplate = f"{parts.boilerplate}\n{inner.boilerplate}".strip("\n")
    return replace(parts, own=own, signature=inner.signature, boilerplate=boilerplate, header=inner.header)


def is_forward(subject: str, parts: Parts) -> bool:
    """Whether a mail passes another one on, by its subject line or by what stands above the other; no answer does."""
    if _ANSWER_MARK.match(subject):
        return False
    return bool(_FORWARD_MARK.match(subject)) or _opens_as_forward(parts.quoted)


def forwarded_parts(parts: Parts, deepest: int = _DEEPEST) -> Parts:
    """The parts of the mail that `parts` passes on; of a forward that passes on another, those of the other."""
    header, body = _header_and_body(parts.quoted)
    inner = replace(_split(body), header=header)
    if (
        len(inner.own.split()) < _BARE
        and inner.quoted
        and deepest
        and _FORWARDED_TOO.search(f"{header}\n{inner.quoted}")
    ):
        return forwarded_parts(inner, deepest - 1)
    return replace(inner, quoted=parts.quoted)


# Of a mail within a mail: its subject line, or what stands above the next one.
_FORWARDED_TOO = re.compile(
    rf"(?im)^\*?(?:subject|asunto|objet|betreff)\s?:\*?{_FORWARD_MARK.pattern}|^[-_*=\s>]*(?:begin )?"
    r"(?:forwarded|reenviado|mensaje reenviado|inicio del mensaje)"
)


def _opens_as_forward(quoted: str) -> bool:
    return bool(_FORWARD.search(quoted.partition("\n")[0]))


def _split(text: str) -> Parts:
    own, quoted = _split_quoted(text)
    own, banners = _without_banners(own)
    own, boilerplate = _split_boilerplate(own)
    own, signature = _split_signature(own)
    boilerplate = f"{banners}\n{boilerplate}".strip("\n")
    return Parts(own=own, signature=signature, quoted=quoted, boilerplate=boilerplate)


# --- Sentences -------------------------------------------------------------------------------------------

_ABBREVIATION = re.compile(
    r"\b(mr|mrs|ms|mx|dr|st|sr|jr|sra|srta|prof|dept|approx|vs|no|nos|pp|p|ch|gr|rm|ext|tel|e\.g|i\.e|etc|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|[a-z])\.$",
    re.IGNORECASE,
)
# From the first stop of a row on, and never back: a row of 250,000 costs no more than its length.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s+(?=[^\s])")
_BULLET = re.compile(r"^([-*•·▪–—]|\d{1,2}[.)])\s+")

# A line that begins with a day of a list ("Oct 30 - parade", "10/30: parade") is no wrapped one.
_BEGINS = re.compile(
    rf"{_BULLET.pattern}|^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|lun|mar|mi[ée]|jue|vie|s[áa]b|dom)\w*\.?,?\s+)?"
    r"(?:(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\.?\s+\d{1,2}|\d{1,2}[/.]\d{1,2}"
    r"|\d{1,2}(?:\s+de)?\s+(?:ene|feb|mar|abr|may|jun|jul|ago|sep|oct|nov|dic|Jan|Apr|Aug|Dec)[a-z]*)"
    r"(?:\s*[-–—:|]|\s+\([^)\n]*\)\s*[-–—:])\s",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """Sentences in order; hard-wrapped lines are joined, list items and short lines stand alone."""
    found: list[str] = []
    for block in _unwrapped(text):
        start = 0
        for match in _SENTENCE_END.finditer(block):
            piece = block[start : match.end()].strip()
            if _ABBREVIATION.search(piece[-12:]):
                continue
            found.append(piece)
            start = match.end()
        found.append(block[start:].strip())
    return [sentence for sentence in found if re.search(r"\w", sentence)]


def _unwrapped(text: str) -> list[str]:
    blocks: list[str] = []
    open_line = False
    for line in map(str.strip, text.split("\n")):
        if open_line and line and not _BEGINS.match(line):
            blocks[-1] += f" {line}"
        elif line:
            blocks.append(_BULLET.sub("", line))
        # A line this long that ends in no stop was wrapped by the sender's client.
        open_line = len(line) >= 50 and line[-1] not in ".!?:" and len(blocks[-1]) < LONGEST_BLOCK
    return blocks


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of the sentences of a raw text; an empty line ends one, a single line break only a short line."""
    found: list[tuple[int, int]] = []
    for start, stop in _blocks(text):
        begin = start
        for match in _SENTENCE_END.finditer(text, start, stop):
            if not _ABBREVIATION.search(text[begin : match.end()].rstrip()[-12:]):
                found.append((begin, match.end()))
                begin = match.end()
        found.append((begin, stop))
    trimmed = [(a + len(text[a:b]) - len(text[a:b].lstrip()), a + len(text[a:b].rstrip())) for a, b in found]
    return [(a, b) for a, b in trimmed if re.search(r"\w", text[a:b])]


def _blocks(text: str) -> list[tuple[int, int]]:
    """Where hard-wrapped lines are joined to one, and all others stand alone."""
    blocks: list[tuple[int, int]] = []
    open_line = False
    for match in re.finditer(r"[^\n]+|\n(?=\n)", text):
        line = match.group().strip()
        if open_line and line and not _BEGINS.match(line):
            blocks[-1] = (blocks[-1][0], match.end())
        elif line:
            bullet = _BULLET.match(match.group())
            blocks.append((bullet.end() + match.start() if bullet else match.start(), match.end()))
        open_line = len(line) >= 50 and line[-1] not in ".!?:"
    return blocks
