"""The priority of a program among all processes of the machine."""

import errno
import os
import time
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
MAX_ATTEMPTS = 5
PAUSE_SECONDS = 0.12  # Linux accepts one change of a priority of a session per tenth of a second


def lower_priority(niceness: int) -> None:
    """Let the other processes of the machine take precedence over this one and over those it starts.

    Linux may divide processor time between sessions first, and then between the processes of each; see "autogroup" in sched(7). There,
    the niceness of a process has no effect outside its session, so the niceness of the session is set as well. Call this in a process
    that leads its own session: in a shared one, the other processes would be slowed down too.
    """
    os.nice(niceness)
    for _attempt in range(MAX_ATTEMPTS if niceness else 0):
        try:
            AUTOGROUP.write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return  # another system, or one that does not divide time between sessions
        else:
            return
        time.sleep(PAUSE_SECONDS)
