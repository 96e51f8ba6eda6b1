"""What is trained in the tests of faults: a sample of digits, in a training that ends soon and in one that lasts."""

from __future__ import annotations

COLLECTION = "digits"
SLOW = "slow"  # the same images; its training lasts for as long as a test needs it
IMAGES = 120
STEPS = 160
CHECKPOINT_EVERY = 10
TRAINING = {
    "input_size": 96,
    "width": 0.35,
    "weights": "none",
    "steps": STEPS,
    "batch_size": 4,
    "evaluate_every": 80,
    "checkpoint_every": CHECKPOINT_EVERY,
    "augmentation": {"mirror": False},
}
SLOW_TRAINING = TRAINING | {"steps": 100 * STEPS, "evaluate_every": 100 * STEPS}
