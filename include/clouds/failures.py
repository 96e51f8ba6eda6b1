"""What all clients raise alike."""

from __future__ import annotations


class CallFailed(RuntimeError):
    """A service could not do what it was asked, for now: it may be asked again."""


class QuotaExceeded(CallFailed):
    """The account has no more of what was asked for: until something ends, or more is granted.

    Args:
        code: the service's own, where one account has limits of several kinds.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
