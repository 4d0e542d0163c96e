"""`triage classify` on many messages beside the standard library's parsing: `python -m bench.classify [N]`."""

import email
import email.policy
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.support import corpus_mails, megabytes
from triage.worker import BATCH


def main(count: int) -> None:
    """Measure and print."""
    mails = corpus_mails(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, raw in enumerate(mails):
            (folder / f"{number:05}.eml").write_bytes(raw)
        empty = _classify(folder / "00000.eml", folder)
        whole = _classify(folder, folder)
    started = time.monotonic()
    for raw in mails:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        _ = (str(message["From"]), str(message["Subject"]), body.get_content() if body else "")
    parsing = time.monotonic() - started
    print(f"{count} messages: {whole:.2f} s with start-up ({empty:.2f} s for one message)")
    print(f"{count / (whole - empty):.0f} messages/s after start-up, in batches of {BATCH}")
    ratio = (whole - empty) / parsing
    print(f"the standard library alone, parsing: {count / parsing:.0f} messages/s; ratio {ratio:.1f} x")
    memory = megabytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(f"peak memory of the largest process (the worker): {memory:.0f} MB")


def _classify(path: Path, state: Path) -> float:
    started = time.monotonic()
    command = [sys.executable, "-m", "triage", "--state", str(state / "state"), "classify", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    if b'"primary"' not in done.stdout:
        raise SystemExit(done.stderr.decode())
    return time.monotonic() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
