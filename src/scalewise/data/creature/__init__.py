"""How a creature is drawn: its body, coat, place and light."""
