"""Where the files that are shipped with the program are: the model, its corpus, the example configuration."""

import hashlib
import json
from pathlib import Path

# Files of another format cannot be read: with each change of what a file holds, or of what its numbers stand for.
MODEL_FORMAT = 9
TONE_FORMAT = 2
_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """A file or folder that is shipped: inside the installed package, or beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name


def model_path(state: Path) -> Path:
    """The model to use: the parent's own where there is one, else the shipped one."""
    own = own_model_path(state)
    return own if own.exists() else shipped_model_path()


def shipped_model_path() -> Path:
    """Where the shipped model stands."""
    return shipped("models") / "triage.skops"


def own_model_path(state: Path) -> Path:
    """Where the parent's own model stands."""
    return state / "model" / "triage.skops"


def tone_path() -> Path:
    """Where the model of tones stands."""
    return shipped("models") / "tone.skops"


def corpus_path() -> Path:
    """The shipped corpus."""
    return shipped("models") / "corpus"


def is_outdated(own: Path) -> bool:
    """Whether a parent's own model was made from another shipped one, or for another version of this program.

    Told without loading scikit-learn.
    """
    mine, shipped_one = _manifest(own), _manifest(shipped_model_path())
    return mine.get("format") != MODEL_FORMAT or mine.get("base") != shipped_one.get("sha256")


def is_damaged(own: Path) -> bool:
    """Whether a parent's own model is not the file that was written; told without loading it."""
    known = _manifest(own)
    try:
        found = hashlib.sha256(own.read_bytes()).hexdigest()
    except OSError:
        return True
    return found not in (known.get("sha256"), known.get("before"))


def _manifest(model: Path) -> dict[str, object]:
    try:
        return dict(json.loads(model.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
