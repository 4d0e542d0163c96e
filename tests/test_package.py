"""What is shipped: the wheel holds all that an installed `triage` needs, and nothing of the tests."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from triage.config import load_config
from triage.resources import shipped

ROOT = Path(__file__).parent.parent


def test_the_wheel_is_complete(tmp_path: Path) -> None:
    """Model, manifest, corpus, wording, word lists, schema, example configuration, typing mark, licence."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "triage = triage.__main__:main" in archive.read(entry).decode()
        archive.extractall(tmp_path / "installed")
    wanted = [path.relative_to(ROOT) for path in (ROOT / "triage").rglob("*") if path.suffix in (".py", ".j2", ".toml")]
    wanted += [
        Path("triage") / name
        for name in ("schema.sql", "schema-2.sql", "py.typed", "demo_inbox.jsonl", "config.example.toml")
    ]
    wanted += [
        Path("triage/models") / name
        for name in ("triage.skops", "triage.json", "tone.skops", "tone.json", "MODEL_CARD.md", "corpus/a01.jsonl")
    ]
    assert not {path.as_posix() for path in wanted} - names
    assert any("LICENSE" in name for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]
    code = (
        "from triage.resources import model_path, corpus_path; from pathlib import Path; print(model_path(Path('x')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "installed", check=True, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()) == tmp_path / "installed" / "triage" / "models" / "triage.skops"


def test_the_example_configuration_loads_as_it_is() -> None:
    """And names every key that there is."""
    path = shipped("config.example.toml")
    config = load_config(path)
    text = path.read_text(encoding="utf-8")

    def keys(table: type) -> set[str]:
        return set(table.model_fields)  # type: ignore[attr-defined]

    from triage import config as tables

    for table in (tables.Child, tables.Account, tables.School, tables.Teacher, tables.Filing, tables.Folders,
                  tables.PromptSettings, tables.DigestSettings, tables.DaemonSettings, tables.Config):  # fmt: skip
        assert all(key in text for key in keys(table)), table
    assert config.accounts[0].imap_port == 993


def test_python_versions_agree() -> None:
    """What pyproject promises is what the classifiers say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert [c for c in project["classifiers"] if c.startswith("Programming Language :: Python :: 3.")][-1].endswith(
        "3.14"
    )
