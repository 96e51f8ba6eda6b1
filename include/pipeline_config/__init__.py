"""The TF Object Detection API's ``pipeline.config`` as a configuration of the trainer, without that API."""
