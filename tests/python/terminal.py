"""Runs a program on a terminal of its own, and types when something is shown there.

Arguments: the steps as JSON, then the program with its arguments. A step is a pair: wait for this text, then type
that one. Prints the exit status, whether the terminal echoes again, and what it showed after the last step.
"""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time

PATIENCE_S = 120

steps = json.loads(sys.argv[1])
terminal, its_program_s = pty.openpty()
child = subprocess.Popen(
    sys.argv[2:],
    stdin=its_program_s,
    stdout=its_program_s,
    stderr=its_program_s,
    start_new_session=True,
    preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
)


def shown(seconds):
    """What is shown within so many seconds, as soon as there is something."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 65536) if ready else b""


for text, keys in steps:
    wanted, seen, begun = text.encode(), b"", time.monotonic()
    while wanted not in seen:
        seen += shown(0.1)
        if time.monotonic() - begun > PATIENCE_S or child.poll() is not None:
            child.kill()
            sys.exit(f"no {text!r}, but: {seen[-2000:].decode(errors='replace')}")
    os.write(terminal, keys.encode())
    # Two that are typed at once can be one signal.
    time.sleep(0.3)

rest, begun = b"", time.monotonic()
while child.poll() is None:
    rest += shown(0.1)
    if time.monotonic() - begun > PATIENCE_S:
        child.kill()
        sys.exit(f"it does not end: {rest[-2000:].decode(errors='replace')}")
rest += shown(0)
echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
print(f"status {child.returncode}, {'echo' if echoes else 'no echo'}")
print(rest.decode(errors="replace"))
