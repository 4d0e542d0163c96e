"""What can go wrong, as one small hierarchy.

Everything below `cli` raises these; `cli` alone turns them into a sentence and an exit code.
A message says what went wrong, where, and what to do, and never holds a secret or a mail's text.
"""

import re
from typing import ClassVar

# Why a server refuses whatever message it is (RFC 9051, 5530): none is left in peace for that.
_OF_ALL_MAIL = re.compile(
    r"\((?:OVERQUOTA|LIMIT|UNAVAILABLE|INUSE|NOPERM|CONTACTADMIN|ALERT|AUTHORIZATIONFAILED|READ-ONLY)\)"
    r"|is read-only|cannot be used"
)


def is_of_all_mail(reason: str) -> bool:
    """Whether a server would have refused any other message for this reason, too."""
    return _OF_ALL_MAIL.search(reason) is not None


class TriageError(Exception):
    """Something could not be done; the rest may have been."""

    exit_code: ClassVar[int] = 1


class UsageError(TriageError):
    """The command line asks for something that does not exist or cannot be read."""

    exit_code = 2


class ConfigError(TriageError):
    """The configuration is wrong; `problems` holds one line for each mistake."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CredentialError(TriageError):
    """No secret was found, or the server refused it."""

    exit_code = 3


class SignInRefusedError(CredentialError):
    """The server answered that user name and secret do not match (RFC 5530), or the provider takes a grant no more."""


class MailboxError(TriageError):
    """The server cannot be reached, or the connection broke: trying again may help."""

    exit_code = 4


class NotSignedInError(MailboxError):
    """The server did not sign us in, and not for a wrong secret: too many tries may lock the account."""


class LimitedError(MailboxError):
    """The server was asked too much (RFC 9051, LIMIT; what large providers say): only a long pause helps."""


class AnswerError(MailboxError):
    """The server's answer makes no sense: its connection is not used again, but another one may be at once."""


class RefusedError(TriageError):
    """The server understood a command and said no (NO or BAD); the connection still stands."""


class StoreError(TriageError):
    """The state folder cannot be read or written."""


class ModelError(TriageError):
    """The model file is missing, damaged or not ours."""


class JudgeError(TriageError):
    """The worker process that reads mail could not be started."""


class BusyError(TriageError):
    """Another triage holds this state folder."""

    exit_code = 5


class OutputError(OSError):
    """Standard output did not take what was written to it."""
