"""How a synthetic flower is drawn: from shapes and surfaces to a picture that a camera could have taken."""
