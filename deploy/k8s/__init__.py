"""The platform on Kubernetes: what is generated of `deploy/k8s`, how it is checked, applied and tried."""
