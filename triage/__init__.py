"""triage: sorts the mail that teachers write, on the parent's own machine."""

__version__ = "0.1.0"
