"""``python -m detector_trainer``."""

from detector_trainer.cli import leave, main

if __name__ == "__main__":
    leave(main())
