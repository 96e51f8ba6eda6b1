"""What all clients raise alike."""

from __future__ import annotations


class CallFailed(RuntimeError):
    """A service could not do what it was asked, for now: it may be asked again."""


class QuotaExceeded(CallFailed):
    """The account has no more of what was asked for: until something ends, or more is granted."""
