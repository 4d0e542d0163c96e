"""The commands for what a parent does next: check a draft, show the record."""

import shutil
import sys
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from triage.calmer import findings_of
from triage.classify import PRIMARIES
from triage.console import Settings, command, print_json, say, to_json
from triage.draft import own_spans, remarks
from triage.errors import StoreError, UsageError
from triage.facts import FLAGS
from triage.ical import to_ics
from triage.ledger import Ledger
from triage.lock import StateLock
from triage.notes import finding_lines
from triage.prompts import Wording, word_table
from triage.rebuild import drop_set_aside
from triage.record import Entry, Since, Wanted, chosen, laid_over, names
from triage.record_pages import appointments_of, make_page, to_csv, to_html, to_pdf, to_text
from triage.resources import tone_path
from triage.session import system_clock
from triage.store import Store

# A draft is some hundred words; what is far longer is none.
LARGEST_DRAFT = 200_000


def parsed_day(text: str) -> date:
    """A date as the commands take it. Raises what typer shows."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is not a date like 2026-01-09') from None


# --- check -----------------------------------------------------------------------------------------------


@command("check")
def check(
    settings: Settings,
    path: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Your draft as text; - is standard input.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read a reply that you drafted, and point at wording that may inflame, with a calmer one beside it."""
    from triage.tone import load  # noqa: PLC0415 - scikit-learn is loaded only where it is used

    config = settings.load_or_default()
    draft = _read_draft(path)
    model = load(tone_path())
    scores = model.score([span.text for span in own_spans(draft)])
    names = [name for child in config.children for name in (child.name, *child.aliases)]
    found = findings_of(remarks(draft, scores, model.limits, names), draft, config.language, names)
    if as_json:
        print_json({"ok": not found, "findings": [finding.to_json() for finding in found]})
    else:
        typer.echo("\n".join(finding_lines(found, word_table(config.language, "words")["check"], draft)))


def _read_draft(path: str) -> str:
    try:
        raw = sys.stdin.buffer.read(LARGEST_DRAFT + 1) if path == "-" else Path(path).read_bytes()[: LARGEST_DRAFT + 1]
        if len(raw) > LARGEST_DRAFT:
            raise UsageError(f"{path}: is too large for a draft ({LARGEST_DRAFT // 1000} kB at most)")
        # As given: offsets count these characters, so that line ends are not touched.
        return raw.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; give the draft as plain text") from None


# --- intro -----------------------------------------------------------------------------------------------


@command("intro")
def introduce(
    settings: Settings,
    child: Annotated[str, typer.Option("--child", metavar="C", help="Whom the letter is about.")] = "",
    teacher: Annotated[str, typer.Option("--teacher", metavar="T", help="Whom it goes to.")] = "",
    *,
    tell_plan: Annotated[bool, typer.Option("--tell-plan", help="Also say that there is a 504 plan or IEP.")] = False,
) -> None:
    """A first letter to a teacher, from your own words in the configuration; it is printed, never sent."""
    config = settings.load()
    known = next((one for one in config.school.teachers if teacher and names(one.name, teacher)), None)
    wanted = child or (known.children[0] if known is not None and len(known.children) == 1 else "")
    if not wanted and len(config.children) > 1:
        raise UsageError("name one of your children with --child")
    about = next((one for one in config.children if wanted.lower() in (one.name.lower(), "")), None)
    if about is None:
        listed = ", ".join(one.name for one in config.children) or "none"
        raise UsageError(f'{settings.config_path}: children: "{wanted}" is not there; configured: {listed}')
    missing = [key for key in ("likes", "hard", "at_home") if not getattr(about, key)]
    if missing:
        raise UsageError(
            f"{settings.config_path}: children: {about.name}: write {' and '.join(missing)} first, each as a list of "
            'your own words, such as likes = ["drawing"]'
        )
    name = known.name if known is not None else teacher
    wording = Wording(config.language, settings.overrides)
    words = wording.words
    typer.echo(
        wording.page(
            "intro",
            {
                "greeting": words["greeting_named"].format(name=name) if name else words["greeting"],
                "child": about.name,
                "likes": wording.listed(about.likes),
                "hard": wording.listed(about.hard),
                "at_home": wording.listed(about.at_home),
                "plan": {"504": "504", "iep": "IEP"}.get(about.plan, "") if tell_plan else "",
            },
        )
    )


# --- forget ----------------------------------------------------------------------------------------------


@command("forget")
def forget(
    settings: Settings,
    child: Annotated[str, typer.Option("--child", metavar="C", help="What is held about this child.")] = "",
    teacher: Annotated[str, typer.Option("--teacher", metavar="T", help="What is held about this teacher.")] = "",
    before: Annotated[
        date | None, typer.Option("--before", parser=parsed_day, metavar="D", help="What is older than this day.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Everything, and what was learned from you.")] = False,
) -> None:
    """Remove what the state holds; no mail is touched."""
    if sum(map(bool, (child, teacher, before, everything))) != 1:
        raise UsageError("name one of --child, --teacher, --before and --all")
    config = settings.load_or_default()
    state = settings.state_path
    if not (state / "state.db").exists():
        say(f"{state}: holds nothing")
        return
    with StateLock(state).acquire("forget"), Store(state) as store:
        # What a rebuilding set aside cannot be read well enough to take only a part out.
        drop_set_aside(state)
        ledger = Ledger(store)
        if everything:
            ledger.forget_everything()
            typer.echo("everything is forgotten; what was filed stays where it is")
        else:
            start = datetime.combine(before, time(), tzinfo=config.zone) if before is not None else None
            ledger.forget_senders(teacher)
            ledger.forget_nudges(child, teacher)
            number = ledger.forget(ledger.keys_about(child, teacher, start))
            typer.echo(f"forgotten: {number} messages and entries")
    # Digests quote mail; those that are still wanted are made anew.
    for folder in ("digests", *(["model"] if everything else [])):
        shutil.rmtree(state / folder, ignore_errors=True)


# --- log -------------------------------------------------------------------------------------------------


class LogFormat(StrEnum):
    """How the record is printed."""

    text = "text"
    csv = "csv"
    json = "json"
    html = "html"
    pdf = "pdf"
    ics = "ics"


@command("log")
def show_log(
    settings: Settings,
    *,
    child: Annotated[str, typer.Option("--child", metavar="C", help="Only this child.")] = "",
    teacher: Annotated[
        str, typer.Option("--teacher", metavar="T", help="Only this teacher: part of name or address.")
    ] = "",
    label: Annotated[str, typer.Option("--label", metavar="L", help="Only mail of this label or flag.")] = "",
    since: Annotated[
        date | None, typer.Option("--since", parser=parsed_day, metavar="D", help="From this day on.")
    ] = None,
    until: Annotated[
        date | None, typer.Option("--until", parser=parsed_day, metavar="D", help="Up to this day.")
    ] = None,
    form: Annotated[LogFormat, typer.Option("--format", help="How to print it.")] = LogFormat.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to this file.")
    ] = None,
) -> None:
    """The communication record: who wrote, when, what was asked and agreed, and whether it was answered."""
    config = settings.load()
    wording = Wording(config.language, settings.overrides)
    # What goes to everybody is no communication, and is not in the record for being that.
    allowed = (*PRIMARIES[:5], *(flag for flag in FLAGS if flag != "bulk"))
    if label and label not in allowed:
        what = "newsletters and list mail are not in the record" if label == "bulk" else "is no label"
        raise UsageError(f'"{label}": {what}; allowed: {", ".join(allowed)}')
    wanted = Wanted(child, teacher, label, since, until)
    with Store(settings.state_path) as store:
        ledger = Ledger(store)
        later = Since(ledger.verdicts(), ledger.answers())
        entries = chosen(laid_over(ledger.entries(), later, config.zone), wanted)
    about = ", ".join(filter(None, (child, teacher, label)))
    title = wording.words["log"]["title_of"].format(about=about) if about else ""
    _deliver(_rendered(entries, form, title, settings, wording), output)


def _rendered(entries: list[Entry], form: LogFormat, title: str, settings: Settings, wording: Wording) -> str | bytes:
    page = make_page(entries, settings.load(), wording, title)
    now = system_clock()
    match form:
        case LogFormat.text:
            return to_text(page, wording)
        case LogFormat.csv:
            return to_csv(entries)
        case LogFormat.json:
            return to_json({"entries": [entry.to_json() for entry in entries]}) + "\n"
        case LogFormat.html:
            return to_html(page, wording)
        case LogFormat.pdf:
            return to_pdf(page, wording, now)
        case LogFormat.ics:
            return to_ics(appointments_of(entries, wording), now)


def _deliver(content: str | bytes, output: Path | None) -> None:
    raw = content.encode("utf-8") if isinstance(content, str) else content
    if output is None:
        if isinstance(content, bytes) and content.startswith(b"%PDF") and sys.stdout.isatty():
            raise UsageError("a PDF is not for the terminal; name a file with -o")
        sys.stdout.buffer.write(raw)
        return
    try:
        # It quotes mail: for its owner alone.
        output.touch(mode=0o600)
        output.write_bytes(raw)
    except OSError as error:
        raise StoreError(f"{output}: cannot be written ({error.strerror})") from None
    say(f"written to {output}")
