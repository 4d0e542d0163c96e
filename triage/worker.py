"""One bounded process that reads strangers' mail; it is started when there is mail and ended when idle.

The daemon sends raw mail down a pipe and gets judgements back as JSON, never as pickle: a mail that takes the
worker down costs nothing but itself. Time per mail and memory are limited; a mail that breaks a
limit is judged unreadable, and the next worker goes on with the rest. (Without POSIX limits, on Windows, the
deadline alone bounds it.)
"""

import contextlib
import json
import logging
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from pydantic import TypeAdapter

from triage.config import Config
from triage.draft import Finding
from triage.errors import ConfigError, JudgeError, ModelError
from triage.judge import Context, Household, Judgement, RawMail, check_draft, judge
from triage.resources import tone_path

if TYPE_CHECKING:
    from triage.model import Model
    from triage.tone import ToneModel

log = logging.getLogger("triage")

# Reading and judging takes some milliseconds a mail; this is for hostile ones.
SECONDS_PER_MAIL = 10
START_SECONDS = 60
MEMORY_BYTES = 1024**3
BATCH = 100

_JUDGEMENTS = TypeAdapter(list[Judgement])
_CONTEXT = TypeAdapter(Context)
_FINDINGS = TypeAdapter(list[tuple[Finding, ...]])
_T = TypeVar("_T")


class Worker:
    """Judges batches of mail in a process of its own. Use from one thread at a time.

    `model_path` is asked at each start, so that a model trained meanwhile is taken up. Where that one cannot be used,
    the model of `fallback` serves, and `unfit` says why.
    """

    def __init__(self, household: Household, model_path: Callable[[], Path], fallback: Path | None = None) -> None:
        self._household = household
        self._model_path = model_path
        self._fallback = fallback
        self.unfit = ""
        self._told: tuple[Path, float] | None = None
        self._model: tuple[Path, float] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._used = 0.0
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the process; the next batch starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close() if pipe else None

    def interrupt(self) -> None:
        """End the process for good, from another thread: a batch under way raises `JudgeError`."""
        self._interrupted = True
        self.close()

    def close_if_idle(self, seconds: float) -> None:
        """End the process if it has judged nothing for so long."""
        if self.running and time.monotonic() - self._used > seconds:
            self.close()

    def judge(self, mails: Sequence[RawMail], context: Context, *, words: bool = False) -> list[Judgement]:
        """One judgement for each mail, in order; with `words`, each with the mail's own words.

        Raises `ModelError` where no model can be used, `JudgeError` where no worker can be started.
        """
        found: list[Judgement] = []
        for start in range(0, len(mails), BATCH):
            # What was just judged is earlier mail for what comes next.
            header = {"context": _CONTEXT.dump_python(context.after(found), mode="json"), "words": words}
            found += self._batch(mails[start : start + BATCH], header)
        return found

    def check(self, drafts: Sequence[bytes]) -> list[tuple[Finding, ...]]:
        """What stands out in each draft, in order; nothing in one that cannot be read. Raises as `judge` does."""
        found = list[tuple[Finding, ...]]()
        for draft in drafts:
            answer = self._ask([RawMail(draft)], {"check": True}, _FINDINGS)
            found += answer if answer is not None else [()]
        return found

    def _batch(self, mails: Sequence[RawMail], header: dict[str, Any]) -> list[Judgement]:
        answer = self._ask(mails, header, _JUDGEMENTS)
        if answer is not None:
            return answer
        # Some mail of the batch took the worker down: find out which, one at a time.
        if len(mails) == 1:
            return [Judgement(error="reading this mail took more time or memory than a mail may take")]
        return [self._batch([mail], header)[0] for mail in mails]

    def _ask(self, mails: Sequence[RawMail], header: dict[str, Any], form: TypeAdapter[list[_T]]) -> list[_T] | None:
        """The worker's answer, None where it died over it."""
        process = self._started()
        self._used = time.monotonic()
        header = {**header, "received": [mail.received.isoformat() if mail.received else None for mail in mails]}
        watchdog = threading.Timer(SECONDS_PER_MAIL * min(len(mails), 6), process.kill)
        watchdog.start()
        try:
            _send(process.stdin, json.dumps(header).encode(), *(mail.raw for mail in mails))
            answer, *more = _receive(process.stdout)
            if more:
                # Not the mail's fault: the user's wording, or the model of tones.
                raise ConfigError([more[0].decode()]) if answer == b"config" else ModelError(more[0].decode())
            return form.validate_json(answer)
        except (OSError, EOFError, ValueError, OverflowError, MemoryError):
            self.close()
            self._raise_if_interrupted()
            return None
        finally:
            watchdog.cancel()

    def _raise_if_interrupted(self) -> None:
        if self._interrupted:
            raise JudgeError("the program is ending")

    def _started(self) -> subprocess.Popen[bytes]:
        self._raise_if_interrupted()
        model = _version(self._model_path())
        if self._process is not None and self._process.poll() is None and self._model == model:
            return self._process
        self.close()
        self._model = model
        settings = {
            "config": self._household.config.to_json(),
            "own_addresses": sorted(self._household.own_addresses),
            "overrides": str(self._household.overrides) if self._household.overrides else None,
            "every_mail": self._household.every_mail,
            "models": [str(path) for path in (model[0], self._fallback) if path is not None],
            "tone": str(tone_path()),
        }
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            process = subprocess.Popen(
                # -P: whatever lies in the current folder (a saved attachment) is no module.
                [sys.executable, "-P", "-m", "triage.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
        except OSError as error:
            raise JudgeError(f"the process that reads mail cannot be started ({error.strerror})") from None
        self._process = process
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            _send(process.stdin, json.dumps(settings).encode())
            answer, *unfit = _receive(process.stdout)
        except (OSError, EOFError):
            self.close()
            raise JudgeError("the process that reads mail ended at once; is the installation complete?") from None
        finally:
            watchdog.cancel()
        if answer != b"ready":
            self.close()
            raise ModelError(answer.decode("utf-8", "replace"))
        self._note_unfit("".join(text.decode("utf-8", "replace") for text in unfit), model)
        return process

    def _note_unfit(self, problem: str, model: tuple[Path, float]) -> None:
        self.unfit = f"{problem}; the shipped model serves until `triage train` has made yours anew" if problem else ""
        if self.unfit and self._told != model:
            self._told = model
            log.warning("%s", self.unfit)


def _version(path: Path) -> tuple[Path, float]:
    try:
        return path, path.stat().st_mtime
    except OSError:
        return path, 0.0


# --- The pipe: a count of frames, then each frame with its length --------------------------------------------


def _send(pipe: IO[bytes] | None, *frames: bytes) -> None:
    if pipe is None:
        raise EOFError
    pipe.write(struct.pack("!I", len(frames)))
    for frame in frames:
        pipe.write(struct.pack("!Q", len(frame)))
        pipe.write(frame)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> list[bytes]:
    if pipe is None:
        raise EOFError
    (count,) = struct.unpack("!I", _exactly(pipe, 4))
    return [_exactly(pipe, min(struct.unpack("!Q", _exactly(pipe, 8))[0], MEMORY_BYTES)) for _ in range(count)]


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise EOFError
    return data


# --- Inside the worker -----------------------------------------------------------------------------------


def _limit() -> None:
    """Bound this process's memory, where the platform can."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _household(settings: dict[str, Any], context: Context) -> Household:
    overrides = settings["overrides"]
    return Household(
        config=Config.from_json(settings["config"]),
        learned=frozenset(context.learned),
        past=context.past,
        own_addresses=tuple(filter(None, [context.own, *settings["own_addresses"]])),
        overrides=Path(overrides) if overrides else None,
        every_mail=settings["every_mail"],
    )


def _loaded(paths: Sequence[Path]) -> "tuple[Model, list[bytes]]":
    """The first model that can be used, and what is wrong with those before it."""
    from triage.model import load  # noqa: PLC0415 - only the worker pays for scikit-learn

    unfit = list[bytes]()
    for path in paths[:-1]:
        try:
            return load(path), unfit
        except ModelError as error:
            unfit.append(str(error).encode())
    return load(paths[-1]), unfit


def _serve(source: IO[bytes], sink: IO[bytes]) -> None:
    from triage.tone import load as load_tone  # noqa: PLC0415 - as above

    tone: ToneModel | None = None
    (first,) = _receive(source)
    settings = json.loads(first)
    try:
        model, unfit = _loaded([Path(path) for path in settings["models"]])
    except ModelError as error:
        _send(sink, str(error).encode())
        return
    _send(sink, b"ready", *unfit)
    while True:
        try:
            head, *raws = _receive(source)
        except EOFError:
            return
        header = json.loads(head)
        if header.get("check"):
            try:
                tone = tone if tone is not None else load_tone(Path(settings["tone"]))
            except ModelError as error:
                _send(sink, b"model", str(error).encode())
                continue
            config = Config.from_json(settings["config"])
            _send(sink, _FINDINGS.dump_json([check_draft(raw, tone, config) for raw in raws]))
            continue
        mails = [
            RawMail(raw, datetime.fromisoformat(received) if received else None)
            for raw, received in zip(raws, header["received"], strict=True)
        ]
        context = _CONTEXT.validate_python(header["context"])
        household = _household(settings, context)
        try:
            found = judge(mails, household, model, context.today, words=header["words"])
        except ConfigError as error:
            _send(sink, b"config", str(error).encode())
        else:
            _send(sink, _JUDGEMENTS.dump_json(found))


if __name__ == "__main__":
    _limit()
    # Whatever a library prints must not get between the frames.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _serve(sys.stdin.buffer, pipe)
