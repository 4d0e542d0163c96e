"""What a server says in IDLE (RFC 2177): whether the folder has grown, and whether the connection still stands."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from triage.errors import MailboxError

Answers = Sequence[Sequence[Any]]
# Between two looks at what a talkative server says.
_BREATH = 0.5


class Idling:
    """One wait in IDLE; `exists` is how many messages there are. `check` waits so many seconds at most for answers."""

    def __init__(self, account: str, exists: int, check: Callable[[float], Answers]) -> None:
        self._account, self.exists, self._check = account, exists, check

    def grows(self, seconds: float) -> bool:
        """Wait until the folder grows; False after so many seconds. Raises `MailboxError` at the connection's end."""
        end = time.monotonic() + seconds
        # What came in one packet with the server's consent is there already.
        if self.told(self._check(0)):
            return True
        while (left := end - time.monotonic()) > 0:
            began = time.monotonic()
            answers = self._check(left)
            # At the end of a connection there is nothing, at once and for ever.
            if not answers and time.monotonic() - began < 0.9 * left:
                raise self._ended()
            if self.told(answers):
                return True
            time.sleep(min(_BREATH, max(0.0, end - time.monotonic())))
        return False

    def told(self, answers: Answers) -> bool:
        """Whether answers tell of more messages than before; a number that is only said again tells of none."""
        grown = False
        for answer in answers:
            if answer[0] == b"BYE":
                raise self._ended()
            if len(answer) > 1 and answer[1] == b"EXPUNGE":
                self.exists -= 1
            elif len(answer) > 1 and answer[1] == b"EXISTS":
                grown |= answer[0] > self.exists
                self.exists = answer[0]
        return grown

    def _ended(self) -> MailboxError:
        return MailboxError(f'account "{self._account}": the server ended the connection')
