"""The local pages: captured e-mails and the combined API documentation."""
