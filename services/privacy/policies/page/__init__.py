"""The public policy page: the policy's text, and below its sections what the data map says."""
