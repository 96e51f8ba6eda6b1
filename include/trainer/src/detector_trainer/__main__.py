"""``python -m detector_trainer``."""

import sys

from detector_trainer.cli import main

if __name__ == "__main__":
    sys.exit(main())
