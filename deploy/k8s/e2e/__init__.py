"""`make k8s-e2e`: the platform on a real cluster, used while its pods come and go."""
