"""The theory that runs: loss identities, receptive fields, cost."""
