"""Run a command until it ends or whoever started this process is gone, whichever comes first.

    python supervisor.py FOLDER PROGRAM ARGUMENT...

The starter holds the other end of standard input. When it closes, even by being killed, the
command's whole process group is ended; the folder, its home, is removed in any case. So an
evaluation never leaves agents or their files behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main() -> int:
    folder, *command = sys.argv[1:]
    try:
        child = subprocess.Popen(  # noqa: S603  the command is the agent's manifest's
            command, stdin=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.write(f"can't run {command[0]}: {error.strerror}\n")
        return 127
    finally:
        os.chdir("/")

    def end_with_starter() -> None:
        while os.read(0, 1024):  # nothing is sent; this ends when the other end is closed
            pass
        os.killpg(child.pid, signal.SIGKILL)

    threading.Thread(target=end_with_starter, daemon=True).start()
    try:
        return child.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
