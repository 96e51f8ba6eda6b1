"""Clients of the clouds, by the credentials of whoever asks."""
