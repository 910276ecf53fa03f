"""Code that every service stands on."""
