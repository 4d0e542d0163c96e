"""The commands: arguments in, results on standard output, messages on standard error."""

import logging
import os
import webbrowser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from triage import explain, installing  # noqa: F401 - its commands register themselves
from triage.answering import parsed_day
from triage.apply import StoppedError
from triage.classify import LABELS, PRIMARIES, unreadable_json
from triage.config import Account
from triage.console import (
    Settings,
    command,
    corrections_in,
    ensure_model,
    print_json,
    progress_bar,
    run_app,
    say,
    to_json,
)
from triage.corpus import Draft
from triage.delivery import day_window, deliver, digest_of, write_files
from triage.digest import to_html, to_text
from triage.errors import ModelError, TriageError, UsageError
from triage.judge import Context, Household, Judgement, RawMail
from triage.observe import Report
from triage.plan import Correction
from triage.prompts import Wording
from triage.resources import corpus_path, is_outdated, model_path, own_model_path, shipped_model_path
from triage.session import Session, describe, system_clock
from triage.sources import NO_MAIL, Source, find_mails
from triage.store import Store
from triage.undo import chosen_run, undo, undo_plan
from triage.worker import BATCH, Worker

# So many bytes of mail are in memory at once, near enough.
_HELD = 32 * 2**20


class Format(StrEnum):
    """How a digest is printed."""

    text = "text"
    html = "html"
    json = "json"


# --- Passes ----------------------------------------------------------------------------------------------


@command("once")
def once(
    settings: Settings,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to very many moves, or to a rebuilt folder.")] = False,
) -> None:
    """One pass over every account, then stop."""
    reports: list[Report] = []
    codes: list[int] = []
    with settings.session("once") as session:
        run = "dry-run" if dry_run else session.store.begin_run("once", session.clock())
        for account in session.config.accounts:
            report, code = _one_pass(session, account, run, dry_run=dry_run, agreed=yes)
            reports.append(report)
            codes.append(code)
        if not dry_run:
            session.store.end_run(run, session.clock())
    for report in reports:
        for trouble in report.troubles:
            say(f'account "{report.name}": {trouble}')
        if report.error:
            say(report.error if f'"{report.name}"' in report.error else f'account "{report.name}": {report.error}')
    if as_json:
        document: dict[str, Any] = {"run": run, "accounts": [report.to_json() for report in reports]}
        if dry_run:
            document["messages"] = [message for report in reports for message in report.messages]
        print_json(document)
    else:
        for report in reports:
            typer.echo("\n".join(explain.pass_lines(report, dry_run=dry_run)))
    _exit_with(codes)


def _one_pass(session: Session, account: Account, run: str, *, dry_run: bool, agreed: bool) -> tuple[Report, int]:
    try:
        with progress_bar(account.name) as progress:
            report = session.run(account, run, dry_run=dry_run, agreed=agreed, progress=progress)
    except TriageError as error:
        return Report(account.name, error=describe(error, account)), error.exit_code
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - one account's oddity does not stop the others; a traceback may quote mail
        kind = type(error).__name__
        text = f'account "{account.name}": something unexpected happened ({kind}); please report it'
        return Report(account.name, error=text), 1
    return report, 1 if report.error or report.failed else 0


def _exit_with(codes: list[int]) -> None:
    """One account's failure is the command's; of several, the others were done."""
    if failed := [code for code in codes if code]:
        raise typer.Exit(failed[0] if len(codes) == 1 else 1)


@command("run")
def run_daemon(settings: Settings) -> None:
    """The daemon: watch every account, file what arrives, deliver the morning digest. Ends on SIGTERM."""
    from triage.daemon import Daemon  # noqa: PLC0415 - only this command needs the scheduler

    with settings.session("run") as session:
        if not Daemon(session).run():
            # A job waits on something that nobody can cut (a name server, a server's first line), and Python would
            # wait for it. The journal makes an end at any moment harmless.
            os._exit(0)


@command("undo")
def undo_run(
    settings: Settings,
    run: Annotated[str | None, typer.Option("--run", help="The run to put back; default: the last one.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The last run (the default).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be put back.")] = False,
) -> None:
    """Put back what a pass did: folders, tags, notes."""
    if run is not None and last:
        raise UsageError("--run and --last exclude each other")
    codes: list[int] = []
    with settings.session("undo") as session:
        chosen = chosen_run(session.store, run)
        by_name = {account.name: account for account in session.config.accounts}
        names = session.store.accounts_of(chosen)
        if dry_run:
            for name in names:
                typer.echo("\n".join(explain.undo_lines(name, undo_plan(session.store, chosen, name))))
            return
        this_run = session.store.begin_run("undo", session.clock())
        codes = [_undo_account(session, by_name.get(name), name, chosen, this_run) for name in names]
        session.store.end_run(this_run, session.clock())
    _exit_with(codes)


def _undo_account(session: Session, account: Account | None, name: str, chosen: str, this_run: str) -> int:
    if account is None:
        say(f'account "{name}": is not in the configuration any more; its mail stays as it is')
        return 1
    try:
        with session.connect(account) as box:
            done = undo(session, box, name, chosen, this_run)
    except TriageError as error:
        say(describe(error, account))
        return error.exit_code
    plural = "" if done.put_back == 1 else "s"
    typer.echo(f"{name}: {done.put_back} message{plural} put back, {len(done.left)} left as they are")
    for key, reason in done.left.items():
        stored = session.store.message(name, key)
        say(f'account "{name}": message {stored.message_id if stored else key[:12]}: {reason}')
    return 1 if done.left else 0


# --- Reading mail files ----------------------------------------------------------------------------------


@command("classify")
def classify_files(
    settings: Settings,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=".eml or mbox files, folders, or -")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Classify mail from files; touches no mailbox, needs no configuration."""
    failed = False
    with _worker(settings) as worker, progress_bar("reading mail") as progress:
        for done, (source, judged) in enumerate(_judge_files(worker, find_mails(paths)), start=1):
            progress(done, done)
            failed |= bool(judged.error)
            if judged.error:
                say(f"{source.path}: {judged.error}")
            if as_json:
                shown = (
                    judged.verdict.to_json(source.path)
                    if judged.verdict
                    else unreadable_json(source.path, judged.error)
                )
                typer.echo(to_json(shown))
            elif judged.verdict is not None:
                typer.echo("\n".join(explain.verdict_lines(source.path, judged.verdict)) + "\n")
    if failed:
        raise typer.Exit(1)


@command("prompts")
def show_prompts(
    settings: Settings,
    path: Annotated[str, typer.Argument(metavar="PATH", help="An .eml file, or -")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the prompts as JSON.")] = False,
) -> None:
    """The calm-response prompts for one message; needs no configuration."""
    with _worker(settings, every_mail=True) as worker:
        first, *others = islice(find_mails([path]), 2)
        source, judged = next(_judge_files(worker, [first]))
    if judged.error == NO_MAIL:
        raise UsageError(f"{source.path}: {NO_MAIL}")
    if others:
        say(f"{path}: holds more than one mail; this is about the first, {source.path}")
    if judged.error:
        raise TriageError(f"{source.path}: {judged.error}")
    if judged.card is None:
        warnings = judged.verdict.warnings if judged.verdict is not None else ()
        beware = f"; be careful with it: {'; '.join(warnings)}" if warnings else ""
        raise TriageError(f"{source.path}: this is not mail from a school; there is nothing to prompt{beware}")
    if as_json:
        print_json(judged.card.to_json())
    else:
        typer.echo(judged.note_text)


@contextmanager
def _worker(settings: Settings, *, every_mail: bool = False) -> Iterator[Worker]:
    config = settings.load_or_default()
    state = settings.state_path
    ensure_model(state)
    household = Household(config, overrides=settings.overrides, every_mail=every_mail)
    with Worker(household, lambda: model_path(state), shipped_model_path()) as worker:
        yield worker


def _judge_files(worker: Worker, sources: Iterable[Source]) -> Iterator[tuple[Source, Judgement]]:
    """Read and judge in batches, so that a large mailbox is never in memory as a whole."""
    today = system_clock().date()
    batch: list[Source] = []

    def judged() -> Iterator[tuple[Source, Judgement]]:
        readable = [source for source in batch if not source.error]
        found = iter(worker.judge([RawMail(source.raw) for source in readable], Context(today)))
        for source in batch:
            yield source, Judgement(error=source.error) if source.error else next(found)

    for source in sources:
        batch.append(source)
        if len(batch) >= BATCH or sum(len(one.raw) for one in batch) > _HELD:
            yield from judged()
            batch = []
    yield from judged()


# --- Digest ----------------------------------------------------------------------------------------------


@command("digest")
def show_digest(
    settings: Settings,
    day: Annotated[
        date | None, typer.Option("--date", parser=parsed_day, metavar="D", help="The day; default: now.")
    ] = None,
    form: Annotated[Format | None, typer.Option("--format", help="How to print it; default: text.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the web browser.")] = False,
    deliver_it: Annotated[bool, typer.Option("--deliver", help="Put it where the configuration says.")] = False,
) -> None:
    """The digest of the day that ends at that date's digest hour."""
    if deliver_it:
        if form is not None or open_it:
            raise UsageError("--deliver puts the digest where the configuration says; leave out --format and --open")
        with settings.session("digest") as session:
            today = session.clock().astimezone(session.config.zone).date()
            if day is not None and day > today:
                raise UsageError(f"{day} has not come yet; a digest can be delivered for today or a day before")
            today = day or today
            done = deliver(session, today)
        say(f"digest of {today}: " + ("delivered" if done else "nothing to deliver, or delivered before"))
        return
    config = settings.load()
    wording = Wording(config.language, settings.overrides)
    with Store(settings.state_path) as store:
        start, end = day_window(config, day, system_clock())
        digest = digest_of(store, config, wording, start, end)
        if open_it:
            page = write_files(digest, wording, settings.state_path / "digests")
            webbrowser.open(page.as_uri())
            say(f"written to {page}")
            return
    if form is Format.json:
        print_json(digest.to_json())
    else:
        typer.echo(to_html(digest, wording) if form is Format.html else to_text(digest, wording))


# --- Learning --------------------------------------------------------------------------------------------


@command("correct")
def correct(
    settings: Settings,
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE-ID")],
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help=f"Any of {', '.join(PRIMARIES)}.")],
) -> None:
    """Say what a message really is."""
    chosen = [label for label in PRIMARIES if label in labels]
    if unknown := sorted(set(labels) - set(PRIMARIES)):
        raise UsageError(f'"{unknown[0]}" is no label; allowed: {", ".join(PRIMARIES)}')
    if len(chosen) > 1 and {"other_school", "not_school"} & set(chosen):
        raise UsageError("other_school and not_school stand alone")
    with Store(settings.state_path) as store:
        found = store.by_message_id(message_id)
        if not found:
            raise UsageError(f"{message_id}: triage has not seen a message of that Message-ID")
        for stored in found:
            correction = Correction(stored.key, stored.place, tuple(chosen), "command")
            store.add_correction(stored.account, correction, "", system_clock(), applied=False)
            store.set_labels(stored.account, stored.key, chosen[0], [label for label in LABELS if label in chosen])
    typer.echo(f"noted: {', '.join(chosen)}; it is learned from after the next pass")


@command("train")
def train_model(
    settings: Settings,
    corpus: Annotated[Path | None, typer.Option("--corpus", metavar="DIR", help="Train from this corpus.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Print figures on held-out mail.")] = False,
) -> None:
    """Train the shipped model from a corpus; without one, your own from your corrections on top of it."""
    from triage import figures, train  # noqa: PLC0415
    from triage import model as models  # noqa: PLC0415 - scikit-learn is loaded only where it is used
    from triage.corpus import load_corpus, load_drafts, load_sentences  # noqa: PLC0415

    folder, base = corpus or corpus_path(), shipped_model_path()
    path = model_path(settings.state_path)
    records = load_corpus(folder) if corpus is not None or report else []
    if corpus is not None:
        path = output or corpus.resolve().parent / "triage.skops"
        fitted = train.train(records, load_sentences(folder))
        models.save(fitted, path)
        say(f"trained on {sum(r.split == 'train' for r in records)} mails, written to {path}")
        _train_tone(load_drafts(folder), path.with_name("tone.skops"))
    elif corrected := corrections_in(settings.state_path):
        fitted = train.learn(models.load(base), corrected)
        path = output or own_model_path(settings.state_path)
        models.save(fitted, path, base)
        say(f"learned from {len(corrected)} corrections, written to {path}")
    elif report:
        ensure_model(settings.state_path)
        fitted = models.load(path)
    else:
        _train_from_nothing(own_model_path(settings.state_path), base)
        return
    if report:
        held_out = [record for record in records if record.split == "heldout"]
        typer.echo(figures.figures_text(train.judge(held_out, fitted)))
        typer.echo(_tone_figures(load_drafts(folder), path.with_name("tone.skops")))


def _train_from_nothing(own: Path, base: Path) -> None:
    """Without corrections a parent's own model is made anew only where it cannot be used."""
    from triage import model as models  # noqa: PLC0415 - as above

    unfit = own.exists() and is_outdated(own)
    try:
        if own.exists():
            models.load(own)
    except ModelError:
        unfit = True
    if unfit:
        models.save(models.load(base), own, base)
        say(f"{own}: could not be used, and was made anew; there are no corrections yet to learn from")
    else:
        say("there are no corrections yet to learn from; the model stays as it is")


def _train_tone(drafts: Sequence[Draft], path: Path) -> None:
    """A corpus need not have drafts; then the model of tones stays as it is."""
    from triage import fit_tone, tone  # noqa: PLC0415 - as above

    learned = [draft for draft in drafts if draft.split == "train"]
    if learned:
        tone.save(fit_tone.fit(learned), path)
        say(f"trained on {len(learned)} drafts and sentences of drafts, written to {path}")


def _tone_figures(drafts: Sequence[Draft], path: Path) -> str:
    from triage import draft_figures, figures, fit_tone, tone  # noqa: PLC0415 - as above

    held_out = [draft for draft in drafts if draft.split == "heldout"]
    if not held_out or not path.exists():
        return ""
    return "\n" + figures.table_of(draft_figures.report(fit_tone.read(held_out, tone.load(path))))


# --- Trying it ---------------------------------------------------------------------------------------------


@command("demo")
def demo(
    settings: Settings,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's configuration and state.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the server running, to look with a mail client.")
    ] = False,
) -> None:
    """The whole job on an embedded server with a sample inbox; needs no account and no network."""
    from triage.demo import run_demo  # noqa: PLC0415 - needs an extra

    if not settings.verbose:
        # What the daemon logs is told by the demo itself.
        logging.getLogger("triage").setLevel(logging.WARNING)
    run_demo(keep=keep, serve=serve, write=typer.echo)


def main() -> None:
    """Run the command that the command line names."""
    run_app()
