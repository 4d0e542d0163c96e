"""What every command shares: its options, its state, its progress bar, and the place where errors become sentences."""

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from triage import __version__
from triage.apply import StoppedError
from triage.config import Config, default_config_path, default_state_path, load_config
from triage.credentials import forbid_core_dumps
from triage.errors import ModelError, OutputError, TriageError, UsageError
from triage.lock import StateLock, prepare_folder
from triage.resources import corpus_path, is_damaged, is_outdated, model_path, own_model_path, shipped_model_path
from triage.session import Session
from triage.store import Store
from triage.text import clean

log = logging.getLogger("triage")

app = typer.Typer(
    help="Sorts the mail that your child's teachers write, on your own machine, and helps you to answer it calmly.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        return load_config(self.config_path)

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
        ensure_model(self.state_path)
        with StateLock(self.state_path).acquire(command):
            session = Session.open(config, self.state_path, self.overrides)
            try:
                yield session
            finally:
                session.close()


ConfigOption = Annotated[Path | None, typer.Option("--config", help="Configuration file.", show_default=False)]
StateOption = Annotated[Path | None, typer.Option("--state", help="State folder.", show_default=False)]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"triage {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    ctx: typer.Context,
    # The environment is asked here alone: asked again after the command, it would beat what stands before it.
    config: Annotated[Path | None, typer.Option("--config", envvar="TRIAGE_CONFIG", help="Configuration file.")] = None,
    state: Annotated[Path | None, typer.Option("--state", envvar="TRIAGE_STATE", help="State folder.")] = None,
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
            forbid_core_dumps()
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
            say(line)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, StoppedError):
        say("interrupted")
        raise typer.Exit(130) from None
    except (typer.Exit, OutputError, BrokenPipeError):
        raise
    except typer.Abort as error:
        # A question that was not answered: interrupted, or with nobody there.
        alone = isinstance(error.__context__, EOFError)
        say("a question needs an answer, and standard input has ended" if alone else "interrupted")
        raise typer.Exit(1 if alone else 130) from None
    except Exception as error:
        if verbose:
            raise
        say(f"something unexpected happened ({type(error).__name__}); run again with -v, and please report it")
        raise typer.Exit(1) from None


def run_app() -> None:
    """Run the command that was asked for, until all that it wrote has gone out."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OutputError as error:
        _leave_output(error)
        sys.exit(1)
    except BrokenPipeError:
        _leave_output(None)
        sys.exit(1)


def _leave_output(error: OSError | None) -> None:
    """Nothing more is written to standard output; where it is not its reader who has seen enough, that is said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error is not None:
        say(f"standard output cannot be written ({error.strerror})")


def say(text: str) -> None:
    """A line on standard error."""
    typer.echo(f"triage: {clean(text)}", err=True)


def _set_up_logging(*, verbose: bool) -> None:
    journal = "JOURNAL_STREAM" in os.environ
    form = "%(levelname)s %(message)s" if journal else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, stream=sys.stderr)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while long work goes on; nothing where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _all: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(to_json(value, indent=1 if sys.stdout.isatty() else None))


def to_json(value: object, indent: int | None = None) -> str:
    """JSON in which all that a terminal would obey, or not show, is escaped."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=plain, indent=indent)
    return "".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in text)


def corrections_in(state: Path) -> list[tuple[str, tuple[str, ...]]]:
    """(subject line and own words, labels) of the mails that the parent corrected."""
    if not (state / "state.db").exists():
        return []
    with Store(state) as store:
        return store.corrections()


def ensure_model(state: Path) -> None:
    """A parent's own model that is damaged, or was moved away from another shipped one, is made anew."""
    path = model_path(state)
    if not path.exists():
        raise ModelError(f"{path}: the model is missing; run `triage train --corpus {corpus_path()}`")
    damaged = path == own_model_path(state) and is_damaged(path)
    if path != own_model_path(state) or not (damaged or is_outdated(path)):
        return
    from triage import model as models  # noqa: PLC0415
    from triage import train  # noqa: PLC0415

    base = shipped_model_path()
    try:
        prepare_folder(state)
        models.save(train.learn(models.load(base), corrections_in(state)), path, base)
    except TriageError as error:
        # The worker takes the shipped one then: mail is judged all the same.
        say(f"your own model could not be made anew: {error}")
        return
    why = f"{path}: was damaged" if damaged else "triage has a new model"
    say(f"{why}; what you corrected was learned again on top of the shipped one")
