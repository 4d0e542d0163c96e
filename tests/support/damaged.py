"""Damaged letters, the same for the same number, and how they are pushed through the worker."""

import base64
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from tests.support.mail import BODIES, a_mail
from triage.judge import Context, RawMail
from triage.worker import Worker

TODAY = date(2026, 1, 7)
# As many mails go to the worker at once as a pass hands over.
BATCH = 100

# --- Letters to damage -----------------------------------------------------------------------------------


def letter(body: str | bytes = BODIES["homework"], kind: str = "text/plain; charset=utf-8", **fields: str) -> bytes:
    """A teacher's mail; `fields` add to the usual header fields or take their place."""
    usual = {
        "From": "Ms. Alvarez <alvarez@maplewood.k12.example>",
        "To": "parent@mailbox.example",
        "Subject": "Maya",
        "Date": "Wed, 07 Jan 2026 15:04:00 -0500",
        "Message-ID": "<letter@test.example>",
        "MIME-Version": "1.0",
        "Content-Type": kind,
    }
    usual |= {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in usual.items()).encode("utf-8", "surrogateescape")
    return head + b"\r\n" + (body.encode() if isinstance(body, str) else body)


def part(kind: str, body: str, *fields: str) -> str:
    """A part for `of_parts`."""
    return "\r\n".join(["--b", f"Content-Type: {kind}", *fields, "", body, ""])


def of_parts(subtype: str, *parts: str, **fields: str) -> bytes:
    """A mail of several parts."""
    return letter("".join(parts) + "--b--\r\n", f'multipart/{subtype}; boundary="b"', **fields)


_BASE64 = base64.encodebytes(BODIES["behavior"].encode()).decode().replace("\n", "\r\n")
_HTML = f"<html><body><p style='color:red'>{BODIES['praise']}</p><blockquote type=cite>old</blockquote></body></html>"
_INVITATION = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Talk\r\n"
    "DTSTART:20260109T151500Z\r\nDTEND:20260109T160000Z\r\nLOCATION:Room 4\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_THREAD = " ".join(f"<m{number}@test.example>" for number in range(12))

# The odd shapes that tests/test_message.py reads, and more of their kind.
LETTERS: tuple[bytes, ...] = (
    letter(),
    letter("señor".encode("latin-1") * 9, "text/plain; charset=iso-8859-1"),
    letter("Se=C3=B1ora, the class was=\r\n wonderful today.", Content_Transfer_Encoding="quoted-printable"),
    letter(_BASE64, Content_Transfer_Encoding="base64"),
    letter(_HTML, "text/html; charset=utf-8"),
    letter("hello anyway", "multipart/mixed; boundary=lost"),
    letter(BODIES["praise"], "nonsense", Subject="=?utf-8?q?ni=C3=B1o?= =?utf-8?b?bmnDsW8=?="),
    letter(
        f"Thanks!\r\n\r\nOn Mon, Jan 5, 2026 Jo <jo@rivera.example> wrote:\r\n> {BODIES['behavior']}\r\n",
        References=_THREAD, In_Reply_To="<m11@test.example>", Reply_To="office@maplewood.k12.example",
    ),
    letter(
        BODIES["other_school"], List_Id="<families.maplewood.k12.example>", Precedence="bulk",
        Authentication_Results="mx.example; spf=pass smtp.mailfrom=maplewood.k12.example; dmarc=pass",
    ),
    of_parts(
        "alternative", part("text/plain; charset=utf-8", _BASE64, "Content-Transfer-Encoding: base64"),
        part("text/html", _HTML),
    ),
    of_parts(
        "mixed", part("text/plain", BODIES["meeting_request"]),
        part("message/rfc822", "From: x@y.example\r\nSubject: inner\r\n\r\nINNER WORDS"),
        part("text/plain; name=log.txt", "MORE", 'Content-Disposition: attachment; filename="log.txt"'),
    ),
    of_parts("mixed", part("text/plain", "Please join us."), part("text/calendar; method=REQUEST", _INVITATION)),
    of_parts(
        "related", part("text/html; charset=windows-1252", _HTML),
        part("image/png", "iVBORw0KGgo=", "Content-Disposition: inline; filename*0*=utf-8''a%20; filename*1=b.png"),
    ),
)  # fmt: skip

# --- Ways to damage them ---------------------------------------------------------------------------------

Damage = Callable[[random.Random, bytes], bytes]

_CHARSETS = (
    "utf-7",
    "utf-16",
    "rot13",
    "idna",
    "punycode",
    "zlib",
    "hex",
    "unicode_escape",
    "no-such",
    "x\0y",
    "'",
    "",
)
_MARKS: tuple[bytes, ...] = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\xff", b"\x1b[31m", b'"', b";", b"=?x?q?", b"=?utf-8?b?", b"?=",
    b"--b", b"--b--", b"<", b"&#0;", b"<!--", b"]]>", b"(((", b"@", b">", b"=\r\n", b"\xe2\x80\xae", b"\xed\xa0\x80",
    b"%00",
)  # fmt: skip


def _flip(chance: random.Random, raw: bytes) -> bytes:
    damaged = bytearray(raw)
    for _ in range(chance.randint(1, 12)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _span(chance: random.Random, raw: bytes, longest: int) -> tuple[int, int]:
    start = chance.randrange(len(raw))
    return start, start + chance.randint(1, longest)


def _cut(chance: random.Random, raw: bytes) -> bytes:
    start, end = _span(chance, raw, 200)
    return raw[:start] + raw[end:]


def _repeat(chance: random.Random, raw: bytes) -> bytes:
    start, end = _span(chance, raw, 200)
    return raw[:end] + raw[start:end] * chance.choice((1, 2, 50)) + raw[end:]


def _mark(chance: random.Random, raw: bytes) -> bytes:
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw))
        raw = raw[:at] + chance.choice(_MARKS) * chance.choice((1, 1, 30)) + raw[at:]
    return raw


def _nuls(chance: random.Random, raw: bytes) -> bytes:
    return bytes(0 if chance.random() < 0.02 else octet for octet in raw)


def _truncate(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(1, len(raw))]


def _shuffle_fields(chance: random.Random, raw: bytes) -> bytes:
    head, blank, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    # Names change places and values do not.
    names, values = [line.partition(b":")[0] for line in lines], [line.partition(b":")[2] for line in lines]
    names[one], names[other] = names[other], names[one]
    return b"\r\n".join(b":".join(pair) for pair in zip(names, values, strict=True)) + blank + body


def _with_field(raw: bytes, field_line: bytes) -> bytes:
    return field_line + b"\r\n" + raw


def _break_boundary(chance: random.Random, raw: bytes) -> bytes:
    broken = chance.choice((b"--c", b"--", b"-b", b"--b ", b"--b\x00", b"--b--"))
    return raw.replace(b"--b\r\n", broken + b"\r\n", chance.randint(1, 3)).replace(b'"b"', b'"b', chance.randint(0, 1))


def _break_coding(chance: random.Random, raw: bytes) -> bytes:
    coding = chance.choice((b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"binary", b"", b"base64; x=\0"))
    head, blank, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\nContent-Transfer-Encoding: " + coding + blank + body.replace(b"=", b"=Z=", 3)


def _lie_of_charset(chance: random.Random, raw: bytes) -> bytes:
    name = chance.choice(_CHARSETS).encode()
    if b"charset=" in raw:
        return re.sub(rb'charset="?[\w-]*"?', lambda _: b"charset=" + name, raw, count=1)
    return _with_field(raw, b"Content-Type: text/plain; charset=" + name)


def _long_field(chance: random.Random, raw: bytes) -> bytes:
    name = chance.choice((b"Subject", b"From", b"To", b"References", b"X-Long", b"Content-Type", b"Received"))
    filling = chance.choice(
        (b"a", b"a ", b"a,", b'"', b"(", b"<", b"\\", b"=?utf-8?q?a?= ", b";a=b", b"\xc3\xb1", b"@a")
    )
    return _with_field(raw, name + b": " + filling * (chance.choice((300, 3_000, 20_000)) // len(filling)))


def _parameters(chance: random.Random, raw: bytes) -> bytes:
    many = "".join(f";\r\n p{number}={chance.randrange(9)}" for number in range(chance.choice((10, 100, 1_000))))
    return _with_field(raw, f"Content-Type: text/plain{many}".encode())


def _continuations(chance: random.Random, raw: bytes) -> bytes:
    numbers = [
        chance.choice(("0", "1", "00", "-1", "x", "999999999", "1*", "0*", "")) for _ in range(chance.randint(1, 40))
    ]
    pieces = "".join(
        f";\r\n filename*{number}={chance.choice(('a', '%41', chr(39) * 2, 'utf-8%27%27%FF'))}" for number in numbers
    )
    return _with_field(raw, f"Content-Disposition: attachment{pieces}".encode())


def _encoded_words(chance: random.Random, raw: bytes) -> bytes:
    words = [
        f"=?{chance.choice(('utf-8', 'iso-8859-1', *_CHARSETS))}?{chance.choice('qbQBx')}?"
        f"{chance.choice(('=41', 'YQ==', '=FF=FE', '=0D=0A', 'Y', '=?utf-8?q?a?='))}?="
        for _ in range(chance.choice((1, 20, 300)))
    ]
    name = chance.choice(("Subject", "From", "To", "Message-ID", "Reply-To"))
    return _with_field(raw, f"{name}: {chance.choice((' ', '', chr(13) + chr(10) + ' ')).join(words)}".encode())


def _nest_parts(chance: random.Random, raw: bytes) -> bytes:
    deep = chance.choice((3, 30, 120))
    layers = b"".join(b"--n%d\r\nContent-Type: multipart/mixed; boundary=n%d\r\n\r\n" % (n, n + 1) for n in range(deep))
    head, _, body = raw.partition(b"\r\n\r\n")
    return _with_field(head, b"Content-Type: multipart/mixed; boundary=n0") + b"\r\n\r\n" + layers + body


def _nest_mails(chance: random.Random, raw: bytes) -> bytes:
    deep = chance.choice((1, 10, 60))
    return b"Content-Type: message/rfc822\r\nFrom: a@b.example\r\n\r\n" * deep + raw


# What makes readers of HTML slow or deep.
_OF_HTML = (
    "<div>", "<blockquote type=cite>", "<blockquote type=cite>a", "<table><tr><td>", "<p hidden>", "<!--", "<a href='",
    "&amp;", "&#x110000;", "&#0;", "<svg><math><mtext>", "<li>a<br>", "</p>", "<b><i></b>", "<template>",
    "<p style='font-size:0'>x", "<p a=1 ", "<select><option>", "<![CDATA[", "<\0b>", "a<br>", "<noscript><style>",
    "<h1><p>",
)  # fmt: skip


def _html_bomb(chance: random.Random, raw: bytes) -> bytes:
    size = chance.choice((20, 200, 1_000))
    bomb = chance.choice(_OF_HTML).encode() * size
    return _with_field(raw.partition(b"\r\n\r\n")[0], b"Content-Type: text/html") + b"\r\n\r\n" + bomb + b"<p>Maya</p>"


DAMAGES: tuple[Damage, ...] = (
    _flip, _cut, _repeat, _mark, _nuls, _truncate, _shuffle_fields, _break_boundary, _break_coding, _lie_of_charset,
    _long_field, _parameters, _continuations, _encoded_words, _nest_parts, _nest_mails, _html_bomb,
)  # fmt: skip


def damaged(number: int) -> bytes:
    """The letter of this number, damaged in one to three ways."""
    chance = random.Random(number)
    raw = chance.choice(LETTERS)
    for damage in chance.choices(DAMAGES, k=chance.choice((1, 1, 2, 3))):
        raw = damage(chance, raw) or b"\0"
    return raw


# --- Nasty inputs ----------------------------------------------------------------------------------------

# What makes regular expressions over text, and readers of header fields, slow.
_OF_TEXT = (
    "a", "A", "Maya ", "maya's ", "Aa-", "A'a", "Ms. ", "Ms. Maya ", "9", "9/", "9:", "1-", "3:15 ", "Friday ",
    "January 9, ", "the 9th ", "@", "a@", "a@b.", "http://", "www.a.", "> ", ">\n", "On ", "On Mon\n",
    "On Mon a@b wrote:\n", "From: a\n", "From: a\nTo: b\n", "-- \n", "Thanks ", "Best, Maya\n", "P.S. ", "\n\n",
    "- a\n", "? ", "Why? ", "can you ", "and ", ", ", "( ", '"', "'", "...", ". ", "e.g. ", "\u202e", "\u200b",
    "\U0001f600", "\u0301", "ﷺ", "___", "= ", "{9+}\n", "could we talk about ", "before ", "not ", "Maya Rivera and ",
)  # fmt: skip
_OF_FIELDS = (
    ("Subject", "a"), ("Subject", "=?utf-8?q?=41?= "), ("Subject", "Re: "), ("To", "a@b, "), ("To", "<"), ("To", '"'),
    ("To", "("), ("To", "\\"), ("From", "a@b, "), ("From", "=?utf-8?b?YQ==?="), ("References", "<a@b> "),
    ("References", "<"), ("In-Reply-To", "<a"), ("Message-ID", "<"), ("Date", "1 "),
    ("Authentication-Results", "a; spf=pass "), ("Authentication-Results", "("), ("Received", "from a by b; "),
    ("List-Id", "<"), ("Content-Type", ";a=b"), ("Content-Type", ";a*0*=''"), ("Content-Disposition", ";filename*0=a"),
    ("X-A", "a\r\n "), ("Reply-To", "a@b;"),
)  # fmt: skip


def nasty(size: int) -> dict[str, bytes]:
    """Inputs of about this many octets, by what they are made of."""

    def many(piece: str) -> bytes:
        return piece.encode() * (size // len(piece.encode()))

    layers = "".join(f"--n{n}\r\nContent-Type: multipart/mixed; boundary=n{n + 1}\r\n\r\n" for n in range(size // 60))
    return {
        **{f"HTML of {piece!r}": letter(many(piece) + b"<p>Maya</p>", "text/html") for piece in _OF_HTML},
        **{f"text of {piece!r}": letter(many(piece)) for piece in _OF_TEXT},
        **{
            f"{name} of {piece!r}": _with_field(letter(), name.encode() + b": " + many(piece))
            for name, piece in _OF_FIELDS
        },
        "layers of parts": letter(layers, "multipart/mixed; boundary=n0"),
        "many parts": letter(many("--b\r\n\r\nx\r\n"), "multipart/mixed; boundary=b"),
        "mails within mails": many("Content-Type: message/rfc822\r\nFrom: a@b\r\n\r\n"),
        "many header fields": many("X-A: b\r\n") + letter(),
        "many From fields": many("From: a@b.example\r\n") + letter(),
        "an empty mail": b"",
        "nothing but NULs": bytes(size),
        "noise": random.Random(size).randbytes(size),
    }


# --- Pushed through the worker ---------------------------------------------------------------------------


@dataclass
class Readings:
    """How the worker took them: all but `read`, `unreadable` and `later` are to be zero.

    `killed` are mails that broke a limit and cost the worker its life, `unanswered` those without a judgement;
    `later` counts the good mails after each hundredth that were read, `missed` those that were not.
    """

    read: int = 0
    unreadable: int = 0
    killed: int = 0
    unanswered: int = 0
    later: int = 0
    missed: int = 0


def push(worker: Worker, mails: Sequence[bytes], found: Readings) -> None:
    """Hand mails over as a pass does, a good one after each hundredth; count what becomes of them."""
    for start in range(0, len(mails), BATCH):
        batch = mails[start : start + BATCH]
        good = a_mail("homework", number=start)
        try:
            judged = worker.judge([RawMail(raw) for raw in (*batch, good)], Context(TODAY))
        except Exception:  # noqa: BLE001 - whatever it is, the daemon would have had it
            found.unanswered += len(batch)
            found.missed += 1
            continue
        *hostile, last = judged
        found.unanswered += len(batch) - len(hostile)
        found.killed += sum("more time or memory" in one.error for one in hostile)
        found.unreadable += sum(bool(one.error) for one in hostile)
        found.read += sum(one.verdict is not None for one in hostile)
        right = last.verdict is not None and last.message_id == f"<homework-{start}@test.example>"
        right = right and last.verdict is not None and last.verdict.primary == "homework"
        found.later += right
        found.missed += not right


def seconds_of(worker: Worker, mails: Sequence[bytes]) -> float:
    """How long these take that are handed over together."""
    started = time.perf_counter()
    worker.judge([RawMail(raw) for raw in mails], Context(TODAY))
    return time.perf_counter() - started
