"""`triage`, and `python -m triage`: what has to be in place before anything else is loaded.

Loading the program takes a second, in which a signal may come; and wherever results go to, there must be something that
takes them.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from triage.errors import OutputError


def main() -> None:
    """Entry point of the `triage` command."""
    _give_streams()
    try:
        if _command(sys.argv[1:]) == "run":
            # The daemon's own end takes over later.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _end)
        from triage.cli import main as commands  # noqa: PLC0415 - as above
    except KeyboardInterrupt:
        sys.exit(130)
    commands()


def _command(arguments: Sequence[str]) -> str:
    """The command's name, behind the options that may stand before it; nobody who can read them is loaded yet."""
    left = iter(arguments)
    for argument in left:
        if argument in ("--config", "--state"):
            next(left, "")
        elif not argument.startswith("-"):
            return argument
    return ""


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


class _Output(io.FileIO):
    """Standard output, whose errors can be told from those of other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def _give_streams() -> None:
    """A stream for each that was closed; and none that breaks at a letter which it cannot show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order each gets the number that it should have, and keeps it to the end.
            number = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    out = sys.stdout
    raw = _Output(out.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), out.encoding, "backslashreplace", line_buffering=out.isatty())


if __name__ == "__main__":
    main()
