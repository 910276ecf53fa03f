"""The embedded stack: real Kafka, MongoDB, S3 and Envoy, and Pixera's services, as child processes."""
