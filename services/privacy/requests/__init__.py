"""What people ask for: the contact form, who asks, each request's case with its due date, and the conversation."""
