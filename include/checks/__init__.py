"""Faults that are known before anything is paid: pure rules over facts, which others gather."""
