"""A split of a dataset as the tensors that a model learns from: one module a task."""
