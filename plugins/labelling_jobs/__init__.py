"""The tasks of assist_labelling: what opens a round, waits for its review, and closes it."""
