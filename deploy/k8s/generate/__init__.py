"""What of the manifests is made from the code: topics, access to them, scaling, routes, secrets, rules."""
