"""``python -m detector_trainer``."""

import logging
import os
import sys

from detector_trainer.cli import main

if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # everything is written; TensorFlow's threads can take a quarter of a minute to wind down
