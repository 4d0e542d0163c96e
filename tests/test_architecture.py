"""Who may import whom, and what nothing here may do at all."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "triage"

# Each row may import what stands in rows below it, and in its own row only along the arrows given.
ROWS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"cli"}),
    frozenset({"answering", "installing"}),
    frozenset({"console", "daemon", "demo", "doctor", "explain", "service"}),
    frozenset({"delivery", "undo", "train", "watcher"}),
    frozenset({"session"}),
    frozenset({"cycle"}),
    frozenset({"intake"}),
    frozenset({"beside", "traces"}),
    frozenset({"observe"}),
    frozenset({"fit_tone"}),
    frozenset({"adapt", "apply", "draft_figures", "fit", "worker"}),
    frozenset({"appending", "figures", "fit_second", "ledger", "looking", "originals", "rebuild", "tagging"}),
    frozenset({"connection", "credentials", "judge", "mailbox", "model", "store", "tone"}),
    frozenset({"oauth2", "reading"}),
    frozenset({"keeping"}),
    frozenset({"date_view", "disk", "features", "idling", "lock", "partial", "rows"}),
    frozenset({"second"}),
    frozenset({"digest", "partnership"}),
    frozenset({"awaiting", "calmer", "cooling", "corpus", "notes", "record_pages", "strangers"}),
    frozenset({"record", "unnamed"}),
    frozenset({"prompts", "plan"}),
    frozenset({"siblings", "situations"}),
    frozenset({"choosing", "history", "quoting"}),
    frozenset({"classify"}),
    frozenset({"facts"}),
    frozenset({"forwards"}),
    frozenset({"dates", "people"}),
    frozenset({"clues", "day_and_hour"}),
    frozenset({"date_words"}),
    frozenset({"date_patterns"}),
    frozenset({"sender"}),
    frozenset({"days", "draft", "gist", "message", "said", "setting_up", "sources", "voice"}),
    frozenset({"ical"}),
    frozenset({"text"}),
    frozenset({"closing"}),
    frozenset({"config", "errors", "lexicon", "resources", "__init__"}),
)
SIDEWAYS = {
    ("demo", "daemon"),
    ("mailbox", "connection"),
    ("gist", "message"),
    ("config", "errors"),
    ("config", "resources"),
}
# The rows that decide: no clock, no chance, no network, no process, no database.
PURE = frozenset().union(*ROWS[17:])
FORBIDDEN_IN_PURE = {
    "time",
    "random",
    "socket",
    "subprocess",
    "sqlite3",
    "imaplib",
    "threading",
    "requests",
    "urllib.request",
}
FORBIDDEN_EVERYWHERE = {"smtplib", "pickle", "joblib", "requests", "urllib.request", "http.client", "marshal", "shelve"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports at run time, by its full name."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "triage":
                found |= {f"triage.{alias.name}" for alias in node.names}
    return found


MODULES = sorted(PACKAGE.glob("*.py"))
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}


def test_every_module_has_a_row() -> None:
    """A new module is given its place on purpose."""
    assert {path.stem for path in MODULES} == set(ROW_OF)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_go_down_only(path: Path) -> None:
    """A module never imports upward, nor its own row but along an arrow."""
    for name in imports(path):
        other = name.removeprefix("triage.")
        if name.startswith("triage.") and other in ROW_OF:
            down = ROW_OF[path.stem] < ROW_OF[other]
            assert down or (path.stem, other) in SIDEWAYS, f"{path.stem} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_can_send_mail_or_run_a_pickle(path: Path) -> None:
    """No SMTP, no pickle, and no HTTP but for signing in."""
    allowed = {"requests"} if path.stem == "oauth2" else set()
    assert not (imports(path) & FORBIDDEN_EVERYWHERE) - allowed
    text = path.read_text(encoding="utf-8")
    for port in ("smtp", "SMTP("):
        assert port not in text.replace("email.policy import SMTP", "").replace("policy=SMTP", "").replace(
            "SMTP.clone", ""
        )


@pytest.mark.parametrize("name", sorted(PURE - {"sources", "resources"}))
def test_what_decides_is_pure(name: str) -> None:
    """The same input gives the same decision, on any machine and at any time."""
    path = PACKAGE / f"{name}.py"
    assert not imports(path) & FORBIDDEN_IN_PURE
    text = path.read_text(encoding="utf-8")
    assert "datetime.now(" not in text
    assert "date.today(" not in text


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_functions_stay_readable(path: Path) -> None:
    """No function over 60 lines, no module over 480."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_public_names_are_documented() -> None:
    """Every public module, class and function says what it is."""
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path.stem
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.stem}.{node.name}"


def test_each_library_has_one_home() -> None:
    """A library that ships no types is imported in one place, which types what it hands on."""
    homes = {
        "imapclient": {"mailbox", "connection"},
        "mailparser": {"message"},
        "keyring": {"credentials"},
        "sqlite3": {"store", "rebuild"},
        "apscheduler": {"daemon"},
        "sklearn": {"model", "features", "fit", "fit_second", "fit_tone", "keeping", "tone"},
        "skops": {"keeping"},
        "icalendar": {"ical"},
        "fpdf": {"record_pages"},
        "authres": {"sender"},
        "selectolax": {"text"},
        "babel": {"prompts"},
        "filelock": {"lock"},
    }
    for library, home in homes.items():
        users = {
            path.stem
            for path in MODULES
            if any(name == library or name.startswith(f"{library}.") for name in imports(path))
        }
        assert users == home, library
