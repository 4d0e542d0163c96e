"""Pure: what the state holds of a day to the morning digest, as text, HTML or JSON.

One model of the day, three renderings. The order is the one in which a parent needs it: danger, what waits for an
answer, plan matters, the rest that concerns the child, good news (never cut), dates, and all else as counts.
The teacher's words are quoted as such; no mail's own HTML, link or image is ever taken over.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from triage.awaiting import Waiting, reminders, speaks_of_danger
from triage.config import Config
from triage.facts import names_plan
from triage.ical import Appointment, to_ics
from triage.notes import NOTE_FROM
from triage.plan import Stored
from triage.prompts import PAGES, Wording
from triage.strangers import Arrived, Offer, offers_of, perhaps_of
from triage.text import one_line

SectionKind = Literal["now", "reply", "plan", "talk", "good", "review", "news"]
SECTIONS: tuple[SectionKind, ...] = ("now", "reply", "plan", "talk", "good", "review", "news")
# So many cards are shown whole; of the rest a line. Danger, answers and good news are never cut.
FULL_CARDS = 7
DATES_AHEAD = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Link:
    """A way back to the mail: `label` names the client, `href` opens it there."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Item:
    """One mail of the digest. `headline` is ours and neutral; `quotes` are the sender's words."""

    message_id: str
    account: str
    headline: str
    child: str
    teacher: str
    labels: tuple[str, ...]
    when: str
    quotes: tuple[str, ...]
    pause: str
    ask_child: str
    ask_teacher: str
    next_step: str
    find: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Mails of one kind, by child and time."""

    kind: SectionKind
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class DateLine:
    """A date to keep: `day` in ISO, `shown` in words, `text` who wrote of it, `about` the mail's subject.

    `message_id` is that of the mail.
    """

    day: str
    shown: str
    what: str
    child: str
    text: str
    about: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of the day that ends at `end`; times in ISO 8601 in the household's zone."""

    date: str
    start: str
    end: str
    title: str
    subject: str
    language: str
    sections: tuple[Section, ...]
    dates: tuple[DateLine, ...]
    waiting: tuple[Waiting, ...]
    reminders: tuple[str, ...]
    nudge: str
    offers: tuple[Offer, ...]
    offer_how: str
    perhaps: tuple[Offer, ...]
    perhaps_how: str
    counts: dict[str, int]
    lines: tuple[str, ...]
    waits: bool
    footer: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        said = self.sections or self.dates or self.reminders or self.nudge or self.offers or self.perhaps
        return not (said or self.counts["failed"] or self.waits)

    def to_json(self) -> dict[str, Any]:
        """The documented object of `digest --format json`."""
        return {**asdict(self), "empty": self.empty}


@dataclass(frozen=True, slots=True)
class Day:
    """What a digest is made from: the messages of (start, end], and those before whose dates may lie ahead.

    `troubles` are sentences about accounts that wait for a person; `learned` the addresses that the parent made known,
    `mornings` the ends of the digests before, oldest first; `waiting` is all that waits for an answer, `nudge` the one
    line of the longer view, `held` how many mails wait until the time when they may be shown.
    """

    start: datetime
    end: datetime
    rows: Sequence[Stored]
    earlier: Sequence[Stored] = ()
    troubles: Sequence[str] = ()
    learned: Collection[str] = ()
    mornings: Sequence[datetime] = ()
    waiting: Sequence[Waiting] = ()
    nudge: str = ""
    held: int = 0


# --- Building --------------------------------------------------------------------------------------------


def build_digest(day: Day, config: Config, wording: Wording) -> Digest:
    """The digest of a day."""
    words, zone = wording.words["digest"], config.zone
    end = day.end.astimezone(zone)
    by_kind: dict[SectionKind, list[Item]] = {kind: [] for kind in SECTIONS}
    for row in sorted(day.rows, key=_before_others):
        if (kind := _kind(row)) is not None:
            by_kind[kind].append(_item(row, config, wording))
    sections = tuple(Section(kind, words[kind], tuple(items)) for kind, items in by_kind.items() if items)
    dates = _dates([*day.earlier, *day.rows], end.date(), wording)
    counts = _counts(day.rows, sections)
    today = wording.day(end.date())
    mail = Arrived(day.end, day.rows, day.earlier, day.learned, day.mornings)
    offers, how = offers_of(mail), "how" if config.filing.mode != "tag" else "how_tag"
    return Digest(
        date=end.date().isoformat(),
        start=day.start.astimezone(zone).isoformat(timespec="minutes"),
        end=end.isoformat(timespec="minutes"),
        title=words["title"].format(day=today),
        subject=words["subject"].format(day=today, summary=_summary(counts, words)),
        language=wording.language,
        sections=sections,
        dates=dates,
        waiting=tuple(day.waiting),
        reminders=tuple(
            _reminder(one, day.end.astimezone(zone).date(), wording, config)
            for one in reminders(day.waiting, day.start, day.end, config)
        ),
        nudge=day.nudge,
        offers=offers,
        offer_how=words[f"offer_{how}"].format(root=config.filing.root),
        perhaps=perhaps_of(mail, offers),
        perhaps_how=words[f"perhaps_{how}"].format(root=config.filing.root),
        counts=counts,
        lines=(*day.troubles, *_closing_lines(counts, day, wording, zone)),
        waits=bool(day.troubles),
        footer=words["footer"],
    )


def _verdict(row: Stored) -> dict[str, Any]:
    verdict: dict[str, Any] = (row.judgement or {}).get("verdict") or {}
    return verdict


def _before_others(row: Stored) -> tuple[bool, str]:
    """Danger before what is urgent, then child by child."""
    verdict = _verdict(row)
    return not speaks_of_danger(verdict), verdict.get("child") or ""


def _kind(row: Stored) -> SectionKind | None:
    verdict = _verdict(row)
    if not verdict or (not verdict["school"] and not verdict.get("unsure")):
        return None
    if "subject" not in verdict:
        # Corrected by command, and not read again yet: there is nothing to say of it.
        return None
    flags = verdict.get("flags", [])
    of_plan = [item["text"] for item in verdict.get("evidence", []) if item["label"] == "plan"]
    # The first that holds, in the order in which a parent needs to know.
    kinds: tuple[tuple[SectionKind, bool], ...] = (
        ("now", speaks_of_danger(verdict) or (verdict.get("urgent", False) and not verdict.get("unsure"))),
        ("review", verdict.get("unsure", False)),
        ("reply", verdict.get("needs_reply", False)),
        ("good", verdict["primary"] == "praise"),
        ("plan", "plan" in flags and names_plan(of_plan)),
        ("news", verdict["primary"] == "other_school" or "bulk" in flags),
        ("talk", True),
    )
    return next(kind for kind, holds in kinds if holds)


def _item(row: Stored, config: Config, wording: Wording) -> Item:
    verdict, words = _verdict(row), wording.words
    card = (row.judgement or {}).get("card") or {}
    teacher = (verdict.get("teacher") or {}).get("name") or words["the_teacher"]
    child = verdict.get("child") or ""
    subject = one_line(verdict.get("subject") or "", 80)
    due = next(iter(verdict.get("due", [])), None)
    first = (*tuple(card.get("asked", ()))[:1], *card.get("known", ()))
    return Item(
        message_id=row.message_id,
        account=row.account,
        headline=card.get("headline") or f"{teacher[:1].upper()}{teacher[1:]}: {subject}",
        child=child,
        teacher=teacher,
        labels=tuple(words["label"][name] for name in verdict["labels"] or [verdict["primary"]]),
        when=wording.moment(due["at"]) if due else "",
        # What is told of another child is never cut.
        quotes=tuple(dict.fromkeys((*first[:2], *card.get("others", ())))),
        pause=card.get("pause", ""),
        ask_child=next(iter(card.get("ask_child", ())), ""),
        ask_teacher=next(iter(card.get("ask_teacher", ())), ""),
        next_step=card.get("next_step", ""),
        find=words["digest"]["find"].format(
            subject=subject, sender=teacher, day=_local_day(row, config, wording), folder=row.place.folder
        ),
        links=tuple(_links(row.message_id, row.account, config, words["digest"])),
    )


def _local_day(row: Stored, config: Config, wording: Wording) -> str:
    return wording.day((row.received or row.day).astimezone(config.zone).date())


def _links(message_id: str, account: str, config: Config, words: dict[str, str]) -> Iterable[Link]:
    bare = message_id.strip("<>")
    if not bare or not bare.isprintable() or " " in bare:
        return
    user = next((known.username for known in config.accounts if known.name == account), "")
    if user.lower().endswith(("@gmail.com", "@googlemail.com")):
        search = f"https://mail.google.com/mail/u/?authuser={quote(user)}#search/rfc822msgid:{quote(bare, safe='')}"
        yield Link(words["open_gmail"], search)
    yield Link(words["open_apple"], f"message:%3C{quote(bare, safe='')}%3E")
    yield Link(words["open_thunderbird"], f"mid:{quote(bare, safe='@')}")


def _dates(rows: Sequence[Stored], today: date, wording: Wording) -> tuple[DateLine, ...]:
    found: dict[tuple[str, str], DateLine] = {}
    off = {(_writer(row), at[:10]) for row in rows for at in _verdict(row).get("cancelled", ())}
    for row in rows:
        verdict = _verdict(row)
        if not verdict.get("school") or verdict.get("unsure"):
            continue
        for due in verdict.get("due", []):
            day = date.fromisoformat(due["at"][:10])
            if today <= day <= today + DATES_AHEAD and (_writer(row), due["at"][:10]) not in off:
                child = verdict.get("child") or ""
                teacher = (verdict.get("teacher") or {}).get("name") or wording.words["the_teacher"]
                about = one_line(verdict.get("subject") or "", 60)
                what = wording.words["what"][due["what"]]
                line = DateLine(due["at"], wording.moment(due["at"]), what, child, teacher, about, row.message_id)
                found.setdefault((due["at"], child + due["what"]), line)
    return tuple(sorted(found.values(), key=lambda line: line.day))


def _writer(row: Stored) -> str:
    return (_verdict(row).get("teacher") or {}).get("address") or ""


def _counts(rows: Sequence[Stored], sections: Sequence[Section]) -> dict[str, int]:
    sizes: dict[str, int] = dict.fromkeys(SECTIONS, 0)
    sizes |= {section.kind: len(section.items) for section in sections}
    failed = sum(row.status in ("failed", "quarantined") for row in rows)
    school = sum(sizes.values())
    return {**sizes, "seen": len(rows), "school": school, "other": len(rows) - school - failed, "failed": failed}


def _summary(counts: dict[str, int], words: dict[str, str]) -> str:
    named = [words[f"n_{kind}"].format(count=counts[kind]) for kind in ("now", "reply", "good") if counts[kind]]
    rest = counts["school"] - counts["now"] - counts["reply"] - counts["good"]
    if rest or not (named or counts["seen"] == 0):
        named.append(words["n_other"].format(count=rest))
    return ", ".join(named)


def _reminder(one: Waiting, today: date, wording: Wording, config: Config) -> str:
    words, filed = wording.words["digest"], config.filing.mode != "tag"
    put_away = words["put_away"].format(folder=f"{config.filing.root}/{config.filing.folders.done}") if filed else ""
    by = date.fromisoformat(one.by)
    return str(words["reminder" if by >= today else "reminder_late"]).format(
        put_away=put_away,
        teacher=one.teacher or wording.words["the_teacher"],
        subject=one.subject,
        since=wording.day(date.fromisoformat(one.since)),
        by=wording.day(by),
    )


def _closing_lines(counts: dict[str, int], day: Day, wording: Wording, zone: ZoneInfo) -> Iterable[str]:
    words, start = wording.words["digest"], day.start.astimezone(zone)
    if day.held:
        yield words["held_one" if day.held == 1 else "held"].format(count=day.held)
    elif not day.troubles:
        yield (
            words["all_done"] if counts["school"] else words["nothing"].format(since=wording.moment(start.isoformat()))
        )
    if counts["seen"]:
        form = words["counts_one" if counts["seen"] == 1 else "counts"]
        yield form.format(**{name: counts[name] for name in ("seen", "school", "other")})
    if counts["failed"]:
        yield words["trouble"].format(count=counts["failed"])


# --- Rendering -------------------------------------------------------------------------------------------


def _context(digest: Digest, wording: Wording) -> dict[str, Any]:
    return {"digest": digest, "words": wording.words, "w": wording.words["digest"], "full_cards": FULL_CARDS}


def to_text(digest: Digest, wording: Wording) -> str:
    """The digest as plain text, good enough alone."""
    return PAGES.get_template("digest.txt.j2").render(_context(digest, wording))


def to_html(digest: Digest, wording: Wording) -> str:
    """The digest as one self-contained page: inline styles, no script, nothing loaded from anywhere."""
    return PAGES.get_template("digest.html.j2").render(_context(digest, wording))


def to_mail(digest: Digest, wording: Wording, to: str, made: datetime) -> EmailMessage:
    """The digest as a mail to the parent's own inbox, its dates as a calendar file beside it.

    Message-ID and Date are set by the caller.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = NOTE_FROM
    mail["To"] = to
    mail["Subject"] = digest.subject
    mail["X-Triage"] = "digest"
    mail.set_content(to_text(digest, wording))
    mail.add_alternative(to_html(digest, wording), subtype="html")
    if digest.dates:
        content = to_ics(map(_appointment, digest.dates), made).decode()
        published = {"method": "PUBLISH"}
        mail.add_attachment(content, subtype="calendar", filename="school-dates.ics", params=published)
    return mail


def _appointment(line: DateLine) -> Appointment:
    at = datetime.fromisoformat(line.day) if "T" in line.day else date.fromisoformat(line.day)
    if isinstance(at, datetime) and at.tzinfo is None:
        at = at.date()
    title = ": ".join(filter(None, [line.what, line.child, line.about]))
    return Appointment(at, title, line.text, line.message_id)
