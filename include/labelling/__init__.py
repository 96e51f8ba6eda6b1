"""Labelling with help: images are chosen, boxes suggested, and a person's review becomes a batch for ingest."""
