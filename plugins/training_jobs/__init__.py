"""Training jobs on any target: one contract (``job``), one file per target, one table of them (``targets``)."""
