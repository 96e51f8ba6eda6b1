"""The whole of Airflow on one machine: SQLite, LocalExecutor, 127.0.0.1 only. What ``make run`` runs."""
