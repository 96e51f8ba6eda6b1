"""Where a detector is trained: one contract (``job``), one folder for each cloud that keeps it, ``local`` here."""
