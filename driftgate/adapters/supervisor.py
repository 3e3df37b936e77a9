"""Run a command until it ends or whoever started this process is gone, whichever comes first.

    python supervisor.py PROGRAM ARGUMENT...

The starter holds the other end of standard input. When it closes, even by being killed, the
command's whole process group is ended: an evaluation never leaves agents behind.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    try:
        child = subprocess.Popen(  # noqa: S603  the command is the agent's manifest's
            sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        sys.stderr.write(f"can't run {sys.argv[1]}: {error.strerror}\n")
        return 127

    def end_with_starter() -> None:
        while os.read(0, 1024):  # nothing is sent; this ends when the other end is closed
            pass
        os.killpg(child.pid, signal.SIGKILL)

    threading.Thread(target=end_with_starter, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
