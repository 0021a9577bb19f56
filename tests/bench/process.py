"""What processes use."""

from __future__ import annotations

import contextlib
import os
import re
import signal
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


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its seconds from just before it was spawned, its status and what it used."""

    seconds: float
    status: int
    usage: Usage


# How often a command's memory is looked at.
_LOOK_SECONDS = 0.01


def run(command: list[str], environment: dict[str, str], output: Path, timeout: float) -> Ended:
    """Runs a command to its end, or for so long, with its output in a file."""
    peak = 0
    with output.open("wb") as log:
        streams = [(os.POSIX_SPAWN_DUP2, log.fileno(), stream) for stream in (1, 2)]
        started = time.perf_counter()
        pid = os.posix_spawn(command[0], command, environment, file_actions=streams)
        while True:
            ended, status, used = os.wait4(pid, os.WNOHANG)
            if ended:
                seconds = time.perf_counter() - started
                cpu_seconds = used.ru_utime + used.ru_stime
                return Ended(seconds, os.waitstatus_to_exitcode(status), Usage(cpu_seconds, peak))
            if time.perf_counter() > started + timeout:
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                peak = max(peak, usage(pid).peak_rss_bytes)
            time.sleep(_LOOK_SECONDS)
