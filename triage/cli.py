"""The command line: arguments in, results on standard output, and the one place where errors become sentences."""

import functools
import getpass
import inspect
import json
import logging
import os
import sys
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from triage import __version__, explain
from triage.apply import StoppedError
from triage.classify import LABELS, PRIMARIES, unreadable_json
from triage.config import Account, Config, default_config_path, default_state_path, load_config
from triage.credentials import store_secret
from triage.cycle import Report
from triage.delivery import day_window, deliver, digest_of, write_files
from triage.digest import to_html, to_text
from triage.doctor import examine, later_settings
from triage.errors import ModelError, TriageError, UsageError
from triage.judge import Household, Judgement, RawMail
from triage.plan import Correction
from triage.prompts import Wording
from triage.resources import corpus_path, made_elsewhere, model_path, own_model_path
from triage.session import Session, describe, system_clock
from triage.sources import Source, find_mails
from triage.store import StateLock, Store, prepare_folder
from triage.undo import chosen_run, undo, undo_plan
from triage.worker import BATCH, Worker

log = logging.getLogger("triage")

app = typer.Typer(
    help="Sorts the mail that your child's teachers write, on your own machine, and helps you to answer it calmly.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """How a digest is printed."""

    text = "text"
    html = "html"
    json = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that every command takes, before or after its name."""

    config: Path | None = None
    state: Path | None = None
    verbose: bool = False

    @property
    def config_path(self) -> Path:
        """The configuration file, named or the platform's own."""
        return self.config or default_config_path()

    @property
    def state_path(self) -> Path:
        """The state folder, named or the platform's own."""
        return self.state or default_state_path()

    @property
    def overrides(self) -> Path:
        """Where the parent's own wording may stand."""
        return self.config_path.parent / "wording"

    def load(self) -> Config:
        """The configuration, which must be there."""
        config = load_config(self.config_path)
        for key in later_settings(config):
            _say(f"{self.config_path}: {key}: this version does not act on it yet")
        return config

    def load_or_default(self) -> Config:
        """The configuration; none at all is fine where none was named."""
        if self.config is None and not self.config_path.exists():
            return Config()
        return self.load()

    def accounts(self) -> Config:
        """The configuration, with at least one account."""
        config = self.load()
        if not config.accounts:
            raise UsageError(f"{self.config_path}: no [[accounts]] there; copy that part of config.example.toml")
        return config

    @contextmanager
    def session(self, command: str) -> Iterator[Session]:
        """The household, with the state held for this process alone."""
        config = self.accounts()
        prepare_folder(self.state_path)
        _ensure_model(self.state_path)
        with StateLock(self.state_path).acquire(command):
            session = Session.open(config, self.state_path, self.overrides)
            try:
                yield session
            finally:
                session.close()


ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="TRIAGE_CONFIG", help="Configuration file.", show_default=False)
]
StateOption = Annotated[
    Path | None, typer.Option("--state", envvar="TRIAGE_STATE", help="State folder.", show_default=False)
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"triage {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    ctx: typer.Context,
    config: ConfigOption = None,
    state: StateOption = None,
    verbose: VerboseOption = False,
    _version_asked: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    ctx.obj = Settings(config, state, verbose)


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose first parameter is `Settings`; errors end it with their sentence and code."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(
            *, ctx: typer.Context, config: Path | None, state: Path | None, verbose: bool, **arguments: Any
        ) -> None:
            outer: Settings = ctx.obj
            settings = Settings(config or outer.config, state or outer.state, verbose or outer.verbose)
            _set_up_logging(verbose=settings.verbose)
            with _errors_as_sentences(verbose=settings.verbose):
                function(settings, **arguments)

        own = list(inspect.signature(function).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        common = [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            inspect.Parameter("config", keyword, default=None, annotation=ConfigOption),
            inspect.Parameter("state", keyword, default=None, annotation=StateOption),
            inspect.Parameter("verbose", keyword, default=False, annotation=VerboseOption),
        ]
        run.__signature__ = inspect.Signature([*(p.replace(kind=keyword) for p in own), *common])  # type: ignore[attr-defined]
        app.command(name)(run)
        return run

    return register


@contextmanager
def _errors_as_sentences(*, verbose: bool) -> Iterator[None]:
    try:
        yield
    except TriageError as error:
        for line in str(error).split("\n"):
            _say(line)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, StoppedError):
        _say("interrupted")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if verbose:
            raise
        _say(f"something unexpected happened ({type(error).__name__}); run again with -v, and please report it")
        raise typer.Exit(1) from None


def _say(text: str) -> None:
    typer.echo(f"triage: {text}", err=True)


def _set_up_logging(*, verbose: bool) -> None:
    journal = "JOURNAL_STREAM" in os.environ
    form = "%(levelname)s %(message)s" if journal else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, stream=sys.stderr)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while long work goes on; nothing where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _all: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1 if sys.stdout.isatty() else None))


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
            _say(f'account "{report.name}": {trouble}')
        if report.error:
            _say(report.error if f'"{report.name}"' in report.error else f'account "{report.name}": {report.error}')
    if as_json:
        document: dict[str, Any] = {"run": run, "accounts": [report.to_json() for report in reports]}
        if dry_run:
            document["messages"] = [message for report in reports for message in report.messages]
        _print_json(document)
    else:
        for report in reports:
            typer.echo("\n".join(explain.pass_lines(report, dry_run=dry_run)))
    _exit_with(codes)


def _one_pass(session: Session, account: Account, run: str, *, dry_run: bool, agreed: bool) -> tuple[Report, int]:
    try:
        with _progress(account.name) as progress:
            report = session.run(account, run, dry_run=dry_run, agreed=agreed, progress=progress)
    except TriageError as error:
        return Report(account.name, error=describe(error, account)), error.exit_code
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
        Daemon(session).run()


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
    codes = []
    with settings.session("undo") as session:
        chosen = chosen_run(session.store, run)
        by_name = {account.name: account for account in session.config.accounts}
        names = session.store.accounts_of(chosen)
        if dry_run:
            for name in names:
                typer.echo("\n".join(explain.undo_lines(name, undo_plan(session.store, chosen, name))))
            return
        this_run = session.store.begin_run("undo", session.clock())
        for name in names:
            codes.append(_undo_account(session, by_name.get(name), name, chosen, this_run))
        session.store.end_run(this_run, session.clock())
    _exit_with(codes)


def _undo_account(session: Session, account: Account | None, name: str, chosen: str, this_run: str) -> int:
    if account is None:
        _say(f'account "{name}": is not in the configuration any more; its mail stays as it is')
        return 1
    try:
        with session.connect(account) as box:
            done = undo(session, box, name, chosen, this_run)
    except TriageError as error:
        _say(describe(error, account))
        return error.exit_code
    typer.echo(f"{name}: {done.put_back} messages put back, {len(done.left)} left where they are")
    for key, reason in done.left.items():
        stored = session.store.message(name, key)
        _say(f'account "{name}": message {stored.message_id if stored else key[:12]}: {reason}')
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
    with _worker(settings) as worker, _progress("reading mail") as progress:
        done = 0
        for source, judged in _judge_files(worker, settings, find_mails(paths)):
            done += 1
            progress(done, max(done, 1))
            failed |= bool(judged.error)
            if judged.error:
                _say(f"{source.path}: {judged.error}")
            if as_json:
                shown = judged.verdict.to_json(source.path) if judged.verdict else unreadable_json(source.path, judged.error)
                typer.echo(json.dumps(shown, ensure_ascii=False))
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
        source, judged = next(iter(_judge_files(worker, settings, find_mails([path]))))
    if judged.error:
        raise TriageError(f"{source.path}: {judged.error}")
    if judged.card is None:
        raise TriageError(f"{source.path}: this is not mail from a school; there is nothing to prompt")
    if as_json:
        _print_json(judged.card.to_json())
    else:
        typer.echo(judged.note_text)


@contextmanager
def _worker(settings: Settings, *, every_mail: bool = False) -> Iterator[Worker]:
    config = settings.load_or_default()
    state = settings.state_path
    _ensure_model(state)
    household = Household(config, overrides=settings.overrides, every_mail=every_mail)
    with Worker(household, lambda: model_path(state)) as worker:
        yield worker


def _judge_files(
    worker: Worker, settings: Settings, sources: Iterable[Source]
) -> Iterator[tuple[Source, Judgement]]:
    """Read and judge in batches, so that a large mailbox is never in memory as a whole."""
    today = system_clock().date()
    batch: list[Source] = []

    def judged() -> Iterator[tuple[Source, Judgement]]:
        readable = [source for source in batch if not source.error]
        found = iter(worker.judge([RawMail(source.raw) for source in readable], [], today))
        for source in batch:
            yield source, Judgement(error=source.error) if source.error else next(found)

    for source in sources:
        batch.append(source)
        if len(batch) >= BATCH:
            yield from judged()
            batch = []
    yield from judged()


# --- Digest ----------------------------------------------------------------------------------------------


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is not a date like 2026-01-09') from None


@command("digest")
def show_digest(
    settings: Settings,
    day: Annotated[date | None, typer.Option("--date", parser=_day, metavar="D", help="The day; default: now.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.text,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the web browser.")] = False,
    deliver_it: Annotated[bool, typer.Option("--deliver", help="Put it where the configuration says.")] = False,
) -> None:
    """The digest of the day that ends at that date's digest hour."""
    if deliver_it:
        with settings.session("digest") as session:
            today = day or session.clock().astimezone(session.config.zone).date()
            account = session.config.accounts[0]
            done = deliver(
                session.store, session.config, session.wording, today, session.clock(), lambda: session.connect(account)
            )
        _say(f"digest of {today}: " + ("delivered" if done else "nothing to deliver, or delivered before"))
        return
    config = settings.load()
    wording = Wording(config.language, settings.overrides)
    with Store(settings.state_path) as store:
        start, end = day_window(config, day, system_clock())
        digest = digest_of(store, config, wording, start, end)
        if open_it:
            page = write_files(digest, wording, settings.state_path / "digests")
            webbrowser.open(page.as_uri())
            _say(f"written to {page}")
            return
    if form is Format.json:
        _print_json(digest.to_json())
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
    typer.echo(f"noted: {', '.join(chosen)}; `triage train` learns from it")


@command("train")
def train_model(
    settings: Settings,
    corpus: Annotated[Path | None, typer.Option("--corpus", metavar="DIR", help="Train from this corpus.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Print figures on held-out mail.")] = False,
) -> None:
    """Train the shipped model from a corpus; without one, your own from your corrections on top of it."""
    from triage import model as models  # noqa: PLC0415 - scikit-learn is loaded only where it is used
    from triage import train  # noqa: PLC0415
    from triage.corpus import load_corpus  # noqa: PLC0415

    records = load_corpus(corpus or corpus_path())
    path = model_path(settings.state_path)
    if corpus is not None:
        path = output or corpus.resolve().parent / "triage.skops"
        fitted = train.train(records)
        models.save(fitted, path)
        _say(f"trained on {sum(r.split == 'train' for r in records)} mails, written to {path}")
    elif corrected := _corrections(settings.state_path):
        path = output or own_model_path(settings.state_path)
        fitted = train.train(records, corrected)
        models.save(fitted, path)
        _say(f"learned from {len(corrected)} corrections, written to {path}")
    elif report:
        fitted = models.load(path)
    else:
        _say("there are no corrections yet to learn from; the model stays as it is")
        return
    if report:
        held_out = [record for record in records if record.split == "heldout"]
        typer.echo(train.figures_text(train.judge(held_out, fitted)))


def _corrections(state: Path) -> list[tuple[str, tuple[str, ...]]]:
    if not (state / "state.db").exists():
        return []
    with Store(state) as store:
        return store.corrections()


def _ensure_model(state: Path) -> None:
    """A model made with another scikit-learn is made anew from the shipped corpus, once."""
    path = model_path(state)
    made = made_elsewhere(path)
    if not made:
        if not path.exists():
            raise ModelError(f"{path}: the model is missing; run `triage train --corpus {corpus_path()}`")
        return
    _say(f"the model was made with scikit-learn {made}; making it anew for yours, which takes a minute")
    from triage import model as models  # noqa: PLC0415
    from triage import train  # noqa: PLC0415
    from triage.corpus import load_corpus  # noqa: PLC0415

    prepare_folder(state)
    models.save(train.train(load_corpus(corpus_path()), _corrections(state)), own_model_path(state))


# --- Setting up ------------------------------------------------------------------------------------------


@command("doctor")
def doctor(settings: Settings) -> None:
    """Check everything that triage needs, and say what to do about each failure."""
    prepare_folder(settings.state_path)
    codes = []

    def open_session(config: Config) -> Session:
        return Session.open(config, settings.state_path, settings.overrides)

    for finding in examine(settings.config_path, settings.state_path, open_session):
        typer.echo(f"{finding.level:<5}{finding.what}: {finding.text}")
        if finding.level == "fail":
            codes.append(finding.code)
    if codes:
        raise typer.Exit(codes[0] if len(set(codes)) == 1 else 1)


@command("password")
def password(
    settings: Settings, account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name in the configuration.")]
) -> None:
    """Store an account's password in the system's keyring (asked for, or read from standard input)."""
    config = settings.load()
    if account not in {known.name for known in config.accounts}:
        names = ", ".join(known.name for known in config.accounts) or "none"
        raise UsageError(f'there is no account "{account}" in {settings.config_path}; there are: {names}')
    secret = getpass.getpass(f"Password for {account}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise UsageError("no password was given")
    store_secret(account, secret)
    _say("stored")


@command("demo")
def demo(
    settings: Settings,  # noqa: ARG001 - the demo touches no configuration and no state of yours
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's configuration and state.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the server running, to look with a mail client.")] = False,
) -> None:
    """The whole job on an embedded server with a sample inbox; needs no account and no network."""
    from triage.demo import run_demo  # noqa: PLC0415 - needs an extra

    run_demo(keep=keep, serve=serve, write=typer.echo)


def main() -> None:
    """Entry point of the `triage` command."""
    app()
