"""A model as a file: written whole or not at all, with a manifest of hash and library version beside it.

With `model`, `tone`, `features` and `fit` the only importer of scikit-learn and skops.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn  # noqa: TID251 - part of the model
import skops.io  # noqa: TID251 - part of the model

from triage.disk import write_whole
from triage.errors import ModelError
from triage.features import UNIT_STEPS, First, Linear, Net, quantized, restored
from triage.lock import turn
from triage.second import Floats


def save_content(content: Mapping[str, Any], version: int, path: Path, base: Path | None = None) -> None:
    """Write a model's parts beside their place and then into it; `base` is the file of the model that it was made from.

    Raises `ModelError` where that cannot be.
    """
    raw = skops.io.dumps({"format": version, **content}, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    manifest = {
        "format": version,
        "sha256": hashlib.sha256(raw).hexdigest(),
        # Between the two writes below the old file stands beside the new manifest.
        "before": None,
        "base": base and _hash_of(base),
        "scikit-learn": sklearn.__version__,
    }
    # A shipped model is for everybody who may use the program.
    mode = 0o644 if base is None else 0o600
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The daemon and a command may both learn from the same corrections: one file, and its own manifest.
        with turn(path.parent) if base is not None else nullcontext():
            manifest["before"] = _hash_of(path)
            write_whole(_manifest(path), (json.dumps(manifest, indent=1) + "\n").encode(), mode)
            write_whole(path, raw, mode)
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be written ({error.strerror}); name another file with -o") from None


def load_content(version: int, path: Path) -> dict[str, Any]:
    """What `save_content` wrote.

    Raises `ModelError` where it is missing, damaged, of another format, or holds types that no model of ours has.
    """
    try:
        raw = path.read_bytes()
        manifest = json.loads(_manifest(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path}: no readable model there") from None
    known = (manifest.get("sha256"), manifest.get("before"))
    if manifest.get("format") != version or hashlib.sha256(raw).hexdigest() not in known:
        raise ModelError(f"{path}: is damaged or not the file that belongs to its manifest")
    try:
        # Arrays and plain values alone: no estimator, which would bind the file to one version of scikit-learn, and no
        # types besides those that skops itself knows to be harmless.
        content: dict[str, Any] = skops.io.loads(raw, trusted=[])
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes the libraries raise
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None
    return content


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def packed(linear: Linear) -> dict[str, Any]:
    """A linear model in few bytes."""
    codes, scale = quantized(linear.coef)
    return {**_packed_columns(linear), "codes": codes, "scale": scale, "intercept": linear.intercept}


def unpacked(part: Mapping[str, Any]) -> Linear:
    """What `packed` made small."""
    return Linear(*_unpacked_columns(part), restored(part["codes"], part["scale"]), part["intercept"])


def packed_first(first: First) -> dict[str, Any]:
    """The first layer in few bytes."""
    sentence = packed(first.sentence)
    # The sentences' columns are the first of the message's, and take a twentieth of the file.
    del sentence["kept"]
    return {
        "sentence": sentence,
        "sentence net": _packed_net(first.sentence_net),
        "message": packed(first.message),
        "message net": _packed_net(first.message_net),
    }


def unpacked_first(part: Mapping[str, Any]) -> First:
    """What `packed_first` made small."""
    kept = part["message"]["kept"][: len(part["sentence"]["idf"])]
    return First(
        unpacked({**part["sentence"], "kept": kept}),
        _unpacked_net(part["sentence net"]),
        unpacked(part["message"]),
        _unpacked_net(part["message net"]),
    )


def _packed_net(net: Net) -> dict[str, Any]:
    weights = {"units": [*quantized(net.units, UNIT_STEPS)], "straight": [*quantized(net.straight)]}
    return {**_packed_columns(net), **weights, "bias": net.bias, "out": net.out, "intercept": net.intercept}


def _unpacked_net(part: Mapping[str, Any]) -> Net:
    units, straight = restored(*part["units"]), restored(*part["straight"])
    return Net(*_unpacked_columns(part), units, part["bias"], part["out"], straight, part["intercept"])


def _packed_columns(model: Linear | Net) -> dict[str, Any]:
    return {
        # Rising numbers are small as differences, and pack well.
        "kept": [_in_few_bytes(np.diff(columns, prepend=0)) for columns in model.kept],
        "idf": [weights.astype(np.float16) for weights in model.idf],
    }


def _in_few_bytes(steps: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    return steps.astype(np.min_scalar_type(int(steps.max(initial=0))))


def _unpacked_columns(part: Mapping[str, Any]) -> tuple[Sequence[npt.NDArray[np.int32]], Sequence[Floats]]:
    kept: Sequence[npt.NDArray[np.int32]] = [np.cumsum(steps, dtype=np.int32) for steps in part["kept"]]
    return kept, [weights.astype(np.float32) for weights in part["idf"]]
