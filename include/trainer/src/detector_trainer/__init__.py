"""Trains one object detector, SSDLite on a MobileNet, from TFRecord shards. Knows no cloud and no Airflow."""

__version__ = "0.2.1"
