"""Models: one module each, with net, targets, loss and decoding; found by the module's name."""
