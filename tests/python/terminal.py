"""Runs a program on its own terminal, and types keys when a given text is shown.

Arguments: the steps as JSON, then the program with its arguments. A step is a pair: the text to wait for, and the
keys to type. Prints the exit status, whether the terminal echoes again, and what was shown after the last step.
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
terminal, program_side = pty.openpty()
child = subprocess.Popen(
    sys.argv[2:],
    stdin=program_side,
    stdout=program_side,
    stderr=program_side,
    start_new_session=True,
    preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
)


def shown(seconds):
    """Returns new output, or nothing if none arrives within the given number of seconds."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 65536) if ready else b""


for text, keys in steps:
    wanted, seen, begun = text.encode(), b"", time.monotonic()
    while wanted not in seen:
        seen += shown(0.1)
        if time.monotonic() - begun > PATIENCE_S or child.poll() is not None:
            child.kill()
            sys.exit(f"{text!r} was not shown, but: {seen[-2000:].decode(errors='replace')}")
    os.write(terminal, keys.encode())
    # Two Ctrl-C that are typed at once can merge into one signal.
    time.sleep(0.3)

rest, begun = b"", time.monotonic()
while child.poll() is None:
    rest += shown(0.1)
    if time.monotonic() - begun > PATIENCE_S:
        child.kill()
        sys.exit(f"the program does not end: {rest[-2000:].decode(errors='replace')}")
rest += shown(0)
echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
print(f"status {child.returncode}, {'echo' if echoes else 'no echo'}")
print(rest.decode(errors="replace"))
