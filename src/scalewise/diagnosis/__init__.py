"""What is wrong with a detector, and at which object scale. Knows no model and no dataset."""
