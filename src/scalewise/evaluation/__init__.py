"""Metrics of the tasks beside detection: numbers from files, never a net."""
