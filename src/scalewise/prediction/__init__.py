"""A trained model and images -> files that say what it found: one module a task."""
