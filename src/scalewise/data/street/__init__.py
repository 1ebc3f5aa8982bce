"""How a street is drawn: its layout, traffic, things and the view of them."""
