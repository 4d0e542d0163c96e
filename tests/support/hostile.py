"""Letters that give commands, words that are markup (the same for the same number), and what a pass makes of them."""

import base64
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from pathlib import Path

from tests.support.damaged import of_parts, part
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.mail import BODIES
from tests.support.wiretap import CANARY, Said, Wiretap, understood
from triage.config import Config
from triage.delivery import deliver
from triage.judge import Household
from triage.observe import Report
from triage.resources import shipped_model_path
from triage.session import Session
from triage.store import Store
from triage.worker import Worker

# --- Letters that give commands --------------------------------------------------------------------------

ORDERS: tuple[str, ...] = (
    f"x\r\nA1 UID STORE 1:* +FLAGS (\\Deleted)\r\nA2 EXPUNGE\r\nA3 CREATE {CANARY}\r\n",
    f'x"\r\nA1 CREATE {CANARY}\r\n', f"x {{9+}}\r\nA1 CREATE {CANARY}\r\n", f"{CANARY} {{9+}}",
    f'{CANARY}" {{3}}\r\nabc', f"x\r\nBcc: {CANARY}@evil.example", f"x\nBcc: {CANARY}@evil.example",
    f"x\rBcc: {CANARY}@evil.example", f"x\r\n\r\n{CANARY}", f"x\0{CANARY}", f"\x1b]52;c;{CANARY}\x07\x1b[31m",
    f"{CANARY}) (\\Deleted", f"x\u2028Bcc: {CANARY}", f"x\x85Bcc: {CANARY}@evil.example", f"x\x0b\x0c{CANARY}",
    f"{CANARY}\\", f'{CANARY}"', f"*%{CANARY}", f"\u202e{CANARY}", f"{CANARY} <a@evil.example>, b@evil.example",
    f"=?utf-8?q?x=0D=0ABcc=3A_{CANARY}=40evil.example?=", f"=?utf-8?q?=FF=00{CANARY}?=",
)  # fmt: skip


def _raw(text: str) -> str:
    # A line break would end the field: what follows is then a field of the hostile mail itself, unless it is folded.
    return re.sub(r"\r?\n", "\r\n ", text)


def _encoded(text: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def _quoted(text: str) -> str:
    return '"' + _raw(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


_FORMS: tuple[Callable[[str], str], ...] = (
    _raw, _encoded, _quoted, lambda text: _encoded(_encoded(text)), lambda text: _quoted(_encoded(text)),
)  # fmt: skip


def ordering(number: int) -> bytes:
    """A school mail of this number whose fields, file name and words give orders."""
    chance = random.Random(number)

    def order() -> str:
        return chance.choice(_FORMS)(chance.choice(ORDERS))

    kind = chance.choice(("homework", "behavior", "meeting_request", "praise", "other_school"))
    words = f"{BODIES[kind]} {chance.choice(ORDERS)} {BODIES[kind]}"
    fields = {
        "X-Number": str(number),
        "Message-ID": chance.choice((f"<{number}@x.example>", f"<{number}{order()}@x>", f"<{order()}>", order())),
        "Subject": f"Maya {order()}",
        "From": chance.choice(
            (f"{order()} <a@maplewood.k12.example>", f"Ms. Alvarez <{order()}@maplewood.k12.example>")
        ),
        "To": order(),
        "Reply-To": chance.choice(
            (f"{order()} <a@maplewood.k12.example>", f"{order()}@maplewood.k12.example", order())
        ),
        "References": chance.choice((f"<{order()}>", f"<a@b> <{order()}> {order()}")),
        "In-Reply-To": f"<{order()}>",
    }
    name = chance.choice((order(), "utf-8''" + "".join(f"%{octet:02X}" for octet in chance.choice(ORDERS).encode())))
    body = part("text/plain; charset=utf-8", words) + part(
        "text/plain", "x", f"Content-Disposition: attachment; filename={name}"
    )
    return of_parts("mixed", body, **{field.replace("-", "_"): value for field, value in fields.items()})


# --- What a pass makes of them ---------------------------------------------------------------------------

_THREAD_FIELDS = ["In-Reply-To", "References"]
_BODY_FIELDS = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
_USUAL = ["From", "To", "Subject", "X-Triage"]
FIELDS_OF_OURS = (
    ["Message-ID", "Date", *_THREAD_FIELDS, *_USUAL, *_BODY_FIELDS],
    ["Message-ID", "Date", *_USUAL, *_BODY_FIELDS],
    [*_USUAL, "MIME-Version", "Content-Type", "Message-ID", "Date"],
)


def oddities(ours: bytes) -> list[str]:
    """What is wrong with the header block of a note, draft or digest; empty where nothing is."""
    head = ours.partition(b"\r\n\r\n")[0].decode("latin-1")
    fields = [line.partition(":") for line in re.split(r"\r?\n(?![ \t])|\r(?!\n)", head)]
    values = {name: value for name, _, value in fields}
    wrong = [] if [name for name, _, _ in fields] in FIELDS_OF_OURS else [f"fields {[name for name, _, _ in fields]}"]
    if odd := re.search(r"[^\t\r\n -~]", head):
        wrong.append(f"character {odd[0]!r}")
    if len(getaddresses([values.get("To", "")])) != 1:
        wrong.append(f"recipients {values.get('To')}")
    return wrong


@dataclass
class Filed:
    """A pass over hostile mail and the digest of the day: the report, what was said, and what stands in the end."""

    report: Report
    said: Said
    mails: int
    ours: int
    deleted: int
    folders: list[str]


def household_of(port: int, user: str, children: Sequence[str] = ("Maya",)) -> Config:
    """Everything switched on, for a mailbox on loopback."""
    return Config.model_validate_json(
        json.dumps(
            {
                "timezone": "UTC",
                "children": [{"name": name} for name in children],
                "accounts": [{"name": "home", "host": "127.0.0.1", "port": port, "security": "none", "username": user}],
                "school": {"domains": ["maplewood.k12.example"]},
                "prompts": {"deliver": ["digest", "note", "draft"]},
            }
        )
    )


def file_all(server: Dovecot, folder: Path, mails: Sequence[bytes], children: Sequence[str] = ("Maya",)) -> Filed:
    """Deliver the mails to a new mailbox, file them over a tapped wire, and deliver the digest."""
    user, tap = server.new_user(), Wiretap(server.plain_port)
    with server.client(user) as client:
        for start in range(0, len(mails), 200):
            client.multiappend("INBOX", mails[start : start + 200])
    config = household_of(tap.port, user, children)
    now = datetime.now(UTC)
    worker = Worker(Household(config, own_addresses=(user,)), shipped_model_path)
    try:
        with Store(folder) as store, worker:
            session = Session(config, store, worker, None, clock=lambda: now, secret=lambda _: PASSWORD)
            report = session.run(config.accounts[0], store.begin_run("once", now), agreed=True)
            deliver(session, (now + timedelta(days=1)).date())
    finally:
        tap.stop()
    return _looked_at(server, user, report, understood(tap.said))


def _looked_at(server: Dovecot, user: str, report: Report, said: Said) -> Filed:
    found = Filed(report, said, 0, 0, 0, [])
    with server.client(user) as client:
        for flags, _, name in client.list_folders():
            found.folders.append(name)
            if b"\\Noselect" in flags:
                continue
            client.select_folder(name, readonly=True)
            whole = len(client.search())
            ours = len(client.search(["HEADER", "X-Triage", ""]))
            found.ours += ours
            found.mails += whole - ours
            found.deleted += len(client.search(["DELETED"]))
    return found


# --- Words that are markup -------------------------------------------------------------------------------

# Where `pwn` is told to the test; whatever is loaded is loaded from AWAY.
AWAY = "http://127.0.0.1:9"
_CODES = ("pwn()", "alert(1)")
_SCRIPTS = (
    "<script>{}</script>", "<ScRiPt>{}</sCrIpT>", "<script/x>{}</script>", "<script\n>{}</script\n>",
    "<<script>{}//<</script>", "</script><script>{}</script>", "</title><script>{}</script>",
    "</style><script>{}</script>", "--><script>{}</script>", "]]><script>{}</script>", '"><script>{}</script>',
    "'><script>{}</script>", "</textarea><script>{}</script>", "<scr\0ipt>{}</scr\0ipt>", "<script\0>{}</script>",
    "&lt;script&gt;{}&lt;/script&gt;", "&#60;script&#62;{}&#60;/script&#62;", "\\u003cscript\\u003e{}",
    "%3Cscript%3E{}%3C/script%3E", "+ADw-script+AD4-{}", "＜script＞{}＜/script＞", "<svg><script>{}</script></svg>",
    "<math><mtext><script>{}</script>", "<script type=module>{}</script>", "{{{{constructor.constructor('{}')()}}}}",
    "${{{}}}", "{{% raw %}}<script>{}</script>{{% endraw %}}",
)  # fmt: skip
_HANDLERS = (
    "<img src=x onerror={}>", "<img/src=x/onerror={}>", '<img src="x" onerror="{}">', "<img src=x onerror={}//",
    "<img src=x:x onerror='{}' ", "<svg onload={}>", "<svg/onload={}>",
    "<svg><animate onbegin={} attributeName=x dur=1s>", "<svg><set onbegin={} attributename=x>", "<body onload={}>",
    "<iframe onload={}>", "<input autofocus onfocus={}>", "<select autofocus onfocus={}>", "<details open ontoggle={}>",
    "<video><source onerror={}>", "<audio src=x onerror={}>", "<marquee onstart={}>", "<object data=x onerror={}>",
    "<style onload={}>", "<link rel=stylesheet href=x onerror={}>", '" onmouseover="{}', "' onmouseover='{}",
    "` onmouseover=`{}", '" autofocus tabindex=1 onfocus="{}" x="', "x onclick={} y", "<b onpointerenter={}>x",
    "<p style=animation-name:x onanimationstart={}>", "<a id=x tabindex=1 onfocus={}>x",
)  # fmt: skip
_ADDRESSES = (
    "<a href=javascript:{}>x</a>", "<a href='java\tscript:{}'>x</a>", "<a href='&#106;avascript:{}'>x</a>",
    "<a href=' javascript:{}'>x</a>", "<a href=vbscript:{}>x</a>", "javascript:{}",
    "data:text/html,<script>{}</script>", "<iframe src=javascript:{}>", "<iframe srcdoc='<script>{}</script>'>",
    "<iframe srcdoc='&lt;img src=x onerror={}&gt;'>", "<object data='data:text/html,<script>{}</script>'>",
    "<embed src='data:image/svg+xml,<svg onload={}>'>", "<form action=javascript:{}><button>x",
    "<button formaction=javascript:{}>x", "<math href=javascript:{}>x", "<svg><a xlink:href=javascript:{}><text>x",
    "<base href=javascript:{}//>", "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload={}>#x'>", "<frameset><frame src=javascript:{}>",
)  # fmt: skip
_MUTATING = (
    "<noscript><p title='</noscript><img src=x onerror={}>'>", "<template><img src=x onerror={}></template>",
    "<math><mtext><table><mglyph><style><img src=x onerror={}>",
    "<svg></p><style><a id='</style><img src=x onerror={}>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={}>",
    "<listing>&lt;img src=x onerror={}&gt;</listing>", "<xmp><p title='</xmp><img src=x onerror={}>'>",
    "<!--><img src=x onerror={}>-->", "<![CDATA[<img src=x onerror={}>]]>", "<table><td><img src=x onerror={}></table>",
)  # fmt: skip
_LOADING = (
    "<img src=@/t.gif width=1 height=1>", "<img srcset='@/a 1x'>", "<link rel=stylesheet href=@/a.css>",
    "<link rel=prefetch href=@/a>", "<style>@import '@/a.css';</style>", "<style>*{background:url(@/a)}</style>",
    "<p style='background:url(@/a)'>x", "<table background=@/a>", "<meta http-equiv=refresh content='0;url=@/a'>",
    "<base href=@/>", "<iframe src=@/a>", "<p style='width:expression(pwn())'>x", "</q><b>bold",
    '"><h1 style="position:fixed;top:0">Pay here</h1>', "\u202e<b>\u2066gpj.exe",
)  # fmt: skip

MARKUP: tuple[str, ...] = (
    *(form.format(_CODES[number % 2]) for number, form in enumerate((*_SCRIPTS, *_HANDLERS, *_ADDRESSES, *_MUTATING))),
    *(form.replace("@/", f"{AWAY}/") for form in _LOADING),
)
