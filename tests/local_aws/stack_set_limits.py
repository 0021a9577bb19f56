"""How many of a Region's accounts an operation works on at once, and how many of them may fail.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def limits(preferences: dict[str, Any], accounts: int) -> tuple[int, int]:
    """How many failures of a Region's accounts are tolerated and how many accounts are worked on at most at once."""
    if "FailureTolerancePercentage" in preferences:
        tolerance = accounts * preferences["FailureTolerancePercentage"] // 100
    else:
        tolerance = preferences.get("FailureToleranceCount", 0)
    if "MaxConcurrentPercentage" in preferences:
        concurrency = max(1, accounts * preferences["MaxConcurrentPercentage"] // 100)
    else:
        concurrency = preferences.get("MaxConcurrentCount", 1)
    return tolerance, concurrency


class Gate:
    """Lets the accounts of one Region in, as the preferences of the operation say.

    With STRICT_FAILURE_TOLERANCE, the default, no more accounts are worked on than may still fail and one: there are
    never more failures than that. With SOFT_FAILURE_TOLERANCE failures do not slow the operation down.
    """

    def __init__(self, preferences: dict[str, Any], accounts: int, stopped: Callable[[], bool]) -> None:
        self._tolerance, self.concurrency = limits(preferences, accounts)
        mode = preferences.get("ConcurrencyMode", "STRICT_FAILURE_TOLERANCE")
        self._strict = mode == "STRICT_FAILURE_TOLERANCE"
        if self._strict:
            self.concurrency = min(self.concurrency, self._tolerance + 1)
        self._stopped = stopped
        self._inside = self._failures = 0
        self._changed = threading.Condition()

    @property
    def exceeded(self) -> bool:
        """Whether more accounts failed than are tolerated."""
        return self._failures > self._tolerance

    @property
    def room(self) -> int:
        """How many accounts may be worked on at once as things are."""
        return min(self.concurrency, self._tolerance + 1 - self._failures) if self._strict else self.concurrency

    def enter(self) -> bool:
        """Waits for its turn; False if there is none any more, since too many failed or the operation is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.exceeded or self._inside < self.room)
            if self.exceeded or self._stopped():
                return False
            self._inside += 1
            return True

    def leave(self, failed: bool) -> None:
        """Tells how it went in the account that had been let in."""
        with self._changed:
            self._inside -= 1
            self._failures += failed
            self._changed.notify_all()
