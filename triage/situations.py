"""Pure: which file of wording fits a mail (docs/prompts.md has the table)."""

import re
from collections.abc import Sequence

from triage.classify import LABELS, Verdict
from triage.facts import names_plan
from triage.history import CONCERNS, Past, concerns_before, is_new_teacher, is_resolved
from triage.lexicon import pattern
from triage.said import NOTHING, Said


def situation_of(verdict: Verdict, past: Sequence[Past] = (), said: Said = NOTHING) -> str:
    """Which file of wording fits: danger before doubt, doubt before plan, then the label or mixture and its history."""
    labels, primary = set(verdict.labels), verdict.primary
    talk = "meeting_request" in labels and primary != "praise"
    bulk = not labels
    before = 0 if talk or bulk or "praise" in labels else len(concerns_before(verdict, past))
    choices = (
        ("safety", verdict.danger),
        ("suspicious", bool(verdict.warnings)),
        # Whatever else it is about, what goes to many is no talk with anybody.
        ("newsletter", "bulk" in verdict.flags),
        ("resolved" if "praise" in labels else "settled", not bulk and _is_over(verdict, said)),
        ("unsure", verdict.unsure and not _is_mixture(verdict)),
        ("confirmed", talk and "behavior" not in labels and not bulk and said.confirms),
        ("plan", primary not in ("praise", "not_school") and _is_of_a_plan(verdict)),
        ("third", before >= 2),
        ("second", before == 1),
        ("new_teacher", is_welcome(verdict, past, said)),
        ("other_school", bulk and primary not in labels),
        ("resolved", labels == {"praise"} and not bulk and is_resolved(verdict, past)),
        (primary, bulk or len(labels) == 1),
        ("behavior_meeting", talk and "behavior" in labels),
        ("homework_meeting", talk and "homework" in labels),
        ("meeting_request", talk),
        ("praise_concern", "praise" in labels and (primary != "praise" or "behavior" in labels)),
        ("homework_behavior", {"homework", "behavior"} <= labels),
        (primary, True),
    )
    return next(situation for situation, fits in choices if fits)


def _is_mixture(verdict: Verdict) -> bool:
    """Whether doubt is only which of two labels comes first: both are as good as certain, and a card speaks of both."""
    scores = [verdict.scores[label] for label in verdict.labels if label in LABELS]
    from_school = verdict.sender in ("known", "school") or verdict.scores["school"] >= _SURE
    return len(scores) >= 2 and from_school and min(scores) >= _SURE


# By folds over authors, of 1,991 mails with two labels of so much or more, both hold in 1,902.
_SURE = 0.9


def _is_of_a_plan(verdict: Verdict) -> bool:
    """Whether a plan is the matter of a mail: named by a word, and not only the background of a concern."""
    # Words for a plan on a mail that names none would puzzle more than help.
    return speaks_of_a_plan(verdict) and (
        verdict.primary not in CONCERNS
        or "meeting_request" in verdict.labels
        or any(pattern("plan_steps").search(text) for text in of_plan(verdict))
    )


def speaks_of_a_plan(verdict: Verdict) -> bool:
    """Whether a mail is about a plan and names one by a word."""
    return "plan" in verdict.flags and names_plan(of_plan(verdict))


def of_plan(verdict: Verdict) -> list[str]:
    """The sentences that speak of a plan."""
    return [item.text for item in verdict.evidence if item.label == "plan"]


def _is_over(verdict: Verdict, said: Said) -> bool:
    """Whether a mail says that a worry is over: in plain words, with no concern beside it and nothing left to ask."""
    worries = [item.text for item in verdict.evidence if item.label in ("behavior", "homework", "safety")]
    good = {item.text for item in verdict.evidence if item.label == "praise"}
    left = [text for text in worries if not (text in good or _has_ended(text))]
    named = any(pattern("settled").search(text) for text in said.sentences)
    quiet = not (verdict.needs_reply or said.questions or verdict.due)
    return named and quiet and not left and bool({"behavior", "homework"} & set(verdict.labels))


def _has_ended(text: str) -> bool:
    return bool(pattern("settled").search(text) or pattern("looks_back").search(text))


def is_welcome(verdict: Verdict, past: Sequence[Past], said: Said = NOTHING) -> bool:
    """A teacher's first mail that asks for nothing and worries nobody: the moment to say hello."""
    who = verdict.teacher
    of_an_office = who is not None and pattern("offices").search(f"{who.name} {re.sub('[._-]', ' ', who.address)}")
    busy = verdict.needs_reply or verdict.labels or said.asked or any(due.what != "event" for due in verdict.due)
    return not busy and not of_an_office and "bulk" not in verdict.flags and is_new_teacher(verdict, past)


# --- What there is to a concern ------------------------------------------------------------------------------

# From so much on a mail that is not said to be about work or behavior may be all the same.
_LIKELY = 0.2


def is_worry(verdict: Verdict, said: Said = NOTHING) -> bool:
    """Whether a mail holds any concern at all: not where none is likely, or a teacher is glad and nothing is amiss."""
    told = "\n".join((*said.sentences, *(item.text for item in verdict.evidence)))
    likely = max(verdict.scores[label] for label in CONCERNS) >= _LIKELY or bool(CONCERNS & set(verdict.labels))
    amiss = any(pattern(name).search(told) for name in ("deeds", "concern", "turns"))
    glad = bool(pattern("cheer").search(told)) and not (amiss or verdict.needs_reply or said.asked)
    return "safety" in verdict.flags or (likely and not glad)


def is_of_a_day(verdict: Verdict) -> bool:
    """Whether what a mail tells of behavior happened once, and is not how things have been for some time."""
    told = [item.text for item in verdict.evidence if item.label == "behavior"]
    past = [text for text in told if pattern("happened").search(text)]
    lasts = any(pattern("over_time").search(text) for text in told)
    # What somebody did is an event, even among what has been so for weeks.
    done = [text for text in past if not pattern("over_time").search(text)]
    return any(pattern("one_day").search(text) for text in past) or any(
        not lasts or pattern("deeds").search(text) for text in done
    )
