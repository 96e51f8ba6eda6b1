"""Trainings as Airflow sees them: operators, the trigger and its poller, and the one table of targets (``targets``)."""
