"""What a living process has used so far."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """CPU of all threads since the process began, and the most memory that it ever held at once."""

    cpu_seconds: float
    peak_rss_bytes: int


def usage(pid: int) -> Usage:
    """The usage of a living process of this user.

    CPU comes from the process's own clock, in nanoseconds and with the threads that have ended (what
    clock_getcpuclockid(3) gives; /proc/PID/stat counts in ticks of 10 ms, and schedstat per living thread). Memory is
    the kernel's high-water mark: ru_maxrss of a child would include its parent's memory from before exec.
    """
    clock = (~pid << 3) | 2  # CPUCLOCK_SCHED of the whole process
    cpu_seconds = time.clock_gettime(clock)
    status = Path(f"/proc/{pid}/status").read_text()
    high_water = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if high_water is None:
        raise ProcessLookupError(f"process {pid} has ended")
    return Usage(cpu_seconds, int(high_water[1]) * 1024)
