"""Datasets: one module each says how it is made or fetched and brought into the common form."""
