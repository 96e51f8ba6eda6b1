"""``make run``. See ``--help``."""

import signal
import sys

if __name__ == "__main__":
    # Until the main job takes over, Ctrl-C ends the process at once and without a traceback; imports take a second.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from include.laptop.main_job import main

    sys.exit(main())
