"""How a file comes over the network, whole and verified."""
