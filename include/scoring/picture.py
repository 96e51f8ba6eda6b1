"""An image as models are shown it."""

from __future__ import annotations

import io
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class Picture:
    """One image in the forms that the formats take, each made once: all formats share one decoding."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self._resized: dict[int, NDArray[np.float32]] = {}

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 3) RGB."""
        import tensorflow as tf

        return tf.io.decode_image(self.encoded, channels=3, expand_animations=False).numpy()

    def resized(self, size: int) -> NDArray[np.float32]:
        """(size, size, 3) RGB, 0..255, by the resizing that training and serving use."""
        if size not in self._resized:
            from detector_trainer.records import decode_and_resize

            self._resized[size] = decode_and_resize(self.encoded, size).numpy()
        return self._resized[size]

    def at_input_size(self, size: int) -> Picture:
        """This image as a ``size`` x ``size`` PNG without compression, for timing."""
        from PIL import Image

        png = io.BytesIO()
        pixels = np.rint(self.resized(size)).astype(np.uint8)
        Image.fromarray(pixels).save(png, "png", compress_level=0)
        return Picture(png.getvalue())
