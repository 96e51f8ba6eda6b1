"""What is known to go wrong on Google Cloud."""
