"""Lanner's work measured against the plain way of doing it. `make bench` runs these and writes docs/benchmarks.md."""
