"""Where the files that are shipped with the program are: the model, its corpus, the example configuration."""

import importlib.metadata
import json
from pathlib import Path

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


def tone_path(state: Path) -> Path:
    """The model of tones to use: one made anew for this machine's scikit-learn, else the shipped one."""
    own = own_tone_path(state)
    return own if own.exists() else shipped_tone_path()


def shipped_tone_path() -> Path:
    """Where the shipped model of tones stands."""
    return shipped("models") / "tone.skops"


def own_tone_path(state: Path) -> Path:
    """Where a model of tones made on this machine stands."""
    return state / "model" / "tone.skops"


def corpus_path() -> Path:
    """The shipped corpus."""
    return shipped("models") / "corpus"


def made_elsewhere(model: Path) -> str:
    """The scikit-learn version a model was made with, if the installed one cannot be expected to read it; else ""."""
    try:
        made = str(json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))["scikit-learn"])
    except (OSError, ValueError, KeyError):
        return ""
    here = importlib.metadata.version("scikit-learn")
    return "" if made.split(".")[:2] == here.split(".")[:2] else made
