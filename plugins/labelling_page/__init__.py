"""The page on which a person reviews a round of labelling, in Airflow's UI and behind its login."""
