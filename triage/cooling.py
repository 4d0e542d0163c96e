"""Pure: how long charged mail waits before it is shown as new (`prompts.cooling_off`).

What waits is not hidden: it lies where the parent's mail program and the filing put it, and only our note, our draft
and its line in the digest come later. Danger and what must be seen the same day never wait.
"""

from datetime import datetime, time, timedelta

from triage.classify import Verdict
from triage.config import Config
from triage.days import digest_end

# From this hour to the digest of the next morning it is evening.
EVENING = time(17, 0)
# With a digest in the evening, the night ends here.
MORNING = time(6, 30)


def held_until(verdict: Verdict, received: datetime, config: Config) -> datetime | None:
    """When a mail may be shown, None where it may at once."""
    if config.prompts.cooling_off == "none" or not is_charged(verdict):
        return None
    local = received.astimezone(config.zone)
    morning = min(config.digest.at, MORNING) if config.digest.at >= EVENING else config.digest.at
    if config.prompts.cooling_off == "evening" and morning <= local.time() < EVENING:
        return None
    until = digest_end(local.date(), config.digest.at, config.zone)
    if until <= local:
        until = digest_end(local.date() + timedelta(days=1), config.digest.at, config.zone)
    if config.prompts.cooling_hours is not None:
        until = min(until, received + timedelta(hours=config.prompts.cooling_hours))
    return until


def is_charged(verdict: Verdict) -> bool:
    """Whether a mail is of the kind that stings: how a child acts or copes, neither in danger nor due today."""
    return verdict.school and "behavior" in verdict.labels and not verdict.urgent and "safety" not in verdict.flags
