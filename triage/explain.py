"""Pure: results in plain words, for a person at a terminal."""

from collections.abc import Iterator, Sequence

from triage.classify import LABELS, Verdict
from triage.observe import Report
from triage.plan import Action
from triage.text import one_line

_SENDERS = {
    "known": "a teacher whom you named or who was learned from you",
    "school": "an address of your school",
    "platform": "a platform that relays school mail",
    "unknown": "not known to you yet",
    "suspicious": "suspicious",
}


def verdict_lines(path: str, verdict: Verdict) -> Iterator[str]:
    """A verdict with its reasons: label, probability, deciding sentence, sender and why."""
    yield f"{one_line(path, 4096)}: {one_line(verdict.subject, 70) or '(no subject)'}"
    yield f"  sender: {_sender(verdict)}"
    if not verdict.school:
        yield f"  not school mail ({1 - verdict.scores['school']:.0%} sure)"
    else:
        labels = ", ".join(verdict.labels) or "none of the four labels holds"
        yield f"  school mail ({verdict.scores['school']:.0%}); labels: {labels}"
        yield f"  filed as {verdict.primary} ({verdict.confidence:.0%} sure)"
    for label in LABELS:
        for item in verdict.evidence:
            if item.label == label:
                yield f'  {label} {verdict.scores[label]:.0%}: "{one_line(item.text, 160)}"'
    if verdict.unsure:
        yield f"  for review: {verdict.reason}"
    yield from _asks(verdict)


def _sender(verdict: Verdict) -> str:
    why = "; ".join(verdict.warnings) or _SENDERS[verdict.sender]
    who = f"{verdict.teacher.name}, " if verdict.teacher else ""
    return f"{who}{verdict.sender} ({why})" if verdict.sender == "suspicious" else f"{who}{why}"


def _asks(verdict: Verdict) -> Iterator[str]:
    if verdict.child:
        yield f"  child: {verdict.child}"
    if verdict.needs_reply:
        yield "  waits for your answer" + (", today" if verdict.urgent else "")
    elif verdict.urgent:
        yield "  to be read today"
    for due in verdict.due:
        yield f'  date: {due.at} ({due.what}), from "{one_line(due.text, 60)}"'
    for flag in verdict.flags:
        quotes = [one_line(item.text, 120) for item in verdict.evidence if item.label == flag]
        yield f"  {flag}" + (f': "{quotes[0]}"' if quotes else "")
    if verdict.language not in ("en", "es"):
        yield f"  language: {verdict.language}"


def pass_lines(report: Report, *, dry_run: bool) -> Iterator[str]:
    """What a pass did, or with `dry_run` would do."""
    for message in report.messages:
        yield _message_line(message)
    would = "would be " if dry_run else ""
    yield (
        f"{report.name}: {report.seen} new, {report.school} from school, {report.filed} {would}filed, "
        f"{report.review} {would}put up for review, {report.skipped} skipped, {report.failed} failed, "
        f"{report.corrections} corrections"
    )


def _message_line(message: dict[str, object]) -> str:
    actions = message["actions"]
    doing = ", ".join(_action_words(action) for action in actions) if isinstance(actions, list) else ""
    subject = one_line(str(message["subject"] or ""), 60)
    return f'{message["path"]}: {message["primary"] or "unreadable"}: "{subject}": {doing or "left alone"}'


def _action_words(action: dict[str, object]) -> str:
    tags = action.get("tags")
    named = f" {', '.join(map(str, tags))}" if isinstance(tags, list) else ""
    target = f" to {action['target']}" if "target" in action else ""
    return f"{action['kind']}{named}{target}"


def undo_lines(account: str, actions: Sequence[Action]) -> Iterator[str]:
    """What an undo would do."""
    for action in actions:
        yield f"{account}: {action.place.folder}/{action.place.uid}: {_action_words(action.to_json())}"
    count = len({action.key for action in actions})
    yield f"{account}: {count} message{'' if count == 1 else 's'} would be put back"
