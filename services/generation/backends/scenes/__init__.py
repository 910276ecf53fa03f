"""One module per style, and the sky, land and water they share."""
