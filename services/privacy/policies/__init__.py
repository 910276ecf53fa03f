"""The privacy policy and the terms: their versions, what is in force, and its publication."""
