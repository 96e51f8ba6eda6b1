"""What all our DAGs share: assets and their partition keys, defaults, tags."""
