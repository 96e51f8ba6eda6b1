"""Azure's Custom Vision: the service that trains there, and what it needs."""
