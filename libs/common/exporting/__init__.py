"""A person's data handed out: each service writes its part by its holdings, and privacy makes one archive of them."""
