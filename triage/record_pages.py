"""Pure: the record as text, CSV, HTML, PDF and calendar: one list of entries, five renderings."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from triage.config import Config
from triage.ical import Appointment
from triage.prompts import PAGES, Wording
from triage.record import Entry, days_of
from triage.text import one_line

# Each kind of mail has a colour, a letter and a row of its own in the picture: colour alone tells nothing.
_ROWS: tuple[str, ...] = ("meeting_request", "behavior", "homework", "praise", "other_school", "out")
_HUES: Mapping[str, str] = {
    "meeting_request": "#1f5fa8", "behavior": "#8a4b08", "homework": "#2f6f6b", "praise": "#3d7a2a",
    "other_school": "#5f5f5f", "out": "#6b4fa0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One entry in words."""

    entry: Entry
    day: str
    who: str
    kinds: str
    asked: tuple[str, ...]
    agreed: tuple[str, ...]
    dues: tuple[str, ...]
    answered: str


@dataclass(frozen=True, slots=True)
class Dot:
    """An entry in the picture: `x` in 0..1 of the time shown, `row` counts from the top."""

    x: float
    row: int
    hue: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """The record in words, with its picture; `rows` are the names of the picture's rows."""

    language: str
    title: str
    span: str
    lines: tuple[Line, ...]
    rows: tuple[str, ...]
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    footer: str


def make_page(entries: Sequence[Entry], config: Config, wording: Wording, title: str = "") -> Page:
    """Entries in the words and the zone of the household."""
    words, zone = wording.words, config.zone
    days = days_of(entries)
    span = words["log"]["span"].format(start=_dated(days[0], wording), end=_dated(days[1], wording)) if days else ""
    return Page(
        language=wording.language,
        title=title or words["log"]["title"],
        span=span,
        lines=tuple(_line(entry, wording, zone) for entry in entries),
        rows=tuple(words["log"]["out"] if row == "out" else words["label"][row] for row in _ROWS),
        dots=tuple(_dots(entries, days, wording, zone)) if days else (),
        ticks=tuple(_ticks(*days)) if days else (),
        footer=words["digest"]["footer"],
    )


def _line(entry: Entry, wording: Wording, zone: ZoneInfo) -> Line:
    words = wording.words
    at = datetime.fromisoformat(entry.at).astimezone(zone)
    names = [words["label"][name] for name in (*entry.labels, *entry.flags) if name in words["label"]]
    return Line(
        entry=entry,
        day=_dated(at.date(), wording),
        who=words["log"]["you_to" if entry.direction == "out" else "from"].format(
            name=entry.who or entry.address or words["the_teacher"], channel=entry.channel
        ),
        kinds=", ".join(names) if entry.direction == "in" else words["log"]["out"],
        asked=tuple(wording.quoted(text, 220) for text in entry.asked if text != entry.summary),
        agreed=tuple(wording.quoted(text, 220) for text in entry.agreed),
        dues=tuple(f"{words['what'][what]}: {wording.moment(at)}" for at, what, _text in entry.dues),
        answered=_settled(entry, wording),
    )


def _settled(entry: Entry, wording: Wording) -> str:
    if not entry.answered:
        return ""
    day = _dated(date.fromisoformat(entry.answered[:10]), wording)
    return str(wording.words["log"]["settled"][(entry.how or "sent").replace(" ", "_")]).format(day=day)


def _dated(day: date, wording: Wording) -> str:
    # With its year: the record may span several.
    return f"{wording.day(day)}, {day.year}" if wording.language == "en" else f"{wording.day(day)} de {day.year}"


# --- The picture -----------------------------------------------------------------------------------------


def _dots(entries: Iterable[Entry], days: tuple[date, date], wording: Wording, zone: ZoneInfo) -> Iterator[Dot]:
    for entry in entries:
        day = datetime.fromisoformat(entry.at).astimezone(zone).date()
        kind = "out" if entry.direction == "out" else next((k for k in _ROWS if k in entry.labels), "other_school")
        title = f"{_dated(day, wording)}: {one_line(entry.summary, 80)}"
        yield Dot(_place(day, days), _ROWS.index(kind), _HUES[kind], title)


def _place(day: date, days: tuple[date, date]) -> float:
    whole = max(1, (days[1] - days[0]).days)
    return min(1.0, max(0.0, (day - days[0]).days / whole))


def _ticks(first: date, last: date) -> Iterator[tuple[float, str]]:
    """The first of each month that is shown; of a long time only some."""
    months = [(year, month) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    starts = [date(year, month, 1) for year, month in months if first <= date(year, month, 1) <= last]
    step = max(1, len(starts) // 8)
    for start in starts[::step]:
        yield _place(start, (first, last)), f"{start:%Y-%m}"


# --- Renderings ------------------------------------------------------------------------------------------

CSV_COLUMNS = (
    "date", "direction", "who", "address", "child", "channel", "labels", "flags", "subject", "summary", "asked",
    "agreed", "dates", "needs_reply", "answered", "message_id",
)  # fmt: skip


def to_text(page: Page, wording: Wording) -> str:
    """For a terminal."""
    return PAGES.get_template("log.txt.j2").render(page=page, w=wording.words["log"])


def to_html(page: Page, wording: Wording) -> str:
    """One self-contained page: no script, nothing loaded from anywhere."""
    return PAGES.get_template("log.html.j2").render(page=page, w=wording.words["log"])


def to_csv(entries: Iterable[Entry]) -> str:
    """For a spreadsheet (RFC 4180); lists within a cell are separated by " | "."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for entry in entries:
        dates = [f"{at} {what}: {text}" for at, what, text in entry.dues]
        cells = (
            entry.at, entry.direction, entry.who, entry.address, _cell(entry.children), entry.channel,
            _cell(entry.labels), _cell(entry.flags), entry.subject, entry.summary, _cell(entry.asked),
            _cell(entry.agreed), _cell(dates), "yes" if entry.needs_reply else "no", entry.answered[:10],
            entry.message_id,
        )  # fmt: skip
        writer.writerow([_harmless(cell) for cell in cells])
    return out.getvalue()


def _cell(items: Iterable[str]) -> str:
    return " | ".join(items)


def _harmless(cell: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula, and a mail's words must not become one."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def appointments_of(entries: Iterable[Entry], wording: Wording) -> list[Appointment]:
    """The dates of the record, for a calendar."""
    words = wording.words
    found = []
    for entry in entries:
        for at, what, text in entry.dues:
            title = ": ".join(
                filter(None, [words["what"][what], ", ".join(entry.children), one_line(entry.subject, 60)])
            )
            when = datetime.fromisoformat(at) if "T" in at else date.fromisoformat(at)
            if not isinstance(when, datetime) or when.tzinfo is not None:
                found.append(Appointment(when, title, f"{entry.who or entry.address}: {text}", entry.message_id))
    return found


# --- PDF -------------------------------------------------------------------------------------------------


@cache
def _font_files() -> tuple[Path, Path]:
    """Regular and bold, from the package of fonts."""
    import font_source_sans_pro as fonts  # noqa: PLC0415 - needed for a PDF alone

    folder = Path(str(fonts.font_directory))
    return folder / "SourceSansPro-Regular.ttf", folder / "SourceSansPro-Bold.ttf"


def to_pdf(page: Page, wording: Wording, made: datetime) -> bytes:
    """Fit to print and to bring along: a title, the picture, then each entry with what was asked and agreed."""
    from fpdf import FPDF  # noqa: PLC0415 - needed for a PDF alone

    words = wording.words["log"]

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("body", size=8)
            self.cell(0, 6, f"{page.title}  {self.page_no()}/{{nb}}", align="C")

    sheet = Sheet(format="A4")
    regular, bold = _font_files()
    sheet.add_font("body", "", regular)
    sheet.add_font("body", "B", bold)
    sheet.set_creation_date(made)
    sheet.set_title(page.title)
    sheet.set_lang(page.language)
    sheet.set_auto_page_break(auto=True, margin=16)
    pen = _Pen(sheet, set(getattr(sheet.fonts["body"], "cmap", ())))
    sheet.add_page()
    pen.write(page.title, size=18, bold=True)
    pen.write(page.span, size=10)
    _draw_picture(sheet, page, pen)
    for line in page.lines:
        pen.keep_together(28)
        pen.write(f"{line.day}   {line.who}", size=11, bold=True)
        details = [line.kinds, ", ".join(line.entry.children), line.entry.subject]
        pen.write(" · ".join(filter(None, details)), size=9)
        if line.entry.summary and line.entry.direction == "in":
            pen.write(wording.quoted(line.entry.summary, 200), size=10)
        for name, items in (("asked", line.asked), ("agreed", line.agreed), ("dates", line.dues)):
            for item in items:
                pen.write(f"{words[name]}: {item}", size=9)
        if line.answered:
            pen.write(line.answered, size=9)
        elif line.entry.needs_reply:
            pen.write(words["open"], size=9)
        pen.write(line.entry.message_id, size=7)
        sheet.ln(2)
    pen.write(page.footer, size=8)
    return bytes(sheet.output())


class _Pen:
    """Writes lines of text, leaving out what the font has no shape for."""

    def __init__(self, sheet: Any, known: set[int]) -> None:
        self._sheet, self._known = sheet, known

    def write(self, text: str, *, size: int, bold: bool = False) -> None:
        self._sheet.set_font("body", "B" if bold else "", size)
        self._sheet.multi_cell(0, size * 0.5, self.shown(text), new_x="LMARGIN", new_y="NEXT")

    def keep_together(self, height: float) -> None:
        if self._sheet.get_y() + height > self._sheet.h - 16:
            self._sheet.add_page()

    def shown(self, text: str) -> str:
        composed = unicodedata.normalize("NFC", text)
        return "".join(char for char in composed if ord(char) in self._known or char == " ")


def _draw_picture(sheet: Any, page: Page, pen: _Pen) -> None:
    if not page.dots:
        return
    left, top, width, height = sheet.l_margin + 28, sheet.get_y() + 3, sheet.epw - 32, 6.0
    sheet.set_font("body", "", 8)
    for row, name in enumerate(page.rows):
        sheet.text(sheet.l_margin, top + row * height + 4, pen.shown(name))
        sheet.set_draw_color(215, 212, 205)
        sheet.line(left, top + row * height + 3, left + width, top + row * height + 3)
    bottom = top + len(page.rows) * height
    for x, month in page.ticks:
        sheet.line(left + x * width, top, left + x * width, bottom)
        sheet.text(left + x * width - 4, bottom + 4, month)
    for dot in page.dots:
        sheet.set_fill_color(*(int(dot.hue[at : at + 2], 16) for at in (1, 3, 5)))
        sheet.ellipse(left + dot.x * width - 1.2, top + dot.row * height + 1.8, 2.4, 2.4, style="F")
    sheet.set_y(bottom + 9)
